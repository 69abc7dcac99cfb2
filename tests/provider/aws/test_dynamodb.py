"""The kind `aws.dynamodb`, against the simulator: a global table is handed over, and restored beside itself."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.providers.aws.dynamodb import PROVIDER
from activities.providers.aws.dynamodb.provider import DynamoProvider
from activities.providers.base import now
from infra.awssim.faults import Kind, Rule
from tests.awssim.world import EAST, WEST, World
from tests.provider.aws.kit import AwsConformance, AwsSubject, worker
from tests.provider.conformance import EPOCH, over
from tests.provider.support import NEW, OLD, request
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Reach, RecoveryPoint
from workflows.model.runbook import Component

ORDERS = Component.model_validate({"role": "data", "kind": "aws.dynamodb", "replication": {"mode": "continuous"}})


class Orders(AwsSubject):
    """A global table that serves in the east."""

    undoable = False

    def __init__(self, folder: Path, world: World) -> None:
        self.east, self.west = (world.client("dynamodb", region) for region in (EAST, WEST))
        self.table = world.table(WEST)
        self.east.put_item(TableName=self.table, Item={"id": {"S": "1"}})
        self.tag(EAST, "seawall:serving", "0")
        self.planned: Any = None
        super().__init__(folder, world)

    def tag(self, region: str, key: str, value: str) -> None:
        client = self.east if region == EAST else self.west
        arn = client.describe_table(TableName=self.table)["Table"]["TableArn"]
        client.tag_resource(ResourceArn=arn, Tags=[{"Key": key, "Value": value}])

    def provider(self, over_: bool = False, **more: Any) -> DynamoProvider:
        sites = {site: {"region": region, "table": self.table} for site, region in ((OLD, EAST), (NEW, WEST))}
        settings = PROVIDER.Settings.model_validate({"sites": sites, "read_timeout": "5s", "settle": "5s", **more})
        return DynamoProvider(settings, worker(self.folder, over if over_ else lambda: None))

    def asked(self, verb: str, epoch: int = EPOCH, where: str = NEW, **more: Any) -> StepRequest:
        found = request(where or NEW, f"{self.table}.{verb}", epoch, ORDERS, **more)
        return found.model_copy(update={"target": found.target.model_copy(update={"name": self.table})})

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        raise AssertionError("It is several steps.")

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        raise AssertionError("It has no undo.")

    async def state(self) -> Any:
        found = self.west.describe_table(TableName=self.table)["Table"]
        tags = self.west.list_tags_of_resource(ResourceArn=found["TableArn"])["Tags"]
        return {tag["Key"]: tag["Value"] for tag in tags}

    async def disturb(self) -> None:
        self.planned = await self.provider().observe(self.table, NEW, "control")
        earlier = self.planned.facts["created"].replace("20", "19", 1)
        facts = self.planned.facts | {"created": earlier}
        self.planned = self.planned.model_copy(update={"facts": facts})


class Promote(Orders):
    operation = "TagResource"

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        return await self.provider(over).promote(self.asked("promote", epoch, where, before=self.planned))


class TestPromote(AwsConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Promote:
        return Promote(tmp_path, world)

    async def test_nothing_of_the_lost_region_is_asked(self, subject: Promote) -> None:
        async with subject.met_by(Rule(kind=Kind.REGION_GONE, region=EAST)):
            assert await subject.provider().probe_write(OLD) is Reach.SILENT
            assert await subject.provider().probe_write(NEW) is Reach.STANDBY
            point = (await subject.provider().choose_recovery_point(subject.asked("choose"))).point
            await subject.provider().sync_delta(subject.asked("sync"))
            await subject.do()
        assert point
        assert point.kind == "stream"
        assert await subject.provider().probe_write(NEW) is Reach.SERVING

    async def test_the_old_replica_follows_and_serves_no_more(self, subject: Promote) -> None:
        home, provider = subject.asked("home", EPOCH, OLD), subject.provider()
        with pytest.raises(PermanentError) as caught:
            await provider.rebuild_replica(home)
        assert caught.value.code is Code.ROLE_MISMATCH
        assert await provider.probe_write(OLD) is Reach.SERVING
        await subject.do()
        assert await provider.probe_write(OLD) is Reach.STANDBY
        assert (await provider.rebuild_replica(home)).changed
        assert not (await provider.rebuild_replica(home)).changed
        assert await provider.probe_write(OLD) is Reach.STANDBY
        await provider.protect(home)

    async def test_a_table_without_a_replica_is_not_protected(self, subject: Promote) -> None:
        subject.table = subject.world.table()
        with pytest.raises(PermanentError) as caught:
            await subject.provider().measure_lag(subject.asked("lag"))
        assert caught.value.code is Code.NOT_PROTECTED

    @pytest.mark.parametrize(("milliseconds", "frozen"), [(1500, False), (90_000, True)])
    async def test_the_lag_is_what_the_metric_says(self, subject: Promote, milliseconds: int, frozen: bool) -> None:
        asked = subject.asked("lag")
        assert (await subject.provider().measure_lag(asked)).after["lag_seconds"] is None
        dimensions = [{"Name": "TableName", "Value": subject.table}, {"Name": "ReceivingRegion", "Value": WEST}]
        datum = {"MetricName": "ReplicationLatency", "Dimensions": dimensions, "Value": float(milliseconds)}
        datum |= {"Timestamp": now() - timedelta(seconds=90)}
        subject.world.client("cloudwatch").put_metric_data(Namespace="AWS/DynamoDB", MetricData=[datum])
        if frozen:
            with pytest.raises(PermanentError) as caught:
                await subject.provider().measure_lag(asked)
            assert caught.value.code is Code.REPLICA_FROZEN
        else:
            assert (await subject.provider().measure_lag(asked)).after["lag_seconds"] == milliseconds / 1000


class Restore(Orders):
    operation = "RestoreTableFromBackup"
    undoable = True
    point: RecoveryPoint

    async def ready(self) -> "Restore":
        self.west.create_backup(TableName=self.table, BackupName="nightly")
        self.east.put_item(TableName=self.table, Item={"id": {"S": "2"}})
        chosen = await self.provider().choose_recovery_point(self.asked("choose", choice="nightly"))
        assert chosen.point
        self.point = chosen.point
        self.mark = self.world.mark()
        return self

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        asked = self.asked("restore", epoch, where, point=self.point, before=self.planned)
        return await self.provider(over).restore(asked)

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        return await self.provider().discard_restore(self.asked("restore", epoch, undo=True, result=result))

    async def state(self) -> Any:
        """What is there and was not abandoned."""
        found = []
        for name in self.west.list_tables()["TableNames"]:
            if name.startswith(f"{self.table}-"):
                arn = self.west.describe_table(TableName=name)["Table"]["TableArn"]
                tags = self.west.list_tags_of_resource(ResourceArn=arn)["Tags"]
                found += [] if any(tag["Key"] == "seawall:abandoned" for tag in tags) else [name]
        return found


class TestRestore(AwsConformance):
    @pytest.fixture
    async def subject(self, tmp_path: Path, world: World) -> Restore:
        return await Restore(tmp_path, world).ready()

    async def test_the_restored_table_is_the_one_that_is_promoted(self, subject: Restore) -> None:
        result = await subject.do()
        assert (result.after["table"], result.after["items"]) == (f"{subject.table}-{EPOCH}", 1)
        promoted = await subject.provider().promote(subject.asked("promote"))
        assert promoted.after["table"] == f"{subject.table}-{EPOCH}"
        with pytest.raises(PermanentError) as caught:
            await subject.undo()
        assert caught.value.code is Code.ROLE_MISMATCH

    async def test_a_table_of_that_name_that_is_not_ours_is_left_alone(self, subject: Restore) -> None:
        theirs = {"AttributeName": "id", "KeyType": "HASH"}
        subject.west.create_table(
            TableName=f"{subject.table}-{EPOCH}", KeySchema=[theirs], BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        )  # fmt: skip
        with pytest.raises(PermanentError) as caught:
            await subject.do()
        assert caught.value.code is Code.PRECONDITION_CHANGED


async def test_a_moment_is_restored_from_the_log_of_the_replica(tmp_path: Path, world: World) -> None:
    subject = Orders(tmp_path, world)
    enabled = {"PointInTimeRecoveryEnabled": True}
    subject.west.update_continuous_backups(TableName=subject.table, PointInTimeRecoverySpecification=enabled)
    provider, listed = subject.provider(), await subject.provider().list_points(subject.asked("list"))
    (log,) = [point for point in listed.points if point.name == "point-in-time"]
    assert log.covers_until
    chosen = await provider.choose_recovery_point(
        subject.asked("choose", choice=f"before {log.covers_until.isoformat()}")
    )
    assert chosen.point
    assert chosen.point.until == log.covers_until
    result = await provider.restore(subject.asked("restore", point=chosen.point))
    assert result.after["table"] == f"{subject.table}-{EPOCH}"
