"""What is set to a level, and comes to it by itself: the size of a service or of a node group, a mapping on or off.

A kind says what its parts are, how they are looked at, and how one is set. The rules are the same for all of them: the
first attempt notes at which levels they stood, and an undo gives back those and no others. Setting a level can be
repeated, so that a lost answer is told by looking.
"""

import functools
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from activities.providers.base import now
from workflows.model.base import Strict
from workflows.model.failure import Code, PermanentError, SeawallError, TemporaryError
from workflows.model.messages import Ref, StepRequest, StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import Role
from workflows.model.verbs import Verb

from .calls import Aws, token
from .component import AwsProvider
from .errors import Refused
from .parallel import all_of
from .waiting import until

BUSY = ("ResourceInUseException", "ResourceConflictException")
"""What EKS and Lambda say of a thing that an earlier change is still at work on."""
BUSY_SECONDS = 5.0


class Level(Strict):
    """One part, as it stands."""

    stands: list[int]
    """What is set: a count, a minimum and a desired size, or 1 for on and 0 for off."""
    limit: int | None = None
    """The most that can be set."""
    reached: bool
    """Whether the world has come to it."""
    words: str


class Sizes(Strict):
    """How large a group is while the application runs at its site, and while it runs at the other one."""

    desired: int = Field(ge=1)
    minimum: int | None = Field(default=None, ge=0)
    """While it runs here; `desired` when left out."""
    idle: int = Field(default=0, ge=0)
    """While it runs at the other site: 0 for a pilot light."""

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if (self.minimum or 0) > self.desired or self.idle > self.desired:
            raise ValueError("`minimum` and `idle` are at most `desired`")
        return self

    def level(self, runs: bool) -> list[int]:
        """Minimum and desired size."""
        least = self.desired if self.minimum is None else self.minimum
        return [least, self.desired] if runs else [min(self.idle, least), self.idle]


@dataclass(frozen=True)
class Change:
    """One part that is to come to a level."""

    place: Any
    part: str
    level: list[int]
    ref: Ref

    @property
    def token(self) -> str:
        """Its idempotency token."""
        return token(self.ref, f"{self.part} {self.level}")


class LevelProvider(AwsProvider):
    """A kind of compute whose parts have levels."""

    role: ClassVar[Role | None] = Role.COMPUTE
    in_drills: ClassVar[bool] = False
    verbs: ClassVar[frozenset[Verb]] = frozenset({Verb.OBSERVE, Verb.START_INSTANCES, Verb.STOP_INSTANCES})

    @abstractmethod
    def wanted(self, place: Any, runs: bool) -> dict[str, list[int]]:
        """The level of each part while the application runs at the site, or while it runs elsewhere."""

    @abstractmethod
    async def look(self, aws: Aws, place: Any) -> dict[str, Level]:
        """Every part that AWS knows, of those that the runbook names."""

    @abstractmethod
    async def set(self, aws: Aws, change: Change) -> None:
        """Set one part, by one call."""

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        place = self.site(site)
        facts: dict[str, Any] = {}
        try:
            stands = await self.look(self.aws(site), place)
            facts = _facts(stands)
            wanted = self.wanted(place, runs=True)
            serves = all(one in stands and stands[one].reached and stands[one].stands == wanted[one] for one in wanted)
            gone = sorted(set(wanted) - set(stands))
            reach = Reach.REFUSED if gone else Reach.SERVING if serves else Reach.STANDBY
            detail = f"There is no {', '.join(gone)}." if gone else _words(stands)
        except SeawallError as error:
            reach, detail = Reach.SILENT, error.sentence
        return Observation(
            component=component, site=site, observer=observer, reach=reach, at=now(), detail=detail, facts=facts
        )

    async def start_instances(self, request: StepRequest) -> StepResult:
        """As an undo: back to what the stop found."""
        return await self._move(request, runs=True)

    async def stop_instances(self, request: StepRequest) -> StepResult:
        """As an undo: back to what the start found."""
        return await self._move(request, runs=False)

    async def _move(self, request: StepRequest, runs: bool) -> StepResult:
        place = self.site(request.target.site)
        if request.target.bubble:
            raise PermanentError(
                Code.CONFIGURATION,
                f"A drill would change what this site has in production: the kind {self.kind} has no clones.",
                "Set the component's `drill` to be simulated.",
            )
        if not (request.undo or request.result):
            return await self._bring(request, self.wanted(place, runs))
        before = await self.register(request.target.site, request).noted()
        if before is None:
            return StepResult(detail="This run did not change it.", changed=False)
        return await self._bring(request, dict(before["levels"]))

    async def _bring(self, request: StepRequest, wanted: Mapping[str, list[int]]) -> StepResult:
        name = request.target.site
        place, aws = self.site(name), self.aws(name, request)
        stands = await self.look(aws, place)
        self._insist(request, place, stands, wanted)
        self.context.still_mine()
        before = await self.register(name, request).claim(_facts(stands))
        behind = {part: level for part, level in wanted.items() if stands[part].stands != level}
        changes = [Change(place, part, level, request.ref) for part, level in behind.items()]
        await all_of({change.part: functools.partial(self._set, aws, change) for change in changes})
        found = await until(
            lambda: self.look(aws, place),
            lambda now: all(now[part].reached and now[part].stands == level for part, level in wanted.items()),
            _words,
            self.context,
            self.patience,
        )
        detail = f"In {aws.region}: {_words(found)}"
        return StepResult(detail=detail, changed=bool(behind), before=before, after=_facts(found))

    async def _set(self, aws: Aws, change: Change) -> None:
        self.context.still_mine()
        try:
            await self.set(aws, change)
        except Refused as error:
            if error.reason not in BUSY:
                raise
            sentence = f"{change.part} is still being changed ({error.reason})."
            raise TemporaryError(error.code, sentence, "It is tried again by itself.", delay=BUSY_SECONDS) from None

    def _insist(
        self, request: StepRequest, place: Any, stands: Mapping[str, Level], wanted: Mapping[str, list[int]]
    ) -> None:
        """Every part is there, can have its level, and stands as the plan saw it or as it is wanted."""
        gone = sorted(set(wanted) - set(stands))
        if gone:
            raise PermanentError(
                Code.NOT_FOUND, f"There is no {', '.join(gone)} in {place.region}.", "Check the names in the runbook."
            )
        small = sorted(part for part, level in wanted.items() if level[-1] > _limit(stands[part], level))
        if small:
            raise PermanentError(
                Code.CONFIGURATION,
                f"{', '.join(small)} may not grow to what the runbook wants.",
                "Raise its maximum, then retry.",
            )
        planned = request.before.facts.get("levels", {}) if request.before and not request.undo else {}
        changed = [
            f"{part} ({planned[part]}, now {stands[part].stands})"
            for part, level in wanted.items()
            if part in planned and stands[part].stands not in (planned[part], level)
        ]
        if changed:
            raise PermanentError(
                Code.PRECONDITION_CHANGED,
                f"Since the run was planned, somebody changed {', '.join(changed)}.",
                "Look who did, and plan again.",
            )


def _limit(stands: Level, wanted: list[int]) -> int:
    return wanted[-1] if stands.limit is None else stands.limit


def _facts(stands: Mapping[str, Level]) -> dict[str, Any]:
    return {"levels": {part: level.stands for part, level in stands.items()}}


def _words(stands: Mapping[str, Level]) -> str:
    return "; ".join(f"{part}: {level.words}" for part, level in stands.items()) + "."
