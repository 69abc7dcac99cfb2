"""A simulated world: two sites with state, an append-only effect ledger, and faults to order.

Its providers keep the rules at the top of `activities/providers/base.py`, so that the real verbs and the real engine
run over them. Faults strike at the three points where a call can be hit.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from temporalio.exceptions import ApplicationError

from activities.providers.base import Context, Provider, now
from activities.wire import Pulse
from workflows.model.base import Strict
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, TemporaryError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import FenceProof, Lag, Loss, Observation, Reach, RecoveryPoint
from workflows.model.runbook import Role
from workflows.model.verbs import Verb


@dataclass(frozen=True)
class Effect:
    """One thing that really changed."""

    verb: str
    site: str
    component: str
    key: str
    epoch: int


@dataclass
class Fault:
    """What goes wrong with a verb, `times` times (-1: always)."""

    how: str
    """`refuse`, `busy`, `lose-reply` (after the effect), `lose-call` (before it), `hang` (before, until released);
    and a worker's death: `die` (before the effect) and `die-after` (after it), which beat no more and never answer,
    or `freeze` (before it), which wakes up when the world thaws and goes on as if nothing had happened;
    `unknown` (before it) and `unknown-after`: what the server says when a step's time is over;
    `blind`: refused for good before it could look; `usurped`: somebody else promoted; `lie`: a fence that holds not."""
    times: int = 1
    then: "Fault | None" = None
    """What goes wrong after that."""


_WHEN = {"lose-reply": "after", "die-after": "after", "unknown-after": "after", "blind": "look", "lie": "never"}


@dataclass
class World:
    """The state of both sites, and what was done to them."""

    serving: set[tuple[str, str]] = field(default_factory=set)
    """(component, site) pairs that accept writes."""
    standby: set[tuple[str, str]] = field(default_factory=set)
    dead: set[str] = field(default_factory=set)
    unseen: set[tuple[str, str]] = field(default_factory=set)
    """(observer, site) pairs between which the path is broken."""
    powered_off: set[str] = field(default_factory=set)
    blacked_out: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    """What served at a site when its fence device turned it off."""
    running: set[tuple[str, str]] = field(default_factory=set)
    route: str = "primary"
    epochs: dict[str, int] = field(default_factory=dict)
    done: dict[str, StepResult] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    faults: dict[str, Fault] = field(default_factory=dict)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    thawed: asyncio.Event = field(default_factory=asyncio.Event)
    woken: list[str] = field(default_factory=list)
    """What became of attempts that woke up late: `acted` or the code of their refusal."""
    held: set[str] = field(default_factory=set)
    """Bookkeeping that goes wrong: `load` and `report` wait until released, `no-report` fails for good."""
    writers_seen: set[int] = field(default_factory=lambda: {1})

    @classmethod
    def healthy(cls) -> "World":
        """Primary serves, recovery follows."""
        world = cls()
        world.serving = {("db", "primary")}
        world.standby = {("db", "recovery")}
        world.running = {("app", "primary")}
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

    def count(self, verb: Verb) -> int:
        """How many effects of a verb there were."""
        return sum(1 for effect in self.effects if effect.verb == verb.value)

    @property
    def doubled(self) -> list[str]:
        """Keys with more than one effect of the same verb: rule 3 says none."""
        counts = Counter((effect.verb, effect.key) for effect in self.effects)
        return [f"{verb} {key}" for (verb, key), count in counts.items() if count > 1]

    def did(self, verb: Verb, request: StepRequest, result: StepResult) -> StepResult:
        """Record an effect that has just been applied."""
        target, ref = request.target, request.ref
        self.effects.append(Effect(verb.value, target.site, target.name, ref.key, ref.epoch))
        self.done[f"{verb}:{ref.key}"] = result
        self.epochs[target.name] = max(ref.epoch, self.epochs.get(target.name, 0))
        self.writers_seen.add(len({site for component, site in self.serving if component == "db"}))
        return result

    def earlier(self, verb: Verb, request: StepRequest) -> StepResult | None:
        """The result of an earlier attempt with the same key, as the world remembers it."""
        if request.ref.epoch < self.epochs.get(request.target.name, 0):
            raise PermanentError(Code.STALE_EPOCH, f"Epoch {request.ref.epoch} is below the one that stands.")
        found = self.done.get(f"{verb}:{request.ref.key}")
        return found.model_copy(update={"changed": False}) if found else None

    async def strike(self, verb: Verb, when: str, context: Context | None = None) -> None:
        """Let a fault happen, if one is ordered for this verb at this point."""
        fault = self.faults.get(verb.value)
        while fault is not None and fault.times == 0:
            fault = fault.then
        if fault is None or _WHEN.get(fault.how, "before") != when:
            return
        fault.times -= 1
        if fault.how in ("die", "die-after", "freeze"):
            assert context is not None
            await self._vanish(fault.how, context)
            return
        if fault.how == "usurped":
            self.serving.add(("db", "recovery"))
            raise PermanentError(Code.PRECONDITION_CHANGED, "It is a primary already, and not by this run.")
        if fault.how == "blind":
            raise PermanentError(Code.CONFIGURATION, "The secret is not set for this worker.")
        if fault.how in ("unknown", "unknown-after"):
            raise ApplicationError("No answer in time.", type=Code.OUTCOME_UNKNOWN, non_retryable=True)
        if fault.how == "refuse":
            code = Code.PROMOTE_REFUSED if verb is Verb.PROMOTE else Code.PRECONDITION_CHANGED
            raise PermanentError(code, f"{verb.value} was refused.")
        if fault.how == "busy":
            raise TemporaryError(Code.THROTTLED, f"{verb.value}: slow down.", delay=0.05)
        if fault.how == "hang":
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


class SimSettings(Strict):
    """Which world, where one set of workers serves many."""

    world: str = ""


class SimProvider(Provider):
    """What the simulated kinds share: the world that their settings name."""

    Settings = SimSettings
    worlds: ClassVar[Mapping[str, World]]

    @property
    def world(self) -> World:
        """The world of the component's runbook."""
        return self.worlds[self.settings.world]

    async def strike(self, verb: Verb, when: str) -> None:
        """Let a fault happen to this attempt."""
        await self.world.strike(verb, when, self.context)


class SimData(SimProvider):
    """A database."""

    kind = "sim.data"
    role = Role.DATA
    verbs = frozenset(
        {
            Verb.OBSERVE,
            Verb.CHOOSE_RECOVERY_POINT,
            Verb.FENCE,
            Verb.UNFENCE,
            Verb.SYNC_DELTA,
            Verb.PROMOTE,
            Verb.MEASURE_LOSS,
        }
    )

    def _reach(self, component: str, site: str) -> Reach:
        if (self.context.here, site) in self.world.unseen:
            return Reach.SILENT
        if site in self.world.dead or site in self.world.powered_off:
            return Reach.REFUSED
        if (component, site) in self.world.serving:
            return Reach.SERVING
        return Reach.STANDBY if (component, site) in self.world.standby else Reach.REFUSED

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        facts: dict[str, Any] = {"epoch": self.world.epochs.get(component)}
        if (component, site) in self.world.standby:
            facts["receiving"] = any(name == component for name, _ in self.world.serving)
        return Observation(
            component=component, site=site, observer=observer, reach=self._reach(component, site), at=now(), facts=facts
        )

    async def choose_recovery_point(self, request: StepRequest) -> StepResult:
        await self.strike(Verb.CHOOSE_RECOVERY_POINT, "before")
        target = request.target
        point = RecoveryPoint(
            component=target.name,
            site=target.site,
            kind="stream",
            position="0/1000",
            expected_loss=Lag(seconds=0.0, bytes=0),
        )
        return StepResult(changed=False, point=point)

    async def fence(self, request: StepRequest) -> StepResult:
        if found := self.world.earlier(Verb.FENCE, request):
            return found
        await self.strike(Verb.FENCE, "before")
        self.context.still_mine()
        pair = (request.target.name, request.target.site)
        self.world.serving.discard(pair)
        result = self.world.did(Verb.FENCE, request, StepResult(proof=_proof(request, "stopped", False)))
        await self.strike(Verb.FENCE, "after")
        return result

    async def unfence(self, request: StepRequest) -> StepResult:
        if request.result is None and f"{Verb.FENCE}:{request.ref.key}" not in self.world.done:
            return StepResult(changed=False)
        if found := self.world.earlier(Verb.UNFENCE, request):
            return found
        await self.strike(Verb.UNFENCE, "before")
        self.context.still_mine()
        self.world.serving.add((request.target.name, request.target.site))
        result = self.world.did(Verb.UNFENCE, request, StepResult())
        await self.strike(Verb.UNFENCE, "after")
        return result

    async def probe_write(self, site: str) -> Reach:
        return self._reach("db", site)

    async def sync_delta(self, request: StepRequest) -> StepResult:
        await self.strike(Verb.SYNC_DELTA, "before")
        return StepResult(changed=False)

    async def promote(self, request: StepRequest) -> StepResult:
        await self.strike(Verb.PROMOTE, "look")
        if found := self.world.earlier(Verb.PROMOTE, request):
            return found
        await self.strike(Verb.PROMOTE, "before")
        self.context.still_mine()
        pair = (request.target.name, request.target.site)
        self.world.standby.discard(pair)
        self.world.serving.add(pair)
        result = self.world.did(Verb.PROMOTE, request, StepResult())
        await self.strike(Verb.PROMOTE, "after")
        return result

    async def measure_loss(self, request: StepRequest) -> StepResult:
        await self.strike(Verb.MEASURE_LOSS, "before")
        return StepResult(changed=False, loss=Loss(seconds=0.0, bytes=0, transactions=0, method="simulated"))


class SimCompute(SimProvider):
    """An application server."""

    kind = "sim.compute"
    role = Role.COMPUTE
    verbs = frozenset({Verb.OBSERVE, Verb.START_INSTANCES, Verb.STOP_INSTANCES})

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        running = (component, site) in self.world.running
        return Observation(
            component=component,
            site=site,
            observer=observer,
            reach=Reach.SERVING if running else Reach.STANDBY,
            at=now(),
        )

    async def start_instances(self, request: StepRequest) -> StepResult:
        if found := self.world.earlier(Verb.START_INSTANCES, request):
            return found
        await self.strike(Verb.START_INSTANCES, "before")
        self.context.still_mine()
        self.world.running.add((request.target.name, request.target.site))
        result = self.world.did(Verb.START_INSTANCES, request, StepResult(before={"running": False}))
        await self.strike(Verb.START_INSTANCES, "after")
        return result

    async def stop_instances(self, request: StepRequest) -> StepResult:
        pair = (request.target.name, request.target.site)
        if pair not in self.world.running:
            return StepResult(changed=False)
        await self.strike(Verb.STOP_INSTANCES, "before")
        self.context.still_mine()
        self.world.running.discard(pair)
        result = self.world.did(Verb.STOP_INSTANCES, request, StepResult())
        await self.strike(Verb.STOP_INSTANCES, "after")
        return result


class SimTraffic(SimProvider):
    """A public name."""

    kind = "sim.traffic"
    role = Role.TRAFFIC
    verbs = frozenset({Verb.OBSERVE, Verb.FLIP_DNS, Verb.RESTORE_DNS})

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        here = self.world.route == site
        return Observation(
            component=component,
            site=site,
            observer=observer,
            reach=Reach.SERVING if here else Reach.STANDBY,
            at=now(),
            facts={"route": self.world.route},
        )

    async def flip_dns(self, request: StepRequest) -> StepResult:
        if found := self.world.earlier(Verb.FLIP_DNS, request):
            return found
        await self.strike(Verb.FLIP_DNS, "before")
        self.context.still_mine()
        before = self.world.route
        self.world.route = request.target.target
        result = self.world.did(Verb.FLIP_DNS, request, StepResult(before={"route": before}))
        await self.strike(Verb.FLIP_DNS, "after")
        return result

    async def restore_dns(self, request: StepRequest) -> StepResult:
        flip = self.world.done.get(f"{Verb.FLIP_DNS}:{request.ref.key}")
        if flip is None:
            return StepResult(changed=False)
        if found := self.world.earlier(Verb.RESTORE_DNS, request):
            return found
        await self.strike(Verb.RESTORE_DNS, "before")
        self.context.still_mine()
        self.world.route = flip.before["route"]
        result = self.world.did(Verb.RESTORE_DNS, request, StepResult())
        await self.strike(Verb.RESTORE_DNS, "after")
        return result


class SimPower(SimProvider):
    """A power controller."""

    kind = "sim.power"
    role = None
    verbs = frozenset({Verb.FENCE, Verb.UNFENCE})

    async def fence(self, request: StepRequest) -> StepResult:
        if found := self.world.earlier(Verb.FENCE, request):
            return found
        await self.strike(Verb.FENCE, "before")
        self.context.still_mine()
        served = {pair for pair in self.world.serving if pair[1] == request.target.site}
        if request.target.site not in self.world.dead or served:
            self.world.blacked_out[request.target.site] = served
        lie = self.world.faults.get(Verb.FENCE.value, Fault("none")).how == "lie"
        if not lie:
            self.world.kill(request.target.site)
            self.world.powered_off.add(request.target.site)
        proof = _proof(request, "powered off by its controller", True)
        result = self.world.did(Verb.FENCE, request, StepResult(before={"power": "on"}, proof=proof))
        await self.strike(Verb.FENCE, "after")
        return result

    async def unfence(self, request: StepRequest) -> StepResult:
        if request.target.site not in self.world.powered_off:
            return StepResult(changed=False)
        await self.strike(Verb.UNFENCE, "before")
        self.context.still_mine()
        self.world.powered_off.discard(request.target.site)
        self.world.power_on(request.target.site)
        result = self.world.did(Verb.UNFENCE, request, StepResult())
        await self.strike(Verb.UNFENCE, "after")
        return result


def _proof(request: StepRequest, method: str, independent: bool) -> FenceProof:
    return FenceProof(
        component=request.target.name,
        site=request.target.site,
        epoch=request.ref.epoch,
        method=method,
        proven=not independent,
        write_probe=Reach.UNKNOWN,
        independent=independent,
        position="0/1000",
        at=now(),
    )


def kinds(worlds: Mapping[str, World]) -> Mapping[str, type[Provider]]:
    """The simulated kinds, bound to worlds by name."""
    return {
        parent.kind: type(parent.__name__, (parent,), {"worlds": worlds})
        for parent in (SimData, SimCompute, SimTraffic, SimPower)
    }
