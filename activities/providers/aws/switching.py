"""Users sent to a site by switches that carry no epoch: routing controls, traffic dials.

Invariants: the switches of the target are on before, or together with, the moment at which those of the other site go
off; and a run whose epoch is below the register's moves none of them. The register is that of the target site, and in
a planned move, where both regions live, that of the source too: a step of an older run that wakes up late finds a
higher epoch in whichever direction it goes.
"""

from typing import Any, ClassVar

from activities.providers.base import now
from workflows.model.failure import Code, PermanentError, SeawallError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.plan import Mode
from workflows.model.runbook import Role
from workflows.model.verbs import Verb

from .calls import Aws
from .component import AwsProvider
from .waiting import until

Switches = dict[str, Any]
"""By the ARN of each: its state."""


class Switching(AwsProvider):
    """A kind gives the switches that it reads (`_look`), those that it wants (`_wanted`), and sets them (`_set`)."""

    role: ClassVar[Role | None] = Role.TRAFFIC
    verbs: ClassVar[frozenset[Verb]] = frozenset({Verb.OBSERVE, Verb.FLIP_DNS, Verb.RESTORE_DNS})

    def _wanted(self, site: str) -> Switches:
        """While the application runs there; at least one is on."""
        raise NotImplementedError

    async def _look(self, aws: Aws) -> Switches:
        """As they stand."""
        raise NotImplementedError

    async def _set(self, aws: Aws, stands: Switches, wanted: Switches) -> None:
        """Set those that differ; calls `context.still_mine()` before each change."""
        raise NotImplementedError

    async def _settled(self, aws: Aws) -> bool:
        """Whether what was set is in force."""
        del aws
        return True

    def _halfway(self, before: Switches, after: Switches) -> list[Switches]:
        """What an attempt that died in the midst leaves behind; nothing where one call sets all."""
        del before, after
        return []

    @staticmethod
    def _serves(switches: Switches) -> bool:
        """Whether users are sent anywhere."""
        return any(state not in ("Off", 0) for state in switches.values())

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        facts: dict[str, Any] = {}
        try:
            stands = await self._look(self.aws(site))
            facts = {"switches": stands}
            reach, detail = self._whither(stands, site)
        except SeawallError as error:
            reach, detail = Reach.SILENT, error.sentence
        return Observation(
            component=component, site=site, observer=observer, reach=reach, at=now(), detail=detail, facts=facts
        )

    def _whither(self, stands: Switches, site: str) -> tuple[Reach, str]:
        for name in self.settings.places:
            if stands == self._wanted(name):
                return (Reach.SERVING if name == site else Reach.STANDBY), f"Users are sent to {name}."
        return Reach.UNKNOWN, f"Users are sent neither wholly to the one site nor to the other: {_words(stands)}."

    async def flip_dns(self, request: StepRequest) -> StepResult:
        site = request.target.target
        wanted, aws = self._wanted(site), self.aws(site, request)
        stands = await self._look(aws)
        planned = request.before.facts.get("switches") if request.before else None
        if planned is not None:
            self._insist(stands, planned, wanted)
        self.context.still_mine()
        noted = await self.register(site, request).claim({"switches": stands})
        if request.mode is Mode.PLANNED and request.target.source != site:
            await self.register(request.target.source, request).claim({"switches": stands})
        await self._bring(aws, stands, wanted)
        return StepResult(
            detail=f"Users are sent to {site}.",
            changed=stands != wanted,
            before=noted,
            after={"switches": wanted},
        )

    async def restore_dns(self, request: StepRequest) -> StepResult:
        """As a flip, back to what its first attempt found."""
        site = request.target.target
        noted = await self.register(site, request).noted()
        if noted is None:
            return StepResult(detail="This run did not send users anywhere.", changed=False)
        aws, earlier = self.aws(site, request), noted["switches"]
        stands = await self._look(aws)
        self._insist(stands, earlier, self._wanted(site))
        if not self._serves(earlier):
            return StepResult(detail="Users were sent nowhere before; left as it is.", changed=False)
        await self._bring(aws, stands, earlier)
        return StepResult(
            detail="Users are sent where they were before.",
            changed=stands != earlier,
            before={"switches": stands},
            after={"switches": earlier},
        )

    async def _bring(self, aws: Aws, stands: Switches, wanted: Switches) -> None:
        if not self._serves(wanted):
            raise PermanentError(Code.INVALID_INPUT, "This would send users nowhere.", "It was not sent.")
        if stands != wanted:
            await self._set(aws, stands, wanted)

        async def look() -> bool:
            return await self._look(aws) == wanted and await self._settled(aws)

        await until(look, bool, lambda _: "what was set is not in force yet", self.context, self.patience)

    def _insist(self, stands: Switches, before: Switches, after: Switches) -> None:
        """They are as they were, as they shall be, or as an attempt left them that died halfway."""
        if stands not in (before, after, *self._halfway(before, after), *self._halfway(after, before)):
            raise PermanentError(
                Code.PRECONDITION_CHANGED,
                f"The switches are not what this run saw: {_words(stands)}.",
                "Look who changed them, and plan again.",
            )


def _words(switches: Switches) -> str:
    return ", ".join(f"{arn.rsplit('/', 1)[1]} is {state}" for arn, state in switches.items())
