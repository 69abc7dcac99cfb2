"""The provider of the kind `aws.dynamodb`."""

import contextlib
from datetime import timedelta
from typing import Any, ClassVar

from activities.providers.aws import storage_points
from activities.providers.aws.by_hand import IDENTITY, cli
from activities.providers.aws.component import AwsProvider
from activities.providers.aws.settings import AwsSettings
from activities.providers.aws.tags import pairs
from activities.providers.aws.waiting import until
from activities.providers.base import now
from activities.providers.by_hand import ByHand
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError, SeawallError, TemporaryError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import Role
from workflows.model.verbs import Verb

from . import points, restore
from .look import ABANDONED, SERVING, Standing, maybe, standing
from .settings import DynamoSettings, DynamoSite


class DynamoProvider(AwsProvider):
    """Invariants: no item is ever written or removed, and no table deleted; a restore makes a new table.

    DynamoDB replicates by itself, in both directions, and the last writer wins. So a promotion is a note of who serves,
    and there is no planned fence: what writes is stopped by its own component, or by the site's fence device.
    """

    kind: ClassVar[str] = "aws.dynamodb"
    role: ClassVar[Role | None] = Role.DATA
    verbs: ClassVar[frozenset[Verb]] = frozenset(
        {
            Verb.OBSERVE,
            Verb.CHOOSE_RECOVERY_POINT,
            Verb.SYNC_DELTA,
            Verb.PROMOTE,
            Verb.RESTORE,
            Verb.DISCARD_RESTORE,
            Verb.MEASURE_LAG,
            Verb.REBUILD_REPLICA,
            Verb.PROTECT,
        }
    )
    Settings: ClassVar[type[AwsSettings]] = DynamoSettings

    settings: DynamoSettings

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        facts: dict[str, Any] = {}
        try:
            stands = await standing(self.aws(site), self.site(site).table)
            facts, reach = stands.facts(), await self._reach(site, stands)
            detail = f"{stands.name} is {stands.status}."
        except SeawallError as error:
            reach, detail = Reach.SILENT, error.sentence
        return Observation(
            component=component, site=site, observer=observer, reach=reach, at=now(), detail=detail, facts=facts
        )

    async def probe_write(self, site: str) -> Reach:
        """By the tag: every active replica takes writes, whoever uses it."""
        try:
            return await self._reach(site, await standing(self.aws(site), self.site(site).table))
        except SeawallError:
            return Reach.SILENT

    async def _reach(self, site: str, stands: Standing) -> Reach:
        """A replica whose tag is older than that of another site serves no more: its region was lost meanwhile."""
        if stands.status not in ("ACTIVE", "UPDATING"):
            return Reach.REFUSED
        if stands.epoch is None:
            return Reach.STANDBY
        for other in self.settings.sites:
            if other != site:
                with contextlib.suppress(SeawallError):
                    there = await standing(self.aws(other), self.site(other).table)
                    if (there.epoch or 0) > stands.epoch:
                        return Reach.STANDBY
        return Reach.SERVING

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:
        place: DynamoSite = self.site(request.target.site)
        query = ("--query", "Table.[TableStatus,Replicas]", "--output", "json")
        look = cli(
            place,
            *("dynamodb", "describe-table", "--table-name", place.table, *query),
            why="The replica is active: it takes writes.",
            shows="ACTIVE",
            otherwise="Wait. ARCHIVED or INACCESSIBLE_ENCRYPTION_CREDENTIALS: look for its KMS key.",
        )
        notes = ["There is nothing to promote: a replica takes writes.", IDENTITY]
        if verb is Verb.RESTORE:
            notes = [
                "Restore into a new table (aws dynamodb restore-table-to-point-in-time), and name it to its users."
            ]
        return ByHand(look=(look,), notes=tuple(notes))

    async def list_points(self, request: StepRequest) -> StepResult:
        found = await points.found(self, request)
        listed = storage_points.listed([one for one in found if one.taken])
        return listed.model_copy(update={"points": tuple(found)})

    async def choose_recovery_point(self, request: StepRequest) -> StepResult:
        return await points.choose(self, request)

    async def restore(self, request: StepRequest) -> StepResult:
        return await restore.restore(self, request)

    async def discard_restore(self, request: StepRequest) -> StepResult:
        return await restore.discard(self, request)

    async def sync_delta(self, request: StepRequest) -> StepResult:
        """What the lost region has sent is applied when it comes: nothing has to be replayed."""
        return StepResult(detail=f"What has come to {request.target.site} stands in its replica.", changed=False)

    async def promote(self, request: StepRequest) -> StepResult:
        """Note under which epoch the table serves: the restored one, when this run has restored."""
        name = request.target.site
        place, aws = self.site(name), self.aws(name, request)
        made = await maybe(aws, restore.restored_name(self, request))
        stands = made if made and ABANDONED not in made.tags else await standing(aws, place.table)
        if stands.status not in ("ACTIVE", "UPDATING"):
            raise PermanentError(
                Code.TARGET_UNFIT, f"The table {stands.name} is {stands.status}.", "Mend that in AWS, then retry."
            )
        if stands.name == place.table:
            self.as_planned(request, stands)
        self.context.still_mine()
        before = await self.register(name, request).claim(stands.facts())
        changed = stands.epoch != request.ref.epoch
        if changed:
            self.context.still_mine()
            marks = pairs({SERVING: str(request.ref.epoch)})
            await aws.change("dynamodb", "tag_resource", ResourceArn=stands.arn, Tags=marks)
        after = await until(
            lambda: standing(aws, stands.name),
            lambda found: found.epoch == request.ref.epoch,
            lambda _: "the tag is on its way",
            self.context,
            self.patience,
        )
        return StepResult(
            detail=f"{stands.name} in {place.region} serves under epoch {request.ref.epoch}.",
            changed=changed,
            before=before,
            after=after.facts(),
        )

    def as_planned(self, request: StepRequest, stands: Standing) -> None:
        """The table is the one that the plan saw. PermanentError(PRECONDITION_CHANGED)."""
        planned = request.before.facts.get("created") if request.before else None
        if planned not in (None, stands.created.isoformat()):
            raise PermanentError(
                Code.PRECONDITION_CHANGED,
                f"The table {stands.name} is another one than when the run was planned.",
                "Look who replaced it, and plan again.",
            )

    async def measure_lag(self, request: StepRequest) -> StepResult:
        """The metric ReplicationLatency of the serving region: it is there only while something is written.

        Raises:
            PermanentError: REPLICA_FROZEN.
        """
        origin, into = request.target.source, request.target.target
        await self._insist_on_replica(request, origin, into)
        source, copy = self.site(origin), self.site(into)
        dimensions = {"TableName": source.table, "ReceivingRegion": copy.region}
        found = await self.aws(origin, request).read(
            "cloudwatch",
            "get_metric_statistics",
            Namespace="AWS/DynamoDB",
            MetricName="ReplicationLatency",
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            StartTime=now() - self.settings.window,
            EndTime=now() + timedelta(seconds=1),
            Period=60,
            Statistics=["Maximum"],
        )
        newest = max(found.get("Datapoints", []), key=lambda one: one["Timestamp"], default=None)
        lag = newest["Maximum"] / 1000 if newest else None
        if lag is not None and lag > self.settings.frozen_after.total_seconds():
            raise PermanentError(
                Code.REPLICA_FROZEN,
                f"The replica in {copy.region} is {in_words(lag)} behind.",
                "Look at the table's replication in CloudWatch; do not move to it.",
            )
        return StepResult(
            detail=f"{in_words(lag)} behind." if newest else "Nothing was written, so that nothing could be measured.",
            changed=False,
            after={"lag_seconds": lag, "lag_bytes": None, "marker": None, "replica_claims": {"status": "ACTIVE"}},
        )

    async def rebuild_replica(self, request: StepRequest) -> StepResult:
        """The old replica is not overwritten: DynamoDB has merged it when it came back. It only serves no more."""
        old, serving = request.target.source, request.target.target
        await self._insist_on_replica(request, serving, old)
        aws = self.aws(old, request)
        stands = await standing(aws, self.site(old).table)
        there = await standing(self.aws(serving, request), self.site(serving).table)
        if stands.epoch is not None and (there.epoch is None or there.epoch <= stands.epoch):
            raise PermanentError(
                Code.ROLE_MISMATCH,
                f"{stands.name} at {old} serves under epoch {stands.epoch}, and {serving} under {there.epoch}.",
                "Look at both tables' tags, and plan again.",
            )
        self.context.still_mine()
        await self.register(old, request).claim(stands.facts())
        if stands.epoch is not None:
            self.context.still_mine()
            await aws.repeatable("dynamodb", "untag_resource", ResourceArn=stands.arn, TagKeys=[SERVING])
        return StepResult(detail=f"{stands.name} in {self.site(old).region} follows.", changed=stands.epoch is not None)

    async def protect(self, request: StepRequest) -> StepResult:
        """Insist on an active replica at `target.source`."""
        await self._insist_on_replica(request, request.target.target, request.target.source)
        return StepResult(detail=f"The replica at {request.target.source} is active.", changed=False)

    async def _insist_on_replica(self, request: StepRequest, origin: str, into: str) -> None:
        place: DynamoSite = self.site(into)
        stands = await standing(self.aws(origin, request), self.site(origin).table)
        status = stands.replicas.get(place.region)
        if status is None:
            raise PermanentError(
                Code.NOT_PROTECTED, f"{stands.name} has no replica in {place.region}.", "Add it with infra/aws."
            )
        if status != "ACTIVE":
            raise TemporaryError(
                Code.NOT_PROTECTED, f"The replica in {place.region} is {status}.", "It is looked at again.", delay=5.0
            )
