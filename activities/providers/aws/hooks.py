"""Hooks: what somebody else's document or function does when the application comes to a site or leaves it.

Nobody but its owner knows what a hook does, so that there is nothing in the world by which one could tell that it has
been done. The register says it in the world's place: that the hook is asked for is written there before it is, and what
it is found by afterwards. What was asked for and is found nowhere is asked for again only where its owner says that it
may run twice.
"""

import itertools
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from activities.providers.base import now
from workflows.model.base import Duration, Strict
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, SeawallError, TemporaryError
from workflows.model.messages import Ref, StepRequest, StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import Role
from workflows.model.verbs import Verb

from .calls import Aws, token
from .component import AwsProvider
from .register import Register
from .waiting import until

Way = Literal["start", "stop"]
WAYS: tuple[Way, Way] = ("start", "stop")
ASKED, REFUSED = "asked", "refused"
"""In the register, as long as it is not known what it is found by: it is being asked for; AWS has said no."""


class Hook(Strict):
    """One hook of a site."""

    timeout: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(minutes=50))] = timedelta(minutes=10)
    """How long it may run until the step says that it does not know how it ended."""
    idempotent: bool = False
    """Whether it may run twice for one step, as only its owner knows. Where it may not, a hook of which nobody knows
    whether it was begun is never begun again."""

    @property
    def title(self) -> str:
        """Its name, for people."""
        raise NotImplementedError

    @property
    def repeatable(self) -> bool:
        """Whether it is harmless to ask for it again."""
        return self.idempotent


@dataclass(frozen=True)
class Errand:
    """One request for a hook."""

    hook: Any
    ref: Ref
    part: str
    """Its name in the register: the way, and a number for each time that it is begun."""
    version: str
    """Of the hook, as the first attempt looked at it."""

    @property
    def mark(self) -> str:
        """What tells it from every other errand: 64 characters."""
        return token(self.ref, self.part)


class Seen(Strict):
    """How far an errand has come."""

    ended: bool
    failed: str = ""
    """What went wrong, in AWS's own words for it; what a hook has put out may hold secrets, and is never among them."""
    words: str


class HookProvider(AwsProvider):
    """Invariant: an errand is begun once, but for hooks that may run twice."""

    role: ClassVar[Role | None] = Role.COMPUTE
    in_drills: ClassVar[bool] = False
    verbs: ClassVar[frozenset[Verb]] = frozenset({Verb.OBSERVE, Verb.START_INSTANCES, Verb.STOP_INSTANCES})

    @abstractmethod
    async def known(self, aws: Aws, place: Any) -> dict[str, str]:
        """By title, the version of each of the site's hooks that AWS knows."""

    @abstractmethod
    async def begin(self, aws: Aws, errand: Errand) -> str:
        """Ask for it, by one call; what it is found by."""

    @abstractmethod
    async def earlier(self, aws: Aws, errand: Errand) -> str:
        """What an earlier attempt's request is found by; empty where none is found."""

    @abstractmethod
    async def seen(self, aws: Aws, errand: Errand, found_by: str) -> Seen:
        """Look how far it is."""

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        """What a hook has brought about is for the component's checks to tell: of a hook it is unknown."""
        place = self.site(site)
        facts: dict[str, Any] = {}
        try:
            known = await self.known(self.aws(site), place)
            facts = {"hooks": known}
            gone = sorted({hook.title for hook in _hooks(place).values()} - set(known))
            reach = Reach.REFUSED if gone else Reach.UNKNOWN
            detail = f"There is no {', '.join(gone)}." if gone else f"Ready: {', '.join(sorted(known)) or 'no hook'}."
        except SeawallError as error:
            reach, detail = Reach.SILENT, error.sentence
        return Observation(
            component=component, site=site, observer=observer, reach=reach, at=now(), detail=detail, facts=facts
        )

    async def start_instances(self, request: StepRequest) -> StepResult:
        """As an undo: where the step had stopped it."""
        return await self._run(request, "start", undoes="stop")

    async def stop_instances(self, request: StepRequest) -> StepResult:
        """As an undo: where the step had started it, to the end or not."""
        return await self._run(request, "stop", undoes="start")

    async def _run(self, request: StepRequest, way: Way, undoes: Way) -> StepResult:
        name = request.target.site
        hook, undo = _hooks(self.site(name)).get(way), request.undo or request.result is not None
        if request.target.bubble:
            raise PermanentError(
                Code.CONFIGURATION,
                f"A hook would act on what this site has in production: the kind {self.kind} has no clones.",
                "Set the component's `drill` to be simulated.",
            )
        register = self.register(name, request)
        if undo and not (await register.noted() and _asked(await register.intended(), undoes)):
            return StepResult(detail="This run did not ask for it.", changed=False)
        if hook is None:
            return StepResult(detail=f"The runbook has no hook to {way} it at {name}.", changed=False)
        return await self._fulfil(request, register, way, hook)

    async def _fulfil(self, request: StepRequest, register: Register, way: Way, hook: Hook) -> StepResult:
        place, aws = self.site(request.target.site), self.aws(request.target.site, request)
        known = await self.known(aws, place)
        _insist(request, hook, known, aws.region)
        self.context.still_mine()
        before = await register.claim({"hooks": known})
        version = before["hooks"].get(hook.title, known[hook.title])
        errand, found_by = await self._standing(aws, register, Errand(hook, request.ref, way, version))
        begun = not found_by
        if begun:
            found_by = await self._begin(aws, register, errand)
        end = await until(
            lambda: self.seen(aws, errand, found_by),
            lambda seen: seen.ended,
            lambda seen: seen.words,
            self.context,
            hook.timeout.total_seconds(),
        )
        if end.failed:
            raise PermanentError(
                Code.CHECK_FAILED,
                f"{hook.title} has failed in {aws.region}: {end.failed}.",
                "Mend it; a retry runs it again."
                if hook.idempotent
                else "Mend it, and run it by hand: it may not run twice, so that a retry only looks at it again.",
            )
        return StepResult(detail=f"In {aws.region}: {end.words}", changed=begun, before=before, after={"ran": found_by})

    async def _standing(self, aws: Aws, register: Register, asked: Errand) -> tuple[Errand, str]:
        """The errand of this step as it stands, and what it is found by; empty where it is to be begun.

        Raises:
            OutcomeUnknownError: nobody knows whether it was begun, and it may not run twice.
        """
        parts = _parts(await register.intended(), asked.part)
        last = replace(asked, part=f"{asked.part} {max(len(parts), 1)}")
        if not parts:
            return last, ""
        found_by = parts[-1] if parts[-1] not in (ASKED, REFUSED) else await self.earlier(aws, last)
        if not found_by and parts[-1] == ASKED and not asked.hook.repeatable:
            raise OutcomeUnknownError(
                f"Whether {asked.hook.title} was begun is unknown, and it may not run twice: it is not begun again.",
                f"Look for {last.mark[:32]} in what AWS keeps of it in {aws.region}; then skip the step, or undo it.",
            )
        if found_by and asked.hook.idempotent and (await self.seen(aws, last, found_by)).failed:
            return replace(asked, part=f"{asked.part} {len(parts) + 1}"), ""
        return last, found_by

    async def _begin(self, aws: Aws, register: Register, errand: Errand) -> str:
        await register.intend(errand.part, ASKED)
        self.context.still_mine()
        try:
            found_by = await self.begin(aws, errand)
        except (PermanentError, TemporaryError):
            await register.intend(errand.part, REFUSED)
            raise
        await register.intend(errand.part, found_by)
        return found_by


def _hooks(place: Any) -> Mapping[Way, Hook]:
    return {way: getattr(place, way) for way in WAYS if getattr(place, way) is not None}


def _parts(intended: Mapping[str, str], way: str) -> list[str]:
    """What the register says of each errand of a way, in their order."""
    numbers = itertools.takewhile(lambda number: f"{way} {number}" in intended, itertools.count(1))
    return [intended[f"{way} {number}"] for number in numbers]


def _asked(intended: Mapping[str, str], way: Way) -> bool:
    return any(one != REFUSED for one in _parts(intended, way))


def _insist(request: StepRequest, hook: Hook, known: Mapping[str, str], region: str) -> None:
    """It is there, and is what the plan saw."""
    if hook.title not in known:
        raise PermanentError(
            Code.NOT_FOUND, f"There is no {hook.title} in {region}.", "Check its name in the runbook, or make it there."
        )
    planned = request.before.facts.get("hooks", {}) if request.before and not request.undo else {}
    if hook.title in planned and planned[hook.title] != known[hook.title]:
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"Since the run was planned, somebody changed {hook.title} ({planned[hook.title]}, now"
            f" {known[hook.title]}).",
            "Look at what it does now, and plan again.",
        )
