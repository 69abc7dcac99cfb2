"""The way home of a simulated database: compared, measured, archived, rebuilt, relied upon."""

from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Consistency, DivergedTable, Divergence, TableComparison
from workflows.model.verbs import Verb

from .sim_provider import SimProvider
from .sim_world import Pair


class SimHomeward(SimProvider):
    """The verbs under "The way home" in the seam of the providers."""

    async def compare_sites(self, request: StepRequest) -> StepResult:
        await self.reading(Verb.COMPARE_SITES, request)
        return StepResult(changed=False, findings=self.world.findings)

    async def measure_lag(self, request: StepRequest) -> StepResult:
        await self.reading(Verb.MEASURE_LAG, request)
        source, replica = _both(request)
        if source not in self.world.serving:
            raise TemporaryError(Code.UNREACHABLE, f"{source[0]} at {source[1]} takes no marker.")
        if replica not in self.world.standby or replica in self.world.frozen:
            raise PermanentError(Code.REPLICA_FROZEN, f"{replica[0]} at {replica[1]} got no marker in 30 s.")
        return StepResult(changed=False, after={"lag_seconds": self.world.lag, "lag_bytes": 0, "marker": 7})

    async def measure_capacity(self, request: StepRequest) -> StepResult:
        await self.reading(Verb.MEASURE_CAPACITY, request)
        return StepResult(changed=False, after=dict(self.world.capacity))

    async def verify_consistency(self, request: StepRequest) -> StepResult:
        await self.reading(Verb.VERIFY_CONSISTENCY, request)
        source, target = (self.world.rows.get(pair, []) for pair in _both(request))
        if source != target:
            differing = ", ".join(sorted({*source} ^ {*target}))
            raise PermanentError(Code.INCONSISTENT, f"{request.target.name} differs in: {differing or 'its order'}.")
        table = TableComparison(table="orders", rows_source=len(source), rows_target=len(target), equal=True)
        found = Consistency(
            component=request.target.name, equal=True, tables=(table,), method="simulated", at=self.clock()
        )
        return StepResult(changed=False, consistency=found)

    async def archive_diverged(self, request: StepRequest) -> StepResult:
        old, serving = _both(request)

        def archive() -> StepResult:
            self._insist_on_an_old_site(old, serving)
            rows = self._only_there(old, serving)
            self.world.archived.setdefault(old, []).extend(rows)
            tables = (DivergedTable(table="orders", rows=len(rows), keys=tuple(rows)),) if rows else ()
            found = Divergence(
                component=old[0], site=old[1], diverged=bool(rows), tables=tables, folder="/archive" if rows else ""
            )
            return StepResult(divergence=found)

        return await self.effect(Verb.ARCHIVE_DIVERGED, request, archive)

    async def rebuild_replica(self, request: StepRequest) -> StepResult:
        old, serving = _both(request)

        def rebuild() -> StepResult:
            self._insist_on_an_old_site(old, serving)
            kept = self.world.archived.get(old, [])
            self.world.wiped += [row for row in self._only_there(old, serving) if row not in kept]
            self.world.rows[old] = [*self.world.rows.get(serving, [])]
            self.world.frozen.discard(old)
            self.world.standby.add(old)
            return StepResult()

        return await self.effect(Verb.REBUILD_REPLICA, request, rebuild)

    async def protect(self, request: StepRequest) -> StepResult:
        replica, serving = _both(request)

        def rely() -> StepResult:
            if replica not in self.world.standby or serving not in self.world.serving:
                raise PermanentError(Code.PRECONDITION_CHANGED, f"{replica[1]} does not follow {serving[1]}.")
            if replica in self.world.frozen or self.world.lag > request.max_lag:
                raise TemporaryError(Code.REPLICA_FROZEN, f"{replica[1]} does not catch up.", delay=0.05)
            self.world.relied.add(replica)
            return StepResult()

        return await self.effect(Verb.PROTECT, request, rely)

    def _insist_on_an_old_site(self, old: Pair, serving: Pair) -> None:
        """What serves, or was promoted last, is never taken for an old site.

        Raises:
            TemporaryError: UNREACHABLE.
            PermanentError: ROLE_MISMATCH.
        """
        if old[1] in self.world.dead or old[1] in self.world.powered_off:
            raise TemporaryError(Code.UNREACHABLE, f"Nothing answers at {old[1]}.", delay=0.1)
        if old in self.world.serving or serving not in self.world.serving:
            raise PermanentError(Code.ROLE_MISMATCH, f"{old[0]} at {old[1]} serves, or {serving[1]} does not.")
        if self.world.crowned.get(old[0]) == old[1]:
            raise PermanentError(Code.ROLE_MISMATCH, f"{old[0]} at {old[1]} holds the current epoch.")

    def _only_there(self, old: Pair, serving: Pair) -> list[str]:
        return [row for row in self.world.rows.get(old, []) if row not in self.world.rows.get(serving, [])]


def _both(request: StepRequest) -> tuple[Pair, Pair]:
    target = request.target
    return (target.name, target.source), (target.name, target.target)
