"""The provider: each verb is a function of a module of this package."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from activities.providers.aws.component import AwsProvider
from activities.providers.aws.settings import AwsSettings
from activities.providers.base import now
from activities.providers.by_hand import ByHand
from workflows.model.failure import SeawallError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import Role
from workflows.model.verbs import Verb

from . import by_hand, fence, home, promote
from .look import Look, look
from .settings import EfsSettings, EfsSite


class EfsProvider(AwsProvider):
    """Invariant: no file system is made and none deleted; replications and policies change."""

    kind: ClassVar[str] = "aws.efs"
    role: ClassVar[Role | None] = Role.DATA
    verbs: ClassVar[frozenset[Verb]] = frozenset(
        {
            Verb.OBSERVE,
            Verb.CHOOSE_RECOVERY_POINT,
            Verb.FENCE,
            Verb.UNFENCE,
            Verb.SYNC_DELTA,
            Verb.PROMOTE,
            Verb.COMPARE_SITES,
            Verb.MEASURE_LAG,
            Verb.VERIFY_CONSISTENCY,
            Verb.ARCHIVE_DIVERGED,
            Verb.REBUILD_REPLICA,
            Verb.PROTECT,
        }
    )
    Settings: ClassVar[type[AwsSettings]] = EfsSettings
    limits: ClassVar[Mapping[Verb, timedelta]] = {
        **AwsProvider.limits,
        **dict.fromkeys((Verb.SYNC_DELTA, Verb.REBUILD_REPLICA, Verb.PROTECT), timedelta(hours=24)),
    }
    """EFS copies many small files slowly, and tells no time by which it is done."""

    settings: EfsSettings

    def site(self, name: str) -> EfsSite:
        found: EfsSite = super().site(name)
        return found

    async def look(self, site: str, request: StepRequest | None = None) -> Look:
        """The file system of a site, as its own region tells it."""
        place = self.site(site)
        return await look(self.aws(site, request), place.file_system)

    async def claim(self, request: StepRequest, stands: Look) -> dict[str, Any]:
        """The right to act at `target.site`, and what the step's first attempt found there."""
        self.context.still_mine()
        return await self.register(request.target.site, request).claim(stands.facts())

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        facts: dict[str, Any] = {}
        try:
            found = await self.look(site)
            reach, detail = fence.reach_of(found)
            facts = found.facts()
            if found.follows:
                fed = found.replication is not None and found.replication.status == "ENABLED"
                facts |= {"receiving": fed, "lag_seconds": found.lag_seconds}
        except SeawallError as error:
            reach, detail = Reach.SILENT, error.sentence
        return Observation(
            component=component, site=site, observer=observer, reach=reach, at=now(), detail=detail, facts=facts
        )

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:
        return by_hand.by_hand(self, verb, request)

    async def probe_write(self, site: str) -> Reach:
        return await fence.probe(self, site)

    async def choose_recovery_point(self, request: StepRequest) -> StepResult:
        return await home.choose(self, request)

    async def list_points(self, request: StepRequest) -> StepResult:
        return await home.list_points(self, request)

    async def fence(self, request: StepRequest) -> StepResult:
        return await fence.fence(self, request)

    async def unfence(self, request: StepRequest) -> StepResult:
        return await fence.unfence(self, request)

    async def sync_delta(self, request: StepRequest) -> StepResult:
        return await promote.catch_up(self, request)

    async def promote(self, request: StepRequest) -> StepResult:
        return await promote.promote(self, request)

    async def compare_sites(self, request: StepRequest) -> StepResult:
        return await home.compare(self, request)

    async def measure_lag(self, request: StepRequest) -> StepResult:
        return await home.measure_lag(self, request)

    async def verify_consistency(self, request: StepRequest) -> StepResult:
        return await home.verify(self, request)

    async def archive_diverged(self, request: StepRequest) -> StepResult:
        return await home.archive(self, request)

    async def rebuild_replica(self, request: StepRequest) -> StepResult:
        return await home.rebuild(self, request)

    async def protect(self, request: StepRequest) -> StepResult:
        return await home.protect(self, request)
