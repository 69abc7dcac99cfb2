"""The kind `aws.rds`, against the simulator: fence, promote, and what is known of a replica."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activities.providers.aws.rds import PROVIDER
from activities.providers.base import now
from infra.awssim.faults import Kind, Rule
from infra.awssim.handle import Simulator
from tests.awssim.world import EAST, WEST, World
from tests.provider.aws.kit import AwsConformance
from tests.provider.aws.rds_kit import COPIES, REGIONS, Databases
from tests.provider.conformance import EPOCH
from tests.provider.support import NEW, OLD
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError
from workflows.model.observed import Loss, Reach, RecoveryPoint
from workflows.model.plan import Mode


class Fenced(Databases):
    """The primary in the east."""

    operation, verb, undo_verb, acts_at = "ModifyDBInstance", "fence", "unfence", OLD

    async def state(self) -> Any:
        return self.behind(OLD)

    async def disturb(self) -> None:
        await self.plan()
        self.regroup(OLD, *self.groups[EAST])


class TestFence(AwsConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Fenced:
        return Fenced(tmp_path, world)

    async def test_it_ends_the_open_connections_once_and_the_probe_is_refused(self, subject: Fenced) -> None:
        provider = subject.provider()
        assert await provider.probe_write(OLD) is Reach.SERVING
        proof = (await subject.do()).proof
        assert proof is not None
        assert (proof.proven, proof.epoch) == (True, EPOCH)
        assert subject.behind(OLD) == [subject.groups[EAST][1]]
        await subject.do()
        assert len(subject.effects("RebootDBInstance")) == 1
        assert await provider.probe_write(OLD) is Reach.REFUSED
        assert (await provider.observe("db", OLD, "control")).reach is Reach.STANDBY

    async def test_a_lost_answer_to_the_restart_restarts_it_again_before_it_is_proved(self, subject: Fenced) -> None:
        async with subject.met_by(Rule(kind=Kind.CUT, operation="RebootDBInstance", times=1)):
            with pytest.raises(OutcomeUnknownError):
                await subject.do()
        assert (await subject.do()).changed
        assert len(subject.effects("RebootDBInstance")) == 2

    async def test_a_group_that_lets_somebody_in_is_no_fence(self, subject: Fenced, world: World) -> None:
        ec2, group = world.client("ec2", EAST), subject.groups[EAST][1]
        rule = {"GroupId": group, "IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "CidrIp": "10.0.0.0/8"}
        ec2.authorize_security_group_ingress(**rule)
        with pytest.raises(PermanentError, match="lets somebody in"):
            await subject.do()
        ec2.revoke_security_group_ingress(**rule)
        assert subject.behind(OLD) == [subject.groups[EAST][0]]


class Promoted(Databases):
    """The replica in the west."""

    operation, verb, undoable = "PromoteReadReplica", "promote", False

    async def state(self) -> Any:
        return self.source(NEW), self.behind(NEW)


class TestPromote(AwsConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Promoted:
        return Promoted(tmp_path, world)

    async def test_it_is_read_back_and_keeps_backups_of_its_own(self, subject: Promoted) -> None:
        await subject.plan()
        assert subject.planned.reach is Reach.STANDBY
        assert (await subject.do()).changed
        assert subject.look(NEW)["BackupRetentionPeriod"] == 7
        assert await subject.provider().probe_write(NEW) is Reach.SERVING

    async def test_a_promotion_that_takes_its_time_is_waited_for(self, subject: Promoted, sim: Simulator) -> None:
        sim.control.set_delays({"rds.instance": 1.0})
        assert (await subject.do()).after["status"] == "available"

    async def test_what_was_restored_in_isolation_is_let_out(self, subject: Promoted) -> None:
        await subject.do()
        subject.isolate(NEW)
        assert (await subject.do()).changed
        assert subject.behind(NEW) == [subject.groups[WEST][0]]

    async def test_the_region_that_is_gone_is_never_asked(self, subject: Promoted, sim: Simulator) -> None:
        before = {call.operation: call.count for call in sim.control.calls() if call.region == EAST}
        sim.control.set_faults([Rule(kind=Kind.REGION_GONE, region=EAST)])
        subject.lag(2.0)
        provider = subject.provider()
        assert (await provider.choose_recovery_point(subject.asked())).point is not None
        assert not (await provider.sync_delta(subject.asked(mode=Mode.UNPLANNED))).changed
        assert (await subject.do()).changed
        assert {call.operation: call.count for call in sim.control.calls() if call.region == EAST} == before


class Looked(Databases):
    """A pair that nothing is done to."""

    operation, verb = "none", "sync_delta"

    async def state(self) -> Any:
        return self.source(NEW)


@pytest.fixture
def pair(tmp_path: Path, world: World) -> Looked:
    return Looked(tmp_path, world)


async def test_a_lag_is_told_only_when_it_was_measured_lately(pair: Looked) -> None:
    provider = pair.provider()
    unknown = (await provider.choose_recovery_point(pair.asked())).point
    assert unknown is not None
    assert (unknown.kind, unknown.expected_loss.seconds) == ("stream", None)
    pair.lag(900.0, now() - timedelta(minutes=6))
    pair.lag(40.0, now() - timedelta(minutes=2))
    pair.lag(3.0)
    known = (await provider.choose_recovery_point(pair.asked())).point
    assert known is not None
    assert known.expected_loss.seconds == 3.0
    seen = await provider.observe("db", NEW, "control")
    assert (seen.reach, seen.facts["receiving"], seen.facts["lag_seconds"]) == (Reach.STANDBY, True, 3.0)


async def test_a_broken_replication_is_not_a_lag_of_minus_one(pair: Looked) -> None:
    pair.lag(-1.0)
    seen = await pair.provider().observe("db", NEW, "control")
    assert (seen.facts["receiving"], seen.facts["lag_seconds"]) == (False, None)
    with pytest.raises(PermanentError) as caught:
        await pair.provider().measure_lag(pair.asked())
    assert caught.value.code is Code.REPLICA_FROZEN


async def test_a_planned_move_waits_until_the_replica_holds_something_from_behind_the_fence(pair: Looked) -> None:
    fenced = now() - timedelta(minutes=3)
    asked = pair.asked(mode=Mode.PLANNED, proofs=(pair.proof(fenced),))
    with pytest.raises(OutcomeUnknownError, match="no lag was measured"):
        await pair.provider(settle="1s").sync_delta(asked)
    pair.lag(200.0)  # measured behind the fence, and the newest that it holds is older
    with pytest.raises(OutcomeUnknownError, match="holds all until"):
        await pair.provider(settle="1s").sync_delta(asked)


@pytest.mark.parametrize("seconds", [0.0, 45.0], ids=["nothing is missing", "nobody writes, and RDS's heartbeat came"])
async def test_a_replica_that_holds_something_from_behind_the_fence_lacks_nothing(pair: Looked, seconds: float) -> None:
    asked = pair.asked(mode=Mode.PLANNED, proofs=(pair.proof(now() - timedelta(minutes=3)),))
    pair.lag(seconds)
    assert (await pair.provider().sync_delta(asked)).after["lag_seconds"] == seconds


class TestLoss:
    """What was lost at most."""

    async def test_it_is_what_came_between_the_last_that_is_held_and_the_outage(self, pair: Looked) -> None:
        outage = now() - timedelta(minutes=4)
        before = outage - timedelta(seconds=70)
        pair.lag(2.0, before)
        pair.lag(310.0)  # it has grown by itself since
        loss = await self._loss(pair, outage=outage)
        assert loss.seconds == pytest.approx((outage - before).total_seconds() + 2.0, abs=60.0)
        assert loss.seconds >= (outage - before).total_seconds() + 2.0
        assert (loss.transactions, loss.bytes) == (None, None)

    async def test_behind_a_proved_fence_it_is_nothing(self, pair: Looked) -> None:
        pair.lag(1.0)
        proofs = (pair.proof(now() - timedelta(minutes=3)).model_copy(update={"component": pair.name}),)
        assert (await self._loss(pair, outage=now(), proofs=proofs)).seconds == 0.0

    async def test_it_is_also_told_of_what_is_a_replica_no_more(self, pair: Looked) -> None:
        pair.lag(1.0)
        pair.rds[NEW].promote_read_replica(DBInstanceIdentifier=pair.name)
        assert (await self._loss(pair, outage=now() - timedelta(minutes=3))).seconds == 0.0

    async def test_of_a_snapshot_it_is_its_age(self, pair: Looked) -> None:
        outage = now()
        taken = outage - timedelta(hours=2)
        point = RecoveryPoint(component="db", site=NEW, kind="snapshot", position="", name="monday", taken=taken)
        assert (await self._loss(pair, outage=outage, point=point)).seconds == 7200.0

    async def test_what_was_not_measured_is_not_none(self, pair: Looked) -> None:
        pair.lag(-1.0)  # RDS's word for a replication that is broken
        assert (await self._loss(pair, outage=now())).seconds is None
        assert (await self._loss(pair)).seconds is None

    async def _loss(self, pair: Looked, **more: Any) -> Loss:
        found = (await pair.provider().measure_loss(pair.asked(**more))).loss
        assert found is not None
        return found


async def test_a_region_that_is_gone_is_silent(pair: Looked, sim: Simulator) -> None:
    sim.control.set_faults([Rule(kind=Kind.REGION_GONE, region=EAST)])
    assert (await pair.provider().observe("db", OLD, "control")).reach is Reach.SILENT
    assert await pair.provider().probe_write(OLD) is Reach.SILENT


async def test_a_pair_is_compared_and_its_rows_are_not_called_equal(pair: Looked) -> None:
    pair.lag(1.0)
    pair.lag(5e9, metric="FreeStorageSpace")
    provider = pair.provider()
    found = await provider.compare_sites(pair.asked())
    assert [one.code for one in found.findings if one.blocking] == []
    verdict = (await provider.verify_consistency(pair.asked())).consistency
    assert verdict is not None
    assert (verdict.equal, verdict.tables) == (None, ())
    room = (await provider.measure_capacity(pair.asked())).after
    assert room == {"free_bytes": 5_000_000_000, "volume_bytes": 20 * 2**30, "received_bytes": None}


async def test_snapshots_alone_are_no_planned_move_without_loss(pair: Looked) -> None:
    await pair.plan()
    asked = pair.asked(mode=Mode.PLANNED)
    target = asked.target.model_copy(update={"component": COPIES})
    with pytest.raises(PermanentError) as caught:
        await pair.provider().choose_recovery_point(asked.model_copy(update={"target": target}))
    assert caught.value.code is Code.TARGET_UNFIT


GROUP, OTHER = "sg-0123456789abcdef0", "sg-0123456789abcdef1"
PLACE = {
    "region": WEST,
    "instance": "shop-db",
    "instance_class": "db.m7g.large",
    "subnet_group": "shop-private",
    "security_groups": [GROUP],
    "isolation_group": OTHER,
}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"isolation_group": GROUP}, "lets nobody in"),
        ({"kms_key": f"arn:aws:kms:{EAST}:123456789012:key/1234abcd"}, "is not of the region"),
        ({"drill_subnet_group": "drills"}, "belong together"),
        ({"instance": "Shop--DB"}, "should match pattern"),
        ({"instance_class": "m7g.large"}, "should match pattern"),
    ],
)
def test_settings_that_cannot_be_right_are_refused(wrong: dict[str, Any], words: str) -> None:
    assert PROVIDER.Settings.model_validate({"sites": {NEW: PLACE}})
    with pytest.raises(ValidationError, match=words):
        PROVIDER.Settings.model_validate({"sites": {NEW: PLACE | wrong}})


def test_two_sites_are_in_two_regions() -> None:
    with pytest.raises(ValidationError, match="two sites are in one region"):
        PROVIDER.Settings.model_validate({"sites": dict.fromkeys(REGIONS, PLACE)})
