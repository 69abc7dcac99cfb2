"""The kind `aws.rds`, against the simulator: snapshots, what is kept of them, restores and clones."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.providers.base import now
from infra.awssim.handle import Simulator
from tests.awssim.world import EAST, WEST, World
from tests.provider.aws.kit import AwsConformance
from tests.provider.aws.rds_kit import COPIES, Databases
from tests.provider.conformance import EPOCH
from tests.provider.support import NEW, OLD
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import Bubble
from workflows.model.observed import Reach, RecoveryPoint


class Copied(Databases):
    """A snapshot of the east, and its copy in the west."""

    verb, undoable, part, streams = "snapshot", False, COPIES, False
    operation = "CopyDBSnapshot"

    async def state(self) -> Any:
        return self.kept(NEW)

    async def disturb(self) -> None:
        self.isolate(OLD)


class Taken(Copied):
    operation = "CreateDBSnapshot"

    async def state(self) -> Any:
        return self.kept(OLD)


class TestSnapshot(AwsConformance):
    @pytest.fixture(params=[Taken, Copied])
    def subject(self, request: pytest.FixtureRequest, tmp_path: Path, world: World) -> Copied:
        made: Copied = request.param(tmp_path, world)
        return made

    async def test_a_copy_that_takes_its_time_is_waited_for(self, subject: Copied, sim: Simulator) -> None:
        sim.control.set_delays({"rds.snapshot": 0.8})
        point = (await subject.do()).point
        assert point is not None
        (listed,) = (await subject.provider().list_points(subject.asked())).points
        assert (listed.name, listed.site, listed.kind) == (point.name, NEW, "snapshot")
        assert listed.expected_loss.seconds is not None


class Pruned(Databases):
    """Three snapshots in the west, of which two are kept."""

    operation, verb, undoable, part, streams = "DeleteDBSnapshot", "prune", False, COPIES, False

    def prepare(self) -> None:
        for name in ("a", "b", "c"):
            self.keep_copy(name)
        self.rds[NEW].copy_db_snapshot(
            SourceDBSnapshotIdentifier=self.snapshot_arn("a"), TargetDBSnapshotIdentifier=f"{self.name}-foreign"
        )

    def keep_copy(self, name: str, **tags: str) -> None:
        """One of ours in the west, of which nothing is left in the east."""
        self.keep(name, site=OLD)
        marks = {"application": "shop", "component": self.name, **tags}
        pairs = [{"Key": f"seawall:{key}", "Value": value} for key, value in marks.items()]
        self.rds[NEW].copy_db_snapshot(
            SourceDBSnapshotIdentifier=self.snapshot_arn(name),
            TargetDBSnapshotIdentifier=f"{self.name}-{name}",
            Tags=pairs,
        )
        if name != "a":
            self.rds[OLD].delete_db_snapshot(DBSnapshotIdentifier=f"{self.name}-{name}")

    def snapshot_arn(self, name: str) -> str:
        found = self.rds[OLD].describe_db_snapshots(DBSnapshotIdentifier=f"{self.name}-{name}")
        return str(found["DBSnapshots"][0]["DBSnapshotArn"])

    async def state(self) -> Any:
        return self.kept(NEW)

    async def disturb(self) -> None:
        """Nothing that it could compare with: what stands is looked at when it is asked."""


class TestPrune(AwsConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Pruned:
        return Pruned(tmp_path, world)

    async def test_a_world_that_changed_since_the_plan_is_refused(self, subject: Pruned) -> None:  # type: ignore[override]
        pytest.skip("It compares with nothing: it judges what stands.")

    async def test_what_is_not_ours_stays(self, subject: Pruned) -> None:
        assert (await subject.do()).after["removed"] == [f"{subject.name}-a"]
        assert subject.kept(NEW) == ["b", "c", "foreign"]

    async def test_the_last_verified_one_stays_however_old(self, subject: Pruned) -> None:
        arn = subject.snapshot_arn("a").replace(EAST, WEST)
        verified = [{"Key": "seawall:verified", "Value": now().isoformat()}]
        subject.rds[NEW].add_tags_to_resource(ResourceName=arn, Tags=verified)
        assert (await subject.do()).after["removed"] == []

    async def test_what_was_set_aside_goes_when_its_time_is_over_and_never_what_the_runbook_names(
        self, subject: Pruned
    ) -> None:
        then = (now() - timedelta(hours=1)).isoformat()
        aside = f"{subject.name}-aside-4"
        for site, name in ((NEW, aside), (OLD, subject.name)):
            if site == NEW:
                subject.rds[NEW].restore_db_instance_from_db_snapshot(
                    DBInstanceIdentifier=name, DBSnapshotIdentifier=f"{subject.name}-b"
                )
            marks = {"seawall:application": "shop", "seawall:component": subject.name, "seawall:abandoned": then}
            marks |= {"seawall:served": "true"}
            subject.rds[site].add_tags_to_resource(
                ResourceName=subject.look(site, name)["DBInstanceArn"],
                Tags=[{"Key": key, "Value": value} for key, value in marks.items()],
            )
        await subject.do()
        assert subject.look(NEW, aside) is None
        assert subject.rds[NEW].describe_db_snapshots(DBSnapshotIdentifier=f"{aside}-final")["DBSnapshots"]
        assert subject.look(OLD) is not None


def point(subject: Databases, name: str = "a") -> RecoveryPoint:
    """A snapshot as a recovery point."""
    return RecoveryPoint(component="db", site=NEW, kind="snapshot", position="", name=f"{subject.name}-{name}")


def marks(found: Any) -> set[str]:
    """What says that an instance may be pruned."""
    return {tag["Key"] for tag in found["TagList"]} & {"seawall:abandoned", "seawall:served"}


class Restored(Databases):
    """A snapshot in the place of the replica in the west."""

    operation, verb, undo_verb = "RestoreDBInstanceFromDBSnapshot", "restore", "discard_restore"

    def prepare(self) -> None:
        self.keep("a")

    def more(self) -> dict[str, Any]:
        return {"point": point(self)}

    async def state(self) -> Any:
        return self.source(NEW)


class TestRestore(AwsConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Restored:
        return Restored(tmp_path, world)

    async def test_nobody_reaches_it_until_it_is_promoted_and_the_replica_is_kept(self, subject: Restored) -> None:
        await subject.do()
        assert await subject.provider().probe_write(NEW) is Reach.REFUSED
        aside = subject.look(NEW, f"{subject.name}-aside-{EPOCH}")
        assert aside["ReadReplicaSourceDBInstanceIdentifier"]
        assert marks(aside) == {"seawall:abandoned"}
        subject.verb = "promote"
        assert (await subject.do()).changed
        assert await subject.provider().probe_write(NEW) is Reach.SERVING
        assert subject.look(NEW)["DBInstanceClass"] == "db.t3.small"

    async def test_what_serves_is_not_replaced(self, subject: Restored) -> None:
        subject.rds[NEW].promote_read_replica(DBInstanceIdentifier=subject.name)
        with pytest.raises(PermanentError) as caught:
            await subject.do()
        assert caught.value.code is Code.ROLE_MISMATCH

    async def test_what_is_put_back_is_wanted_again(self, subject: Restored) -> None:
        await subject.undo(result=await subject.do())
        assert marks(subject.look(NEW)) == set()
        assert marks(subject.look(NEW, f"{subject.name}-new-{EPOCH}")) == {"seawall:abandoned"}

    async def test_where_nothing_stands_it_is_put(self, subject: Restored) -> None:
        subject.rds[NEW].delete_db_instance(DBInstanceIdentifier=subject.name, SkipFinalSnapshot=True)
        assert (await subject.do()).before == {}
        assert subject.look(NEW)["DBInstanceStatus"] == "available"

    async def test_a_swap_that_was_cut_off_in_the_middle_is_finished(self, subject: Restored) -> None:
        await subject.do()
        names = (f"{subject.name}-new-{EPOCH}", f"{subject.name}-aside-{EPOCH}")
        subject.rds[NEW].modify_db_instance(DBInstanceIdentifier=subject.name, NewDBInstanceIdentifier=names[0])
        assert (await subject.do()).changed
        assert subject.look(NEW, names[0]) is None
        assert subject.look(NEW, names[1]) is not None


async def test_a_choice_is_honoured_and_a_moment_between_snapshots_is_refused(tmp_path: Path, world: World) -> None:
    subject = Restored(tmp_path, world)
    subject.keep("b", verified=now().isoformat())
    subject.keep("c", archive="diverged")
    chosen = {}
    for choice in ("latest", "latest-verified", f"{subject.name}-a"):
        found = await subject.provider().choose_recovery_point(subject.asked(choice=choice))
        assert found.point is not None
        chosen[choice] = found.point.name.removeprefix(f"{subject.name}-")
    assert chosen == {"latest": "", "latest-verified": "b", f"{subject.name}-a": "a"}
    for choice in (f"before {(now() - timedelta(days=1)).isoformat()}", f"{subject.name}-c"):
        with pytest.raises(PermanentError):
            await subject.provider().choose_recovery_point(subject.asked(choice=choice))


BUBBLE = Bubble(name="drill-shop-1", site=NEW, expires=now() + timedelta(hours=1))


class Cloned(Restored):
    """A clone of the newest snapshot, beside the replica."""

    verb, undoable = "clone_data", False

    def more(self) -> dict[str, Any]:
        return {}

    def asked(self, where: str = "", epoch: int = EPOCH, **more: Any) -> Any:
        found = super().asked(where, epoch, **more)
        return found.model_copy(update={"target": found.target.model_copy(update={"bubble": BUBBLE})})

    async def state(self) -> Any:
        return self.look(NEW, f"{self.name}-drill-shop-1") is not None

    async def disturb(self) -> None:
        self.rds[NEW].restore_db_instance_from_db_snapshot(
            DBInstanceIdentifier=f"{self.name}-drill-shop-1", DBSnapshotIdentifier=f"{self.name}-a"
        )
        self.mark = self.world.mark()


class TestClone(AwsConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Cloned:
        return Cloned(tmp_path, world)

    async def test_production_is_not_touched_and_the_snapshot_is_proved(self, subject: Cloned) -> None:
        await subject.do()
        lines = {line.operation for line in subject.sim.control.ledger(subject.mark)}
        assert lines == {"RestoreDBInstanceFromDBSnapshot", "AddTagsToResource", "UpdateItem"}
        verified = await subject.provider().choose_recovery_point(subject.asked(choice="latest-verified"))
        assert verified.point is not None
        assert verified.point.proof
        inside = subject.provider(bubble=BUBBLE)
        assert (await inside.observe("db", NEW, "control")).reach is Reach.SERVING
        subject.verb = "promote"
        assert not (await inside.promote(subject.asked())).changed
        assert subject.source(NEW)

    async def test_a_prune_removes_it_once_its_drill_is_over(self, subject: Cloned) -> None:
        await subject.do()
        arn = subject.look(NEW, f"{subject.name}-drill-shop-1")["DBInstanceArn"]
        past = [{"Key": "seawall:expires", "Value": (now() - timedelta(minutes=1)).isoformat()}]
        subject.rds[NEW].add_tags_to_resource(ResourceName=arn, Tags=past)
        request = subject.asked()
        await subject.provider().prune(
            request.model_copy(update={"target": request.target.model_copy(update={"bubble": None})})
        )
        assert not await subject.state()
