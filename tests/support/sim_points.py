"""The recovery points of a simulated database, and its clones."""

from datetime import datetime

from activities.providers.base import now
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Lag, RecoveryPoint
from workflows.model.verbs import Verb

from .sim_provider import SimProvider, pair_of
from .sim_world import Pair, World


def add_point(
    world: World, name: str, rows: list[str], *, taken: datetime, verified: bool = True, pair: Pair = ("db", "recovery")
) -> RecoveryPoint:
    """A copy that was taken at that time, and holds these rows."""
    point = RecoveryPoint(
        component=pair[0],
        site=pair[1],
        kind="snapshot",
        position=f"0/{len(rows):04d}",
        name=name,
        taken=taken,
        covers_until=taken,
        verified=taken if verified else None,
        expected_loss=Lag(seconds=5.0),
    )
    world.points.setdefault(pair, []).append(point)
    world.contents[name] = rows
    return point


class SimPoints(SimProvider):
    """The verbs under "Recovery points" and "Drills" in the seam of the providers."""

    def points_at(self, request: StepRequest) -> tuple[RecoveryPoint, ...]:
        """The copies at the step's site, the newest first."""
        found = self.world.points.get(pair_of(request), [])
        return tuple(sorted(found, key=lambda point: point.taken or now(), reverse=True))

    async def snapshot(self, request: StepRequest) -> StepResult:
        def copy() -> StepResult:
            pair = pair_of(request)
            name = f"copy-{len(self.world.contents) + 1}"
            rows = [*self.world.rows.get(pair, [])]
            return StepResult(point=add_point(self.world, name, rows, taken=self.clock(), pair=pair))

        return await self.effect(Verb.SNAPSHOT, request, copy)

    async def prune(self, request: StepRequest) -> StepResult:
        def remove() -> StepResult:
            replication = request.target.component.replication
            assert replication is not None
            assert replication.snapshots is not None
            points = self.points_at(request)
            verified = next((point for point in points if point.verified), None)
            kept = [p for at, p in enumerate(points) if at < replication.snapshots.keep or p is verified]
            self.world.points[pair_of(request)] = kept
            return StepResult(changed=len(kept) < len(points))

        return await self.effect(Verb.PRUNE, request, remove)

    async def restore(self, request: StepRequest) -> StepResult:
        def lay_down() -> StepResult:
            pair, point = pair_of(request), request.point
            if pair in self.world.serving:
                raise PermanentError(Code.ROLE_MISMATCH, f"{pair[0]} at {pair[1]} serves.")
            if point is None or point.name not in self.world.contents:
                raise PermanentError(Code.NOT_FOUND, "There is no such recovery point.")
            self.world.aside[pair] = (pair in self.world.standby, self.world.rows.get(pair, []))
            self.world.rows[pair] = [*self.world.contents[point.name]]
            self.world.standby.add(pair)
            return StepResult()

        return await self.effect(Verb.RESTORE, request, lay_down)

    async def discard_restore(self, request: StepRequest) -> StepResult:
        if f"{Verb.RESTORE}:{request.ref.key}" not in self.world.done:
            return StepResult(changed=False)

        def put_back() -> StepResult:
            pair = pair_of(request)
            stood_by, self.world.rows[pair] = self.world.aside.pop(pair)
            if not stood_by:
                self.world.standby.discard(pair)
            return StepResult()

        return await self.effect(Verb.DISCARD_RESTORE, request, put_back)

    async def clone_data(self, request: StepRequest) -> StepResult:
        def clone() -> StepResult:
            if request.point is None:
                raise PermanentError(Code.NOT_FOUND, "No recovery point was chosen.")
            self.inside(request).standby.add(request.target.name)
            return StepResult()

        return await self.effect(Verb.CLONE_DATA, request, clone)
