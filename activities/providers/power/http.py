"""The provider of the kind `power.http`: a fence device that switches a whole site off, by a path of its own."""

import asyncio
import contextlib
import time
from pathlib import Path
from typing import ClassVar, Literal

from activities.providers.base import Context, Provider, now
from activities.providers.by_hand import ByHand
from workflows.model.base import Message, Strict
from workflows.model.failure import Code, PermanentError, SeawallError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import FenceProof, Reach
from workflows.model.runbook import Role
from workflows.model.verbs import Verb

from . import by_hand
from .controller import Controller, HostState, unknown
from .settings import HttpPowerSettings


class _Intent(Message):
    """What stood before this run switched the host off, noted before it did: the controller does not remember."""

    epoch: int
    workflow_id: str
    power: str
    held: bool = False


class HttpPowerProvider(Provider):
    """The fence stands when the controller reports `off` and holds it under our epoch or a later one of ours."""

    kind: ClassVar[str] = "power.http"
    role: ClassVar[Role | None] = None
    verbs: ClassVar[frozenset[Verb]] = frozenset({Verb.FENCE, Verb.UNFENCE, Verb.REOPEN_SITE, Verb.CLOSE_SITE})
    Settings: ClassVar[type[Strict]] = HttpPowerSettings

    settings: HttpPowerSettings

    def __init__(self, settings: HttpPowerSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._controller = Controller(settings)

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:
        return by_hand.by_hand(self.settings, verb, request)

    async def fence(self, request: StepRequest) -> StepResult:
        stands = await self._controller.state()
        _not_stale(request, stands)
        changed = not (stands.power == "off" and stands.held and stands.epoch == request.ref.epoch)
        if changed:
            self._note(request, stands)
            await self._switch(request, "off")
        before = self._noted(request)
        proof = FenceProof(
            component=request.target.name,
            site=request.target.site,
            epoch=request.ref.epoch,
            method="powered off by its controller",
            proven=False,
            write_probe=Reach.UNKNOWN,
            independent=True,
            at=now(),
            detail=f"The controller reports {self.settings.host} off and holds it.",
        )
        return StepResult(
            detail=f"{self.settings.host} is off.",
            changed=changed,
            before={"power": before.power if before else None, "held": before.held if before else None},
            after={"power": "off", "epoch": request.ref.epoch, "held": True},
            proof=proof,
        )

    async def unfence(self, request: StepRequest) -> StepResult:
        stands = await self._controller.state()
        _not_stale(request, stands)
        if stands.epoch != request.ref.epoch:
            return StepResult(detail="No fence of this run stands.", changed=False, after={"power": stands.power})
        if stands.power == "on":
            return StepResult(detail="It is on.", changed=False, after={"power": "on"})
        if not self._was_on(request):
            return await self._left_off(request, stands)
        await self._switch(request, "on")
        return StepResult(
            detail=f"{self.settings.host} is on again.", before={"power": "off"}, after={"power": "on", "held": False}
        )

    async def _left_off(self, request: StepRequest, stands: HostState) -> StepResult:
        """It stays off; and whoever mends it may switch it on again, as they could before this run held it off."""
        words = f"{self.settings.host} was off before this run, and is left off"
        after = {"power": "off", "held": stands.held}
        if not stands.held or self._was_held(request):
            return StepResult(detail=f"{words}.", changed=False, after=after)
        await self._switch(request, "off", held=False)
        return StepResult(detail=f"{words}, and no longer held.", before=after, after={"power": "off", "held": False})

    async def reopen_site(self, request: StepRequest) -> StepResult:
        """`rescue` brings the machine and its worker up, and starts nothing of the application: an old primary that
        came up by itself would be a second writer."""
        stands = await self._controller.state()
        _not_stale(request, stands)
        if stands.power != "off":
            return StepResult(detail=f"{self.settings.host} is on.", changed=False, after={"power": stands.power})
        await self._switch(request, "rescue")
        return StepResult(
            detail=f"{self.settings.host} is on; nothing of the application was started there.",
            before={"power": "off"},
            after={"power": "rescue", "epoch": request.ref.epoch},
        )

    async def close_site(self, request: StepRequest) -> StepResult:
        stands = await self._controller.state()
        _not_stale(request, stands)
        if (stands.power, stands.epoch) != ("rescue", request.ref.epoch):
            return StepResult(detail="This run did not open it.", changed=False, after={"power": stands.power})
        await self._switch(request, "off")
        return StepResult(
            detail=f"{self.settings.host} is held off again.",
            before={"power": "rescue"},
            after={"power": "off", "epoch": request.ref.epoch, "held": True},
        )

    async def _switch(
        self, request: StepRequest, power: Literal["on", "off", "rescue"], *, held: bool | None = None
    ) -> None:
        """Ask, then read back until the controller reports it. What is switched off is held off, unless told."""
        held = power == "off" if held is None else held
        self.context.still_mine()
        await self._controller.set(power, request.ref.epoch, request.ref.key, held)
        end = time.monotonic() + self.settings.settle.total_seconds()
        while True:
            with contextlib.suppress(SeawallError):
                stands = await self._controller.state()
                if (stands.power, stands.epoch, stands.held) == (power, request.ref.epoch, held):
                    return
            if time.monotonic() >= end:
                raise unknown(self.settings.host, power)
            self.context.heartbeat(f"waiting for {self.settings.host} to be {power}")
            await asyncio.sleep(0.02)

    def _path(self) -> Path:
        return self.context.state_dir / f"power-{self.settings.host}.json"

    def _note(self, request: StepRequest, stands: HostState) -> None:
        noted = self._noted(request)
        if noted is not None or stands.epoch == request.ref.epoch:
            return  # An earlier attempt has acted: what stands now is not what stood before.
        intent = _Intent(
            epoch=request.ref.epoch, workflow_id=request.ref.workflow_id, power=stands.power, held=stands.held
        )
        path = self._path()
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(intent.model_dump_json(), encoding="utf-8")
        part.replace(path)

    def _noted(self, request: StepRequest) -> _Intent | None:
        with contextlib.suppress(OSError, ValueError):
            intent = _Intent.model_validate_json(self._path().read_bytes())
            if (intent.epoch, intent.workflow_id) == (request.ref.epoch, request.ref.workflow_id):
                return intent
        return None

    def _was_held(self, request: StepRequest) -> bool:
        """Whether another run's fence stood there; where nobody knows any more, it is taken for one."""
        held = request.result.before.get("held") if request.result else None
        if held is None:
            noted = self._noted(request)
            held = noted.held if noted else True
        return bool(held)

    def _was_on(self, request: StepRequest) -> bool:
        power = request.result.before.get("power") if request.result else None
        if power is None:
            noted = self._noted(request)
            power = noted.power if noted else None
        if power is None:
            # The note was on another worker: a component that answered from there tells as much.
            return request.before is not None and request.before.reach in (Reach.SERVING, Reach.STANDBY, Reach.REFUSED)
        return bool(power == "on")


def _not_stale(request: StepRequest, stands: HostState) -> None:
    if stands.epoch > request.ref.epoch:
        raise PermanentError(
            Code.STALE_EPOCH,
            f"The power controller holds epoch {stands.epoch} for {stands.host}, above epoch {request.ref.epoch}"
            " of this run: a later run has taken over.",
            "Look at the later run; this one must not go on.",
        )


PROVIDER = HttpPowerProvider
