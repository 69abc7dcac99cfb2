"""What every kind of AWS starts from."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from activities.providers.base import Context, Provider
from workflows.model.failure import Code, PermanentError, SeawallError
from workflows.model.messages import StepRequest
from workflows.model.observed import Finding
from workflows.model.verbs import Verb

from . import outputs
from .calls import Aws
from .duties import Duty, duty_of
from .preflight import preflight
from .register import Register
from .settings import AwsSettings, AwsSite, at


class AwsProvider(Provider):
    """A kind whose target is a service of AWS: any worker can act on any site, as long as its region answers."""

    Settings: ClassVar[type[AwsSettings]]
    limits: ClassVar[Mapping[Verb, timedelta]] = dict.fromkeys(
        (
            Verb.START_INSTANCES,
            Verb.STOP_INSTANCES,
            Verb.PROMOTE,
            Verb.FENCE,
            Verb.FLIP_DNS,
            Verb.MEASURE_LAG,
            Verb.COMPARE_SITES,
        ),
        timedelta(hours=1),
    )
    """What AWS does takes minutes, and while it throttles tens of them."""

    in_drills: ClassVar[bool] = True
    """Whether the kind ever acts in a drill; one that does not needs no rights for it."""

    settings: Any

    def __init__(self, settings: AwsSettings, context: Context) -> None:
        super().__init__(settings, context)

    def site(self, name: str) -> Any:
        """The settings of a site."""
        return at(self.settings.places, name, self.kind)

    def aws(self, name: str, request: StepRequest | None = None, duty: Duty | None = None, run: str = "") -> Aws:
        """Calls to the region of a site, under the role of the duty, which is that of the request unless told; without
        a request, and a run that is cleaned up after, those of a look."""
        place: AwsSite = self.site(name)
        role = place.roles.get(duty or duty_of(request), place.role)
        run = request.ref.workflow_id if request else run
        return Aws(place.model_copy(update={"role": role}), self.settings, run, self.context.heartbeat)

    async def prepare(self, sites: Sequence[str]) -> None:
        """Outputs of stacks in the place of names. Of a site where the step does not act, a region that is silent is no
        reason to stop: what is not filled in is no name of AWS's, and would be refused."""
        filled = dict(self.settings.places)
        for name in dict.fromkeys(site for site in sites if site in filled):
            try:
                filled[name] = await outputs.filled(self.aws(name), filled[name])
            except SeawallError:
                if name == sites[0]:
                    raise
        if filled != self.settings.places:
            self.settings = self.settings.model_copy(update={"sites": filled})

    def register(self, name: str, request: StepRequest) -> Register:
        """Who may act on this component at a site."""
        return Register(self.aws(name, request), request, name)

    async def preflight(self, component: str, site: str, rpo: timedelta | None = None) -> tuple[Finding, ...]:
        return await preflight(self, component, site, rpo)

    @property
    def patience(self) -> float:
        """Seconds that an effect may take until it shows."""
        seconds: float = self.settings.settle.total_seconds()
        return seconds

    def within(self, what: str, touched: int, listed: int) -> None:
        """The cap of what one step may touch: no more than the runbook lists.

        Raises:
            PermanentError: LIMIT_EXCEEDED, before anything is touched.
        """
        if touched > listed:
            raise PermanentError(
                Code.LIMIT_EXCEEDED,
                f"This step would touch {touched} {what}, and its runbook lists {listed}.",
                "Nothing was touched. Find out what the others are, and list them or take their tags away.",
            )
