"""The provider of the kind `aws.s3`: each verb is a function of this package."""

from pathlib import Path
from typing import ClassVar

from activities.providers.aws.component import AwsProvider
from activities.providers.aws.settings import AwsSettings
from activities.providers.by_hand import ByHand
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import Marker, Role
from workflows.model.verbs import Verb

from . import by_hand, consistency, diverged, fence, lag, marking, observe, points, promote, restore, sync
from .settings import S3Settings


class S3Provider(AwsProvider):
    """Invariants: objects are only ever written to a bucket that stands by, and only under versioning; the one thing
    that is changed at a serving bucket is our own statement, and what is beneath Seawall's own prefix."""

    kind: ClassVar[str] = "aws.s3"
    role: ClassVar[Role | None] = Role.DATA
    verbs: ClassVar[frozenset[Verb]] = frozenset(
        {
            Verb.OBSERVE,
            Verb.CHOOSE_RECOVERY_POINT,
            Verb.FENCE,
            Verb.UNFENCE,
            Verb.SYNC_DELTA,
            Verb.PROMOTE,
            Verb.MEASURE_LAG,
            Verb.MEASURE_LOSS,
            Verb.VERIFY_CONSISTENCY,
            Verb.ARCHIVE_DIVERGED,
            Verb.REBUILD_REPLICA,
            Verb.PROTECT,
            Verb.RESTORE,
            Verb.DISCARD_RESTORE,
        }
    )
    Settings: ClassVar[type[AwsSettings]] = S3Settings

    settings: S3Settings

    def ledger(self, component: str, site: str) -> Path:
        """Where this worker notes the marks that it wrote at a site."""
        return self.context.state_dir / f"markers-{component}-{site}.json"

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        return await observe.observe(self, component, site, observer)

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:
        return by_hand.by_hand(self, verb, request)

    async def probe_write(self, site: str) -> Reach:
        return await fence.probe(self, site)

    async def list_points(self, request: StepRequest) -> StepResult:
        return await points.list_points(self, request)

    async def choose_recovery_point(self, request: StepRequest) -> StepResult:
        return await points.choose(self, request)

    async def fence(self, request: StepRequest) -> StepResult:
        return await fence.fence(self, request)

    async def unfence(self, request: StepRequest) -> StepResult:
        return await fence.unfence(self, request)

    async def sync_delta(self, request: StepRequest) -> StepResult:
        return await sync.sync_delta(self, request)

    async def promote(self, request: StepRequest) -> StepResult:
        return await promote.promote(self, request)

    async def measure_lag(self, request: StepRequest) -> StepResult:
        return await lag.measure_lag(self, request)

    async def measure_loss(self, request: StepRequest) -> StepResult:
        return await marking.measure_loss(self, request)

    async def keep_marking(self, component: str, marker: Marker, site: str) -> None:
        """See `marking.keep_marking`."""
        await marking.keep_marking(self, component, marker, site)

    async def verify_consistency(self, request: StepRequest) -> StepResult:
        return await consistency.verify(self, request)

    async def archive_diverged(self, request: StepRequest) -> StepResult:
        return await diverged.archive(self, request)

    async def rebuild_replica(self, request: StepRequest) -> StepResult:
        return await sync.rebuild(self, request)

    async def protect(self, request: StepRequest) -> StepResult:
        return await sync.protect(self, request)

    async def restore(self, request: StepRequest) -> StepResult:
        return await restore.restore(self, request)

    async def discard_restore(self, request: StepRequest) -> StepResult:
        return await restore.discard(self, request)
