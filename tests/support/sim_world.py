"""A simulated world: two sites with state, an append-only effect ledger, and faults to order.

Its providers keep the rules at the top of `activities/providers/base.py`, so that the real verbs and the real engine
run over them. Faults strike at the three points where a call can be hit.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.providers.base import Context
from activities.wire import Pulse
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, TemporaryError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Finding, RecoveryPoint
from workflows.model.verbs import Verb

Pair = tuple[str, str]
"""A component at a site."""


@dataclass(frozen=True)
class Effect:
    """One thing that really changed."""

    verb: str
    site: str
    component: str
    key: str
    epoch: int
    workflow: str = ""
    step: str = ""
    run: str = ""
    """The execution whose attempt it was."""
    at: datetime = field(default_factory=lambda: datetime.now(UTC), compare=False)


@dataclass
class Fault:
    """What goes wrong with a verb, `times` times (-1: always)."""

    how: str
    """`refuse`, `busy`, `lose-reply` (after the effect), `lose-call` (before it), `hang` (before, until released);
    and a worker's death: `die` (before the effect) and `die-after` (after it), which beat no more and never answer,
    or `freeze` (before it), which wakes up when the world thaws and goes on as if nothing had happened;
    `unknown` (before it) and `unknown-after`: what the server says when a step's time is over;
    `blind`: refused for good before it could look; `usurped`: somebody else promoted; `lie`: a fence that holds not;
    `slow`: it takes its time; `leak`: a driver's error with a secret in it;
    `late`: the request is taken, no answer comes, and the effect lands when the world is `landing`."""
    times: int = 1
    then: "Fault | None" = None
    """What goes wrong after that."""


SECRET = "correct-horse-battery-staple"
"""What no history, report or view may ever hold."""

SLOW = 0.4
"""Seconds that a `slow` call takes more than it should."""

_WHEN = {
    "late": "never",
    "lose-reply": "after",
    "die-after": "after",
    "unknown-after": "after",
    "blind": "look",
    "lie": "never",
}


@dataclass
class OpenBubble:
    """What stands inside a bubble."""

    owner: str
    """The workflow that opened it."""
    standby: set[str] = field(default_factory=set)
    serving: set[str] = field(default_factory=set)
    running: set[str] = field(default_factory=set)


@dataclass
class World:
    """The state of both sites, and what was done to them."""

    serving: set[Pair] = field(default_factory=set)
    """Data components that accept writes."""
    standby: set[Pair] = field(default_factory=set)
    """Replicas that follow whoever serves."""
    rows: dict[Pair, list[str]] = field(default_factory=dict)
    """What each copy holds."""
    frozen: set[Pair] = field(default_factory=set)
    """Replicas that say that they are well, and apply nothing."""
    lag: float = 0.1
    capacity: dict[str, int] = field(
        default_factory=lambda: {"free_bytes": 80_000, "volume_bytes": 100_000, "received_bytes": 1_000}
    )
    """Seconds that a marker takes to the replica."""
    behind: float = 0.0
    """Seconds of acknowledged writes that the replica has not received."""
    crowned_under: dict[str, int] = field(default_factory=dict)
    """For each data component the epoch of that promotion."""
    crowned: dict[str, str] = field(default_factory=dict)
    """For each data component the site that was promoted last: whose data it is that counts."""
    relied: set[Pair] = field(default_factory=set)
    """Replicas on which the serving side relies: what `protected` means."""
    archived: dict[Pair, list[str]] = field(default_factory=dict)
    wiped: list[str] = field(default_factory=list)
    """Rows that were overwritten without being archived: never any."""
    findings: tuple[Finding, ...] = ()
    """What a comparison of the sites finds."""
    lacking: tuple[Finding, ...] = ()
    """What a preflight finds."""
    points: dict[Pair, list[RecoveryPoint]] = field(default_factory=dict)
    contents: dict[str, list[str]] = field(default_factory=dict)
    """What each named point holds."""
    aside: dict[Pair, tuple[bool, list[str]]] = field(default_factory=dict)
    """What a restore set aside: whether it was a standby, and its rows."""
    bubbles: dict[str, OpenBubble] = field(default_factory=dict)
    rehearsed: list[Effect] = field(default_factory=list)
    """Effects inside bubbles; `effects` holds none of them."""
    dead: set[str] = field(default_factory=set)
    unseen: set[Pair] = field(default_factory=set)
    """(observer, site) pairs between which the path is broken."""
    powered_off: set[str] = field(default_factory=set)
    blacked_out: dict[str, set[Pair]] = field(default_factory=dict)
    """What served at a site when its fence device turned it off."""
    reopened: dict[str, set[Pair]] = field(default_factory=dict)
    """What had served at a site that was switched on with nothing of it started."""
    running: set[Pair] = field(default_factory=set)
    route: str = "primary"
    epochs: dict[str, int] = field(default_factory=dict)
    done: dict[str, StepResult] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    faults: dict[str, Fault] = field(default_factory=dict)
    """By verb, or by the id of a step that is a second use of its verb."""
    hooks: dict[str, Callable[[], None]] = field(default_factory=dict)
    """What the world does by itself, once, right after a verb's call."""
    interrupts: dict[tuple[str, str], list[Callable[[], Awaitable[None]]]] = field(default_factory=dict)
    """What people and the platform do, once, while a call stands before or after its effect: by verb or step, and
    `before` or `after`. The call waits for it."""
    skew: dict[str, float] = field(default_factory=dict)
    """Seconds by which the clock of a site's machines is ahead."""
    landing: asyncio.Event = field(default_factory=asyncio.Event)
    asleep: int = 0
    """Attempts that ever froze."""
    taken: int = 0
    """Effects that ever were to land late."""
    landed: list[str] = field(default_factory=list)
    """What became of effects that landed late: `landed` or `refused`."""
    released: asyncio.Event = field(default_factory=asyncio.Event)
    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    thawed: asyncio.Event = field(default_factory=asyncio.Event)
    woken: list[str] = field(default_factory=list)
    """What became of attempts that woke up late: `acted` or the code of their refusal."""
    held: set[str] = field(default_factory=set)
    """Bookkeeping that goes wrong: `load`, `report`, `page` and `preflight` wait until released, `no-report`,
    `no-page` and `no-preflight` fail for good."""
    writers_seen: set[int] = field(default_factory=lambda: {1})
    writers: list[tuple[datetime, tuple[Pair, ...], str]] = field(default_factory=list)
    """Who accepted writes from when on, and by which verb; empty where the world itself came to it."""
    routes: list[str] = field(default_factory=list)
    """Where users were sent, in order."""

    @classmethod
    def healthy(cls, *, hot: bool = False) -> "World":
        """Primary serves, recovery follows; `hot` with the application running at both."""
        world = cls()
        world.serving = {("db", "primary")}
        world.standby = {("db", "recovery")}
        world.rows = {("db", "primary"): ["1", "2", "3"], ("db", "recovery"): ["1", "2", "3"]}
        world.crowned = {"db": "primary"}
        world.relied = {("db", "recovery")}
        world.running = {("app", "primary"), ("app", "recovery")} if hot else {("app", "primary")}
        return world

    def kill(self, site: str) -> None:
        """The site is gone."""
        self.dead.add(site)
        self.serving = {pair for pair in self.serving if pair[1] != site}
        self.running = {pair for pair in self.running if pair[1] != site}

    def power_on(self, site: str) -> None:
        """A site that only its fence had turned off comes back as it was, writing."""
        if site in self.blacked_out:
            self.dead.discard(site)
            self.serving |= self.blacked_out.pop(site)

    def write(self, row: str, component: str = "db") -> None:
        """A client writes where the component serves; a replica that is not frozen gets it."""
        followers = {pair for pair in self.standby if pair[0] == component} - self.frozen
        for pair in {pair for pair in self.serving if pair[0] == component} | followers:
            self.rows.setdefault(pair, []).append(row)

    def protected(self, component: str = "db") -> bool:
        """Whether the serving side relies on a replica that follows."""
        return any(pair in self.standby and pair not in self.frozen for pair in self.relied if pair[0] == component)

    def count(self, verb: Verb) -> int:
        """How many effects of a verb there were."""
        return sum(1 for effect in self.effects if effect.verb == verb.value)

    @property
    def doubled(self) -> list[str]:
        """Keys with more than one effect of the same verb: rule 3 says none."""
        counts = Counter((effect.verb, effect.key) for effect in [*self.effects, *self.rehearsed])
        return [f"{verb} {key}" for (verb, key), count in counts.items() if count > 1]

    def did(self, verb: Verb, request: StepRequest, result: StepResult) -> StepResult:
        """Record an effect that has just been applied."""
        target, ref = request.target, request.ref
        run = activity.info().workflow_run_id or "" if activity.in_activity() else ""
        effect = Effect(verb.value, target.site, target.name, ref.key, ref.epoch, ref.workflow_id, ref.step, run)
        self.done[f"{verb}:{ref.key}"] = result
        if target.bubble is not None:
            self.rehearsed.append(effect)
            return result
        self.effects.append(effect)
        self.epochs[target.name] = max(ref.epoch, self.epochs.get(target.name, 0))
        self.look(verb.value)
        return result

    def look(self, verb: str = "") -> None:
        """Note who accepts writes now, and where users are sent."""
        self.writers_seen.add(len({site for component, site in self.serving if component == "db"}))
        self.writers.append((datetime.now(UTC), tuple(sorted(self.serving)), verb))
        self.routes.append(self.route)

    def earlier(self, verb: Verb, request: StepRequest) -> StepResult | None:
        """The result of an earlier attempt with the same key, as the world remembers it."""
        self.insist_on_epoch(request)
        found = self.done.get(f"{verb}:{request.ref.key}")
        return found.model_copy(update={"changed": False}) if found else None

    def insist_on_epoch(self, request: StepRequest) -> None:
        """Asked where a change lands.

        Raises:
            PermanentError: STALE_EPOCH.
        """
        if request.target.bubble is None and request.ref.epoch < self.epochs.get(request.target.name, 0):
            raise PermanentError(Code.STALE_EPOCH, f"Epoch {request.ref.epoch} is below the one that stands.")

    def takes_without_answer(self, verb: Verb, step: str) -> bool:
        """Whether a `late` fault is ordered for this call; it is used up."""
        fault = self.faults.get(step) or self.faults.get(verb.value)
        while fault is not None and fault.times == 0:
            fault = fault.then
        if fault is None or fault.how != "late":
            return False
        fault.times -= 1
        self.taken += 1
        return True

    async def strike(self, verb: Verb, when: str, context: Context | None = None, step: str = "") -> None:
        """Let a fault happen, if one is ordered for this verb or step at this point."""
        for name in (step, verb.value):
            for interrupt in self.interrupts.pop((name, when), []):
                await interrupt()
        fault = self.faults.get(step) or self.faults.get(verb.value)
        while fault is not None and fault.times == 0:
            fault = fault.then
        if fault is not None and _WHEN.get(fault.how, "before") == when:
            fault.times -= 1
            await self._go_wrong(fault.how, verb, context)
        if when == "after" and (hook := self.hooks.pop(verb.value, None)):
            hook()

    async def _go_wrong(self, how: str, verb: Verb, context: Context | None) -> None:
        if how in ("die", "die-after", "freeze"):
            assert context is not None
            await self._vanish(how, context)
            return
        if how == "usurped":
            self.serving.add(("db", "recovery"))
            raise PermanentError(Code.PRECONDITION_CHANGED, "It is a primary already, and not by this run.")
        if how == "blind":
            raise PermanentError(Code.CONFIGURATION, "The secret is not set for this worker.")
        if how in ("unknown", "unknown-after"):
            raise ApplicationError("No answer in time.", type=Code.OUTCOME_UNKNOWN, non_retryable=True)
        if how == "refuse":
            code = Code.PROMOTE_REFUSED if verb is Verb.PROMOTE else Code.PRECONDITION_CHANGED
            raise PermanentError(code, f"{verb.value} was refused.")
        if how == "busy":
            raise TemporaryError(Code.THROTTLED, f"{verb.value}: slow down.", delay=0.05)
        if how == "slow":
            await asyncio.sleep(SLOW)
            return
        if how == "leak":
            raise RuntimeError(f"could not connect: host=db password={SECRET}")
        if how == "hang":
            self.hanging.set()
            await self.released.wait()
            return
        raise OutcomeUnknownError(f"The reply to {verb.value} was lost.")

    async def _vanish(self, how: str, context: Context) -> None:
        """To the server a dead worker and a silent one are the same: no beat, no answer."""
        pulse = getattr(context.still_mine, "__self__", None)
        assert isinstance(pulse, Pulse), "only an attempt with a pulse can lose it"
        pulse.beat = lambda: None  # type: ignore[method-assign]
        self.hanging.set()
        if how == "freeze":
            self.asleep += 1
            # The SDK cancels an attempt that has run out of time; a frozen one cannot hear it.
            with contextlib.suppress(asyncio.CancelledError):
                await self.thawed.wait()
            await self.thawed.wait()
        else:
            await asyncio.Event().wait()
        try:
            context.still_mine()
        except TemporaryError as error:
            self.woken.append(error.code.value)
            raise
        self.woken.append("acted")
