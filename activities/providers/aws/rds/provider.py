"""The provider: each verb is a function of a module of this package; what they share of settings stands here."""

from typing import Any, ClassVar

from activities.providers.aws.component import AwsProvider
from activities.providers.aws.register import Register
from activities.providers.aws.settings import AwsSettings
from activities.providers.base import now
from activities.providers.by_hand import ByHand
from workflows.model.failure import SeawallError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import Role
from workflows.model.verbs import Verb

from . import by_hand, clone, database, fence, home, lag, loss, points, promote, prune, rebuild, restore, snapshot
from .settings import RdsSettings, RdsSite


class RdsProvider(AwsProvider):
    """Invariant: an instance that this run has not made is renamed or its groups are changed, and nothing else."""

    kind: ClassVar[str] = "aws.rds"
    role: ClassVar[Role | None] = Role.DATA
    verbs: ClassVar[frozenset[Verb]] = frozenset(
        {
            Verb.OBSERVE,
            Verb.CHOOSE_RECOVERY_POINT,
            Verb.SNAPSHOT,
            Verb.PRUNE,
            Verb.FENCE,
            Verb.UNFENCE,
            Verb.SYNC_DELTA,
            Verb.PROMOTE,
            Verb.RESTORE,
            Verb.DISCARD_RESTORE,
            Verb.COMPARE_SITES,
            Verb.MEASURE_LAG,
            Verb.MEASURE_LOSS,
            Verb.MEASURE_CAPACITY,
            Verb.VERIFY_CONSISTENCY,
            Verb.ARCHIVE_DIVERGED,
            Verb.REBUILD_REPLICA,
            Verb.PROTECT,
            Verb.CLONE_DATA,
        }
    )
    Settings: ClassVar[type[AwsSettings]] = RdsSettings

    settings: RdsSettings

    def site(self, name: str) -> RdsSite:
        found: RdsSite = super().site(name)
        return found

    def instance(self, site: str) -> str:
        """The instance of a site; in a drill its clone, so that no verb reaches past it."""
        name, bubble = self.site(site).instance, self.context.bubble
        return database.name_of(name, bubble.name) if bubble else name

    async def look(self, request: StepRequest, site: str) -> database.Database | None:
        """The instance at a site; None when there is none."""
        return await database.look(self.aws(site, request), self.instance(site))

    async def claim(self, request: StepRequest, stands: database.Database | None) -> dict[str, Any]:
        """The right to act at `target.site`, and what the step's first attempt found there."""
        self.context.still_mine()
        register: Register = self.register(request.target.site, request)
        return await register.claim(stands.facts() if stands else {})

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        facts: dict[str, Any] = {}
        try:
            found = await database.look(self.aws(site), self.instance(site))
            reach, detail = fence.reach_of(self.site(site), found)
            if found is not None:
                facts = found.facts() | await self._stream(site, found)
        except SeawallError as error:
            reach, detail = Reach.SILENT, error.sentence
        return Observation(
            component=component, site=site, observer=observer, reach=reach, at=now(), detail=detail, facts=facts
        )

    async def _stream(self, site: str, found: database.Database) -> dict[str, Any]:
        if not found.source:
            return {}
        measured = await lag.of_replica(self.aws(site), found.name)
        return {
            "receiving": lag.receives(found.replicating, measured),
            "lag_seconds": measured.value if measured else None,
        }

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:
        return by_hand.by_hand(self, verb, request)

    async def probe_write(self, site: str) -> Reach:
        return await fence.probe(self, site)

    async def choose_recovery_point(self, request: StepRequest) -> StepResult:
        return await points.choose(self, request)

    async def list_points(self, request: StepRequest) -> StepResult:
        return await points.list_points(self, request)

    async def snapshot(self, request: StepRequest) -> StepResult:
        return await snapshot.snapshot(self, request)

    async def prune(self, request: StepRequest) -> StepResult:
        return await prune.prune(self, request)

    async def fence(self, request: StepRequest) -> StepResult:
        return await fence.fence(self, request)

    async def unfence(self, request: StepRequest) -> StepResult:
        return await fence.unfence(self, request)

    async def sync_delta(self, request: StepRequest) -> StepResult:
        return await promote.catch_up(self, request)

    async def promote(self, request: StepRequest) -> StepResult:
        return await (clone.ready(self, request) if request.target.bubble else promote.promote(self, request))

    async def restore(self, request: StepRequest) -> StepResult:
        return await restore.restore(self, request)

    async def discard_restore(self, request: StepRequest) -> StepResult:
        return await restore.discard(self, request)

    async def compare_sites(self, request: StepRequest) -> StepResult:
        return await home.compare(self, request)

    async def measure_lag(self, request: StepRequest) -> StepResult:
        return await home.measure_lag(self, request)

    async def measure_loss(self, request: StepRequest) -> StepResult:
        return await loss.measure(self, request)

    async def measure_capacity(self, request: StepRequest) -> StepResult:
        return await home.measure_capacity(self, request)

    async def verify_consistency(self, request: StepRequest) -> StepResult:
        return await home.verify(self, request)

    async def protect(self, request: StepRequest) -> StepResult:
        return await home.protect(self, request)

    async def archive_diverged(self, request: StepRequest) -> StepResult:
        return await rebuild.archive(self, request)

    async def rebuild_replica(self, request: StepRequest) -> StepResult:
        return await rebuild.rebuild(self, request)

    async def clone_data(self, request: StepRequest) -> StepResult:
        return await clone.clone(self, request)
