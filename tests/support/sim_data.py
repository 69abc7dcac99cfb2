"""A simulated database: what a failover asks of it."""

from typing import Any

from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Lag, Loss, Observation, Reach, RecoveryPoint
from workflows.model.point_choice import parse_choice, pick
from workflows.model.runbook import Check, Role
from workflows.model.verbs import Verb

from .sim_home import SimHomeward
from .sim_points import SimPoints
from .sim_provider import pair_of, proof_of


class SimData(SimHomeward, SimPoints):
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
            Verb.COMPARE_SITES,
            Verb.MEASURE_LAG,
            Verb.MEASURE_CAPACITY,
            Verb.VERIFY_CONSISTENCY,
            Verb.ARCHIVE_DIVERGED,
            Verb.REBUILD_REPLICA,
            Verb.PROTECT,
            Verb.SNAPSHOT,
            Verb.RESTORE,
            Verb.DISCARD_RESTORE,
            Verb.PRUNE,
            Verb.CLONE_DATA,
            Verb.HEALTH_CHECK,
        }
    )

    def _reach(self, component: str, site: str) -> Reach:
        world = self.world
        if (self.context.here, site) in world.unseen:
            return Reach.SILENT
        if site in world.dead or site in world.powered_off:
            return Reach.REFUSED
        if (component, site) in world.serving:
            return Reach.SERVING
        return Reach.STANDBY if (component, site) in world.standby else Reach.REFUSED

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        facts: dict[str, Any] = {"epoch": self.world.epochs.get(component)}
        if (component, site) in self.world.standby:
            facts["receiving"] = any(name == component for name, _ in self.world.serving)
        return Observation(
            component=component,
            site=site,
            observer=observer,
            reach=self._reach(component, site),
            at=self.clock(),
            facts=facts,
        )

    async def check(self, check: Check, site: str) -> str:
        await self.strike(Verb.HEALTH_CHECK, "before")
        bubble = self.context.bubble
        serves = "db" in self.world.bubbles[bubble.name].serving if bubble else ("db", site) in self.world.serving
        if not serves:
            raise TemporaryError(Code.CHECK_FAILED, f"db at {site} accepts no write.")
        return "it accepts writes"

    async def choose_recovery_point(self, request: StepRequest) -> StepResult:
        await self.reading(Verb.CHOOSE_RECOVERY_POINT, request)
        points = self.points_at(request)
        if pair_of(request) in self.world.standby:
            end = RecoveryPoint(
                component=request.target.name,
                site=request.target.site,
                kind="stream",
                position=self._position(request),
                expected_loss=Lag(seconds=self.world.behind),
            )
            points = (end, *points)
        point = pick(parse_choice(request.choice), points)
        if point is None:
            raise PermanentError(Code.NOT_FOUND, f"There is no recovery point {request.choice}.", "Name another one.")
        return StepResult(changed=False, point=point, points=points)

    def _position(self, request: StepRequest) -> str:
        return f"0/{len(self.world.rows.get(pair_of(request), [])):04d}"

    async def fence(self, request: StepRequest) -> StepResult:
        def stop() -> StepResult:
            self.world.serving.discard(pair_of(request))
            return StepResult(proof=proof_of(request, "stopped", False, self._position(request)))

        return await self.effect(Verb.FENCE, request, stop)

    async def unfence(self, request: StepRequest) -> StepResult:
        if request.result is None and f"{Verb.FENCE}:{request.ref.key}" not in self.world.done:
            return StepResult(changed=False)

        def start() -> StepResult:
            self.world.serving.add(pair_of(request))
            return StepResult()

        return await self.effect(Verb.UNFENCE, request, start)

    async def probe_write(self, site: str) -> Reach:
        return self._reach("db", site)

    async def sync_delta(self, request: StepRequest) -> StepResult:
        """A source that was stopped cleanly has sent all that it had, to a replica that applies it."""
        await self.reading(Verb.SYNC_DELTA, request)
        pair, target = pair_of(request), request.target
        if request.position is None or pair not in self.world.standby or pair in self.world.aside:
            return StepResult(changed=False)
        if pair in self.world.frozen:
            raise PermanentError(Code.REPLICA_FROZEN, f"{target.name} at {target.site} applies nothing.")
        self.world.rows[pair] = [*self.world.rows.get((target.name, target.source), [])]
        return StepResult(changed=False)

    async def promote(self, request: StepRequest) -> StepResult:
        return await self.effect(Verb.PROMOTE, request, lambda: self._promote(request))

    def _promote(self, request: StepRequest) -> StepResult:
        name = request.target.name
        if request.target.bubble is not None:
            bubble = self.inside(request)
            if name not in bubble.standby:
                raise PermanentError(Code.PROMOTE_REFUSED, f"There is no clone of {name} to promote.")
            bubble.standby.discard(name)
            bubble.serving.add(name)
            return StepResult()
        pair, world = pair_of(request), self.world
        if pair in world.serving:
            if request.adopts is not None and world.crowned_under.get(name, 0) <= request.adopts:
                world.crowned_under[name] = request.ref.epoch
                return StepResult(changed=False)
            raise PermanentError(Code.PRECONDITION_CHANGED, f"{name} is a primary already, and not by this run.")
        if pair not in world.standby:
            raise PermanentError(Code.PROMOTE_REFUSED, f"{name} is no standby.")
        world.standby.discard(pair)
        world.serving.add(pair)
        world.relied = {other for other in world.relied if other[0] != name}
        world.crowned[name] = pair[1]
        world.crowned_under[name] = request.ref.epoch
        return StepResult()

    async def measure_loss(self, request: StepRequest) -> StepResult:
        await self.reading(Verb.MEASURE_LOSS, request)
        name, rows = request.target.name, self.world.rows
        had, has = rows.get((name, request.target.source), []), rows.get((name, request.target.target), [])
        lost = [row for row in had if row not in has]
        return StepResult(
            changed=False,
            loss=Loss(seconds=float(len(lost)), bytes=len(lost), transactions=len(lost), method="simulated"),
        )
