"""One verb on the instances of one site: look, act, look again."""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from activities.providers.aws import tags
from activities.providers.aws.calls import Aws
from activities.providers.aws.register import Register
from activities.providers.aws.waiting import until
from activities.providers.base import Context, now
from workflows.model.failure import OutcomeUnknownError
from workflows.model.messages import StepRequest, StepResult

from .balancing import enlist, strike
from .fleet import Fleet, look
from .launching import NOWHERE, Launcher, for_drill, no_room
from .look import ABANDONED, ABSENT, EXISTS, RUNS, Health, Machine, health, pages
from .settings import Ec2Site
from .starting import Starter

APPEARS_SECONDS = 30.0
"""How long what was launched may stay out of sight: EC2 is eventually consistent, within seconds as a rule."""
Cap = Callable[[str, int, int], None]


class Ec2Step:
    """What one step does. `cap` refuses to touch more than the runbook lists."""

    def __init__(
        self, aws: Aws, register: Register, context: Context, request: StepRequest, patience: float, cap: Cap
    ) -> None:
        assert isinstance(aws.site, Ec2Site)
        self._aws, self._register, self._context, self._request = aws, register, context, request
        self._patience, self._cap = patience, cap
        self._place = aws.site
        self._launches = for_drill(self._place) if request.target.bubble else self._place.launch
        self._tags = tags.tags(request, request.target.site)

    # --- The four things that are asked of it ---

    async def start(self) -> StepResult:
        """All run, and pass their checks."""
        fleet = await self._look()
        fleet.insist_on_one_each()
        fleet.insist_on_plan(self._planned(), RUNS)
        self._context.still_mine()
        before = await self._register.claim(fleet.facts)
        return await self._run(fleet, before, fleet.keys)

    async def stop(self) -> StepResult:
        """None runs. What does not exist does not run either."""
        fleet = await self._look()
        self._cap("instances", len(fleet.touched), self._place.size)
        fleet.insist_on_plan(self._planned(), ("stopping", "stopped", "shutting-down", "terminated", ABSENT))
        self._context.still_mine()
        before = await self._register.claim(fleet.facts)
        fleet = await self._at_rest(fleet, "pending")
        stopped = await self._stop(fleet.in_state("running", "stopping"))
        return self._told(f"{len(stopped)} instances were stopped.", bool(stopped), before)

    async def undo_start(self) -> StepResult:
        """Stop what ran not before this step; what it launched is tagged for clean-up besides."""
        before = await self._register.noted()
        if before is None:
            return StepResult(detail="This run did not start it.", changed=False)
        await self._until_ours_show(before["states"])
        fleet = await self._at_rest(await self._look(), "pending")
        ours = [one for one in fleet.found if self._made(one)]
        known = {found: before["states"][key] for key, found in before["ids"].items()}
        idle = [one for one in fleet.machines.values() if known.get(one.id, RUNS[0]) not in RUNS]
        theirs = {one.id: one for one in (*ours, *idle) if one.state in ("running", "stopping")}
        self._cap("instances", len(theirs), self._place.size)
        stopped = await self._stop(list(theirs.values()))
        left = [one.id for one in ours if one.state in EXISTS and not one.tag("abandoned")]
        await self._abandon(left)
        return self._told(f"{len(stopped)} instances were stopped again.", bool(stopped or left), before)

    async def undo_stop(self) -> StepResult:
        """Start what ran before this step and still exists, and nothing else."""
        before = await self._register.noted()
        if before is None:
            return StepResult(detail="This run did not stop it.", changed=False)
        fleet = await self._look()
        fleet.insist_on_one_each()
        ran = {found for key, found in before["ids"].items() if before["states"][key] in RUNS}
        return await self._run(fleet, before, [key for key, one in fleet.machines.items() if one.id in ran])

    # --- Parts of them ---

    async def _look(self) -> Fleet:
        return await look(self._aws, self._place, self._tags, self._launches)

    def _planned(self) -> dict[str, str]:
        before = self._request.before
        return dict(before.facts.get("states", {})) if before else {}

    def _made(self, machine: Machine) -> bool:
        """Whether this run launched it."""
        return all(machine.tag(name) == self._tags[tags.PREFIX + name] for name in ("run", "epoch"))

    async def _run(self, fleet: Fleet, before: dict[str, Any], keys: Sequence[str]) -> StepResult:
        fleet = await self._at_rest(fleet, "stopping")
        asleep = [
            fleet.machines[key] for key in keys if key in fleet.machines and fleet.machines[key].state not in RUNS
        ]
        starter = Starter(self._aws, self._context)
        await starter.start(asleep)
        missing = [one for one in self._launches if one.name in keys and one.name not in fleet.machines]
        made = await Launcher(self._aws, self._register, self._context, self._request).launch(missing)
        if starter.short:
            raise no_room(starter.short, len(asleep))
        ids = {key: fleet.machines[key].id for key in keys if key in fleet.machines} | made
        await self._until_all_run(list(ids.values()))
        behind = await enlist(self._aws, self._launches, ids, self._context)
        changed = bool(asleep or made or behind)
        return self._told(f"{len(ids)} of {len(keys)} run and pass their checks.", changed, before, ids)

    def _told(
        self, detail: str, changed: bool, before: dict[str, Any], ids: dict[str, str] | None = None
    ) -> StepResult:
        after: dict[str, Any] = {"calls": dict(self._aws.calls)}
        if ids is not None:
            after |= {"states": dict.fromkeys(ids, "running"), "ids": ids}
        place = f"In {self._aws.region}: {detail}"
        return StepResult(detail=place, changed=changed, before=before, after=after)

    async def _at_rest(self, fleet: Fleet, passing: str) -> Fleet:
        """The fleet without that state, from which AWS lets nothing be started, or stopped."""
        if not fleet.in_state(passing):
            return fleet
        rested: Fleet = await self._until(
            self._look,
            lambda found: not found.in_state(passing),
            lambda found: f"{len(found.in_state(passing))} instances are {passing}",
        )
        return rested

    async def _until_all_run(self, ids: list[str]) -> None:
        def all_run(found: dict[str, Health]) -> bool:
            ended = [one for one, told in found.items() if told.state not in EXISTS]
            if ended:
                raise OutcomeUnknownError(
                    f"AWS started {ended[0]}, and then ended it.", "Its state reason in EC2 tells why; mend that."
                )
            return len(found) == len(ids) and all(one.state == "running" and one.checked for one in found.values())

        def words(found: dict[str, Health]) -> str:
            run = sum(one.state == "running" for one in found.values())
            passed = sum(one.checked for one in found.values())
            return f"{run} of {len(ids)} run, {passed} pass their checks"

        if ids:
            await self._until(lambda: health(self._aws, ids), all_run, words)

    async def _stop(self, machines: list[Machine]) -> list[Machine]:
        """Stop them, out of their load balancers first; those that were not stopping already."""
        asked = [one for one in machines if one.state == "running"]
        await strike(self._aws, self._launches, [one.id for one in asked], self._context)
        for page in pages([one.id for one in asked]):
            self._context.still_mine()
            await self._aws.change("ec2", "stop_instances", InstanceIds=page)
        ids = [one.id for one in machines]
        if ids:
            await self._until(
                lambda: health(self._aws, ids),
                lambda found: all(one.state not in (*RUNS, "stopping") for one in found.values()),
                lambda found: f"{sum(one.state == 'stopped' for one in found.values())} of {len(ids)} are stopped",
            )
        return asked

    async def _abandon(self, ids: list[str]) -> None:
        """A prune ends them later, by the moment that is told here: a recovery never does."""
        for page in pages(ids):
            self._context.still_mine()
            label = [{"Key": ABANDONED, "Value": now().isoformat()}]
            await self._aws.repeatable("ec2", "create_tags", Resources=page, Tags=label)

    async def _until_ours_show(self, noted: dict[str, str]) -> None:
        """A launch whose answer was lost may have to be waited for: what is not seen would be left running."""
        ways = await self._register.intended()
        sent = {name for name, way in ways.items() if way != NOWHERE and noted.get(name) == ABSENT}
        if not sent:
            return
        with contextlib.suppress(OutcomeUnknownError):  # it never came to be
            await until(
                self._look,
                lambda fleet: sent <= {one.name for one in fleet.found if self._made(one)},
                lambda _: "what was launched does not show yet",
                self._context,
                min(APPEARS_SECONDS, self._patience),
            )

    async def _until(self, ask: Callable[[], Awaitable[Any]], done: Any, words: Any) -> Any:
        return await until(ask, done, words, self._context, self._patience)
