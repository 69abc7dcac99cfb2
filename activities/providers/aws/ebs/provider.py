"""The provider of the kind `aws.ebs`: each verb is a function of this package."""

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

from . import by_hand, look, points, promote, reprotect, restore, snapshot
from .settings import EbsSettings, EbsSite


class EbsProvider(AwsProvider):
    """Invariants: what hangs is exchanged only under the register's epoch, and never while its instance runs; nothing
    is deleted but by `prune`, and there only what carries our tags.

    It has no planned fence: a snapshot is cold data, and a planned move would lose what was written after it. The way
    home is a move of what streams, or an agreed loss.
    """

    kind: ClassVar[str] = "aws.ebs"
    role: ClassVar[Role | None] = Role.DATA
    verbs: ClassVar[frozenset[Verb]] = frozenset(
        {
            Verb.OBSERVE,
            Verb.CHOOSE_RECOVERY_POINT,
            Verb.SNAPSHOT,
            Verb.SYNC_DELTA,
            Verb.PROMOTE,
            Verb.RESTORE,
            Verb.DISCARD_RESTORE,
            Verb.PRUNE,
            Verb.REBUILD_REPLICA,
            Verb.PROTECT,
        }
    )
    Settings: ClassVar[type[AwsSettings]] = EbsSettings

    settings: EbsSettings

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        facts: dict[str, Any] = {}
        try:
            reach, stands, detail = await self._seen(site)
            facts = stands.facts()
        except SeawallError as error:
            reach, detail = Reach.SILENT, error.sentence
        return Observation(
            component=component, site=site, observer=observer, reach=reach, at=now(), detail=detail, facts=facts
        )

    async def probe_write(self, site: str) -> Reach:
        """Whether a program could write to the set: it hangs at instances that run."""
        try:
            return (await self._seen(site))[0]
        except SeawallError:
            return Reach.SILENT

    async def _seen(self, site: str) -> tuple[Reach, look.Standing, str]:
        place: EbsSite = self.site(site)
        stands = await look.standing(self.aws(site), place)
        serves = stands.in_use and len(stands.volumes) == len(place.volumes)
        states = ", ".join(sorted(set(stands.states.values())))
        detail = f"{len(stands.volumes)} of {len(place.volumes)} volumes hang there; the instances are {states}."
        return (Reach.SERVING if serves else Reach.STANDBY), stands, detail

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:
        return by_hand.by_hand(self, verb, request)

    async def snapshot(self, request: StepRequest) -> StepResult:
        return await snapshot.take(self, request, request.target.source, request.target.site)

    async def list_points(self, request: StepRequest) -> StepResult:
        return await points.list_points(self, request)

    async def choose_recovery_point(self, request: StepRequest) -> StepResult:
        return await points.choose(self, request)

    async def prune(self, request: StepRequest) -> StepResult:
        return await points.prune(self, request)

    async def restore(self, request: StepRequest) -> StepResult:
        return await restore.restore(self, request)

    async def discard_restore(self, request: StepRequest) -> StepResult:
        return await restore.discard(self, request)

    async def sync_delta(self, request: StepRequest) -> StepResult:
        """Nothing: a snapshot has no log, so that nothing later than the restored point can come."""
        return StepResult(detail=f"Nothing later than its snapshots can come to {request.target.site}.", changed=False)

    async def promote(self, request: StepRequest) -> StepResult:
        return await promote.promote(self, request)

    async def rebuild_replica(self, request: StepRequest) -> StepResult:
        return await reprotect.rebuild(self, request)

    async def protect(self, request: StepRequest) -> StepResult:
        return await reprotect.protect(self, request)
