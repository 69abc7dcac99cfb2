"""The kind `aws.aurora`, against the simulator."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.providers.aws.aurora import PROVIDER
from activities.providers.aws.aurora.provider import AuroraProvider
from infra.awssim.faults import Kind, Rule
from infra.awssim.handle import Simulator
from tests.awssim.world import EAST, WEST, World
from tests.provider.aws.kit import AwsConformance, AwsSubject, worker
from tests.provider.conformance import EPOCH, over
from tests.provider.support import NEW, OLD, request
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Reach
from workflows.model.plan import Mode
from workflows.model.runbook import Component

REGIONS = {OLD: EAST, NEW: WEST}
GLOBAL = Component.model_validate({"role": "data", "kind": "aws.aurora", "replication": {"mode": "continuous"}})


class Clusters(AwsSubject):
    """The writer in the east and its secondary in the west, each with one instance."""

    operation, verb, undo_verb = "none", "observe", ""
    acts_at, mode = NEW, Mode.UNPLANNED

    def __init__(self, folder: Path, world: World) -> None:
        self.name, writer, secondary = world.global_database()
        self.arns = {OLD: writer, NEW: secondary}
        self.rds = {site: world.client("rds", region) for site, region in REGIONS.items()}
        self.groups: dict[str, tuple[str, str]] = {}
        for site, region in REGIONS.items():
            ec2 = world.client("ec2", region)
            vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
            made = [ec2.create_security_group(GroupName=world.name(), Description="x", VpcId=vpc) for _ in "ab"]
            self.groups[site] = (made[0]["GroupId"], made[1]["GroupId"])
            self.rds[site].create_db_instance(
                DBInstanceIdentifier=world.name(), DBInstanceClass="db.r6g.large", Engine="aurora-postgresql",
                DBClusterIdentifier=self.cluster(site),
            )  # fmt: skip
            self.regroup(site, self.groups[site][0])
        super().__init__(folder, world)
        self.planned: Any = None

    def cluster(self, site: str) -> str:
        return self.arns[site].rpartition(":")[2]

    def regroup(self, site: str, *groups: str) -> None:
        self.rds[site].modify_db_cluster(DBClusterIdentifier=self.cluster(site), VpcSecurityGroupIds=list(groups))

    def behind(self, site: str) -> list[str]:
        (found,) = self.rds[site].describe_db_clusters(DBClusterIdentifier=self.cluster(site))["DBClusters"]
        return [one["VpcSecurityGroupId"] for one in found["VpcSecurityGroups"]]

    def writers(self) -> list[str]:
        (found,) = self.rds[NEW].describe_global_clusters(GlobalClusterIdentifier=self.name)["GlobalClusters"]
        return [one["DBClusterArn"] for one in found["GlobalClusterMembers"] if one["IsWriter"]]

    def lag(self, milliseconds: float, site: str = NEW, metric: str = "AuroraGlobalDBRPOLag", **more: str) -> None:
        named = {"DBClusterIdentifier": self.cluster(site), **more}
        self.world.client("cloudwatch", REGIONS[site]).put_metric_data(
            Namespace="AWS/RDS",
            MetricData=[
                {
                    "MetricName": metric,
                    "Dimensions": [{"Name": name, "Value": value} for name, value in named.items()],
                    "Value": milliseconds,
                    "Timestamp": datetime.now(UTC) - timedelta(seconds=5),
                }
            ],
        )

    def provider(self, over_: bool = False, **limits: Any) -> AuroraProvider:
        sites = {
            site: {
                "region": region,
                "cluster": self.cluster(site),
                "security_groups": [self.groups[site][0]],
                "isolation_group": self.groups[site][1],
            }
            for site, region in REGIONS.items()
        }
        settings = {"sites": sites, "global_cluster": self.name, "read_timeout": "3s", "settle": "8s", **limits}
        made = worker(self.folder, over if over_ else lambda: None)
        return AuroraProvider(PROVIDER.Settings.model_validate(settings), made)

    def asked(self, where: str = "", epoch: int = EPOCH, **more: Any) -> StepRequest:
        found = request(
            where or self.acts_at, f"db.{self.verb}", epoch, GLOBAL, before=self.planned, mode=self.mode, **more
        )
        return found.model_copy(update={"target": found.target.model_copy(update={"name": self.name})})

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        done: StepResult = await getattr(self.provider(over), self.verb)(self.asked(where, epoch))
        return done

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        asked = self.asked(epoch=epoch, undo=True, result=result)
        done: StepResult = await getattr(self.provider(), self.undo_verb)(asked)
        return done

    async def state(self) -> Any:
        return self.writers(), self.behind(OLD), self.behind(NEW)

    async def disturb(self) -> None:
        self.planned = await self.provider().observe("db", self.acts_at, "control")
        self.regroup(self.acts_at, *self.groups[self.acts_at])


class Fenced(Clusters):
    operation, verb, undo_verb, acts_at, mode = "ModifyDBCluster", "fence", "unfence", OLD, Mode.PLANNED


class TestFence(AwsConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Fenced:
        return Fenced(tmp_path, world)

    async def test_the_writer_is_restarted_once_and_the_probe_is_refused(self, subject: Fenced) -> None:
        assert await subject.provider().probe_write(OLD) is Reach.SERVING
        proof = (await subject.do()).proof
        assert proof is not None
        assert proof.proven
        await subject.do()
        assert len(subject.effects("RebootDBInstance")) == 1
        assert await subject.provider().probe_write(OLD) is Reach.REFUSED


class FailedOver(Clusters):
    operation, verb, undoable = "FailoverGlobalCluster", "promote", False


class SwitchedOver(FailedOver):
    operation, mode = "SwitchoverGlobalCluster", Mode.PLANNED


class TestPromote(AwsConformance):
    @pytest.fixture(params=[FailedOver, SwitchedOver])
    def subject(self, request: pytest.FixtureRequest, tmp_path: Path, world: World) -> FailedOver:
        made: FailedOver = request.param(tmp_path, world)
        return made

    async def test_it_is_asked_for_in_the_region_that_the_manual_names(self, subject: FailedOver) -> None:
        await subject.do()
        (line,) = subject.effects()
        assert line.region == (WEST if subject.mode is Mode.UNPLANNED else EAST)
        assert subject.writers() == [subject.arns[NEW]]

    async def test_a_move_that_takes_its_time_is_waited_for_and_not_asked_for_again(
        self, subject: FailedOver, sim: Simulator
    ) -> None:
        sim.control.set_delays({"rds.global-cluster": 1000})
        with pytest.raises(OutcomeUnknownError, match="not yet the writer"):
            await subject.provider(settle="0s").promote(subject.asked())
        sim.control.set_delays({"rds.global-cluster": 0})
        assert not (await subject.do()).changed
        assert await subject.count() == 1

    async def test_what_was_isolated_is_let_out_and_is_never_replaced_without_an_instance(
        self, subject: FailedOver
    ) -> None:
        subject.regroup(NEW, subject.groups[NEW][1])
        await subject.do()
        assert subject.behind(NEW) == [subject.groups[NEW][0]]
        assert await subject.provider().probe_write(NEW) is Reach.SERVING


@pytest.fixture
def pair(tmp_path: Path, world: World) -> Clusters:
    return Clusters(tmp_path, world)


async def test_a_lost_region_is_never_asked_by_a_failover(pair: Clusters, sim: Simulator) -> None:
    pair.lag(700.0)
    sim.control.set_faults([Rule(kind=Kind.REGION_GONE, region=EAST)])
    before = {call.operation: call.count for call in sim.control.calls() if call.region == EAST}
    provider = pair.provider()
    point = (await provider.choose_recovery_point(pair.asked())).point
    assert point is not None
    assert point.expected_loss.seconds == 0.7
    await provider.sync_delta(pair.asked())
    assert (await provider.promote(pair.asked())).changed
    assert {call.operation: call.count for call in sim.control.calls() if call.region == EAST} == before
    assert (await provider.observe("db", OLD, "control")).reach is Reach.SILENT


async def test_the_old_cluster_is_waited_for_until_aurora_has_taken_it_in(pair: Clusters, sim: Simulator) -> None:
    provider = pair.provider()
    with pytest.raises(PermanentError) as caught:
        await provider.rebuild_replica(pair.asked(OLD))
    assert caught.value.code is Code.ROLE_MISMATCH
    await provider.promote(pair.asked())
    sim.control.set_delays({"rds.global-cluster": 1000})
    with pytest.raises(OutcomeUnknownError, match="taken in again"):
        await pair.provider(settle="0s").rebuild_replica(pair.asked(OLD))
    sim.control.set_delays({"rds.global-cluster": 0})
    assert not (await provider.rebuild_replica(pair.asked(OLD))).changed
    pair.lag(1500.0, OLD, "AuroraGlobalDBReplicationLag", SourceRegion=WEST)
    assert (await provider.protect(pair.asked())).after == {"lag_seconds": 1.5}
    assert (await provider.measure_lag(pair.asked())).after["lag_seconds"] == 1.5
    verdict = (await provider.verify_consistency(pair.asked())).consistency
    assert verdict is not None
    assert verdict.equal is None


async def test_a_switchover_goes_through_and_back(pair: Clusters) -> None:
    provider, pair.mode = pair.provider(), Mode.PLANNED
    for epoch, (old, new) in enumerate(((OLD, NEW), (NEW, OLD)), start=EPOCH):
        seen = {site: await provider.observe("db", site, "control") for site in (OLD, NEW)}
        pair.lag(200.0, old)
        for site, verb in ((old, "fence"), (new, "sync_delta"), (new, "promote"), (old, "rebuild_replica")):
            pair.verb, pair.planned = verb, seen[site]
            asked = pair.asked(site, epoch)
            there = asked.target.model_copy(update={"source": old, "target": new})
            await getattr(provider, verb)(asked.model_copy(update={"target": there}))
        assert pair.writers() == [pair.arns[new]]
        assert pair.behind(new) == [pair.groups[new][0]]
        assert pair.behind(old) == [pair.groups[old][1]]


async def test_a_lag_that_nobody_measured_is_null(pair: Clusters) -> None:
    point = (await pair.provider().choose_recovery_point(pair.asked())).point
    assert point is not None
    assert point.expected_loss.seconds is None
    with pytest.raises(PermanentError) as caught:
        await pair.provider().measure_lag(pair.asked())
    assert caught.value.code is Code.REPLICA_FROZEN
    seen = await pair.provider().observe("db", NEW, "control")
    assert (seen.reach, seen.facts["receiving"]) == (Reach.STANDBY, False)


async def test_a_cluster_without_instances_serves_nobody(pair: Clusters, world: World) -> None:
    (found,) = pair.rds[NEW].describe_db_clusters(DBClusterIdentifier=pair.cluster(NEW))["DBClusters"]
    pair.rds[NEW].delete_db_instance(DBInstanceIdentifier=found["DBClusterMembers"][0]["DBInstanceIdentifier"])
    codes = [one.code for one in (await pair.provider().compare_sites(pair.asked())).findings if one.blocking]
    assert codes == ["HEADLESS"]
    with pytest.raises(PermanentError) as caught:
        await pair.provider().promote(pair.asked())
    assert caught.value.code is Code.PROMOTE_REFUSED
    assert pair.writers() == [pair.arns[OLD]]


async def test_an_earlier_moment_is_refused_and_what_only_the_old_site_has_is_not_known(pair: Clusters) -> None:
    with pytest.raises(PermanentError) as caught:
        await pair.provider().choose_recovery_point(pair.asked(choice="latest-verified"))
    assert caught.value.code is Code.UNSUPPORTED
    found = (await pair.provider().archive_diverged(pair.asked(OLD))).divergence
    assert found is not None
    assert not found.complete


def test_every_verb_can_be_done_by_hand(pair: Clusters) -> None:
    for verb in sorted(pair.provider().verbs):
        pair.verb = verb.value
        assert pair.provider().by_hand(verb, pair.asked()).commands, verb
