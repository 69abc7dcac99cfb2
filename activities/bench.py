"""What every verb works with: the providers, and the place where this worker stands."""

from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from activities.providers.base import Context, Provider, now
from activities.providers.registry import Registry
from workflows.model.failure import Code, PermanentError, SeawallError, TemporaryError
from workflows.model.messages import Bubble, Target
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import BubbleDevice, FenceDevice

from .wire import Pulse


class Bench:
    """Makes the provider of a component, for one attempt."""

    def __init__(self, registry: Registry, here: str, state_dir: Path) -> None:
        self.registry = registry
        self.here = here
        self.state_dir = state_dir

    async def provider(self, target: Target, pulse: Pulse | None = None) -> Provider:
        """The provider of the target's kind, ready to act: what its settings refer to has been read.

        Raises:
            SeawallError: as `unprepared` and `Provider.prepare` say.
        """
        found = self.unprepared(target, pulse)
        await found.prepare((target.site, target.source, target.target))
        return found

    async def observe(self, target: Target, observer: str) -> Observation:
        """A look, which fails for nothing that is merely not there yet: a site that nobody has provisioned refuses."""
        found = self.unprepared(target)
        try:
            await found.prepare((target.site, target.source, target.target))
        except SeawallError as error:
            reach = Reach.SILENT if isinstance(error, TemporaryError) else Reach.REFUSED
            return Observation(
                component=target.name, site=target.site, observer=observer, reach=reach, at=now(), detail=error.sentence
            )
        return await found.observe(target.name, target.site, observer)

    def unprepared(self, target: Target, pulse: Pulse | None = None) -> Provider:
        """The provider of the target's kind, with its settings read and this attempt's pulse.

        Raises:
            PermanentError: UNSUPPORTED, or CONFIGURATION when the settings do not fit the kind.
        """
        return self._make(target.component.kind, target.component.settings, pulse, target.bubble)

    def device(self, device: FenceDevice | BubbleDevice, pulse: Pulse | None = None) -> Provider:
        """The provider of a site's device."""
        return self._make(device.kind, device.settings, pulse)

    def _make(
        self, kind: str, settings: dict[str, object], pulse: Pulse | None, bubble: Bubble | None = None
    ) -> Provider:
        found = self.registry.get(kind)
        context = Context(here=self.here, state_dir=self.state_dir, bubble=bubble)
        if pulse is not None:
            context = replace(context, heartbeat=pulse.progress, still_mine=pulse.still_mine)
        try:
            return found(found.Settings.model_validate(settings), context)
        except ValidationError as error:
            fields = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors())
            raise PermanentError(
                Code.CONFIGURATION, f"The settings of kind {kind} do not fit: {fields}.", "Run `seawall validate`."
            ) from None
