"""The fake of Elastic Disaster Recovery: its answers and refusals keep to botocore's service model."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.awssim.drs.service import AGENT
from infra.awssim.ledger import Outcome
from tests.awssim.contract import faults_of_error, faults_of_reply
from tests.awssim.world import EAST, WEST, World

NOBODY, NOTHING = "s-00000000000000000", "i-00000000"


class Protected:
    """A machine in the east whose agent replicates it to the west; all that is asked is held against the model."""

    def __init__(self, world: World) -> None:
        self.world, self.machine = world, world.instance()
        for region in (EAST, WEST):
            self.ask("InitializeService", region)
        world.client("ec2").create_tags(Resources=[self.machine], Tags=[{"Key": AGENT, "Value": WEST}])
        listed = self.ask("DescribeSourceServers", filters={})["items"]
        (self.server,) = [one["sourceServerID"] for one in listed if self.protects(one) == self.machine]

    @staticmethod
    def protects(server: dict[str, Any]) -> str:
        return str(server["sourceProperties"]["identificationHints"]["awsInstanceID"])

    def ask(self, operation: str, region: str = WEST, **given: Any) -> dict[str, Any]:
        client = self.world.client("drs", region)
        names = {wire: method for method, wire in client.meta.method_to_api_mapping.items()}
        reply: dict[str, Any] = getattr(client, names[operation])(**given)
        assert faults_of_reply(client, operation, reply) == []
        return reply

    def launch(self, **more: Any) -> dict[str, Any]:
        """A launch, once its job is over."""
        wanted = {"sourceServerID": self.server, **more.pop("one", {})}
        job = self.ask("StartRecovery", sourceServers=[wanted], **more)["job"]
        (found,) = self.ask("DescribeJobs", filters={"jobIDs": [job["jobID"]]})["items"]
        return dict(found)

    def instances(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("DescribeRecoveryInstances", filters={"sourceServerIDs": [self.server]})[
            "items"
        ]
        return found


def test_a_launch_is_a_job_that_makes_an_instance_and_ends_the_one_before(world: World) -> None:
    subject, mark = Protected(world), world.mark()
    world.sim.control.set_delays({"drs.job": 1000})
    assert subject.launch(tags={"seawall:run": "r"})["status"] == "STARTED"
    with pytest.raises(ClientError, match="ConflictException"):
        subject.launch()
    assert subject.instances() == []
    world.sim.control.set_delays({"drs.job": 0})
    (first,) = subject.instances()
    done = subject.launch(isDrill=True)
    assert (done["status"], done["initiatedBy"]) == ("COMPLETED", "START_DRILL")
    (second,) = subject.instances()
    assert [one["isDrill"] for one in (first, second)] == [False, True]
    ended, stands = (world.look("ec2", one["ec2InstanceID"], WEST)["State"]["Name"] for one in (first, second))
    assert (ended, stands) == ("terminated", "running")
    outcomes = world.outcomes("StartRecovery", mark)
    assert outcomes == [Outcome.TOOK_EFFECT, Outcome.REFUSED, Outcome.TOOK_EFFECT]
    subject.ask("TerminateRecoveryInstances", recoveryInstanceIDs=[second["recoveryInstanceID"]])
    assert subject.instances() == []
    assert world.look("ec2", second["ec2InstanceID"], WEST)["State"]["Name"] == "terminated"


def test_replication_takes_its_time_and_stalls_without_its_source(world: World) -> None:
    world.sim.control.set_delays({"drs.sync": 1000})
    subject = Protected(world)

    def state() -> str:
        (found,) = subject.ask("DescribeSourceServers", filters={"sourceServerIDs": [subject.server]})["items"]
        return str(found["dataReplicationInfo"]["dataReplicationState"])

    assert state() == "INITIAL_SYNC"
    with pytest.raises(ClientError, match="ConflictException"):
        subject.launch()
    world.sim.control.set_delays({"drs.sync": 0})
    assert state() == "CONTINUOUS"
    world.client("ec2").stop_instances(InstanceIds=[subject.machine])
    assert state() == "STALLED"
    snapshots = subject.ask("DescribeRecoverySnapshots", sourceServerID=subject.server)["items"]
    assert subject.launch(one={"recoverySnapshotID": snapshots[0]["snapshotID"]})["status"] == "COMPLETED"


def test_what_was_launched_is_replicated_back_once_and_is_then_not_terminated(world: World) -> None:
    subject = Protected(world)
    subject.launch()
    (out,) = subject.instances()
    named = {"recoveryInstanceID": out["recoveryInstanceID"]}
    arn = subject.ask("ReverseReplication", **named)["reversedDirectionSourceServerArn"]
    listed = subject.ask("DescribeSourceServers", EAST, filters={})["items"]
    (back,) = [one for one in listed if one["arn"] == arn]
    assert (subject.protects(back), back["replicationDirection"]) == (out["ec2InstanceID"], "FAILBACK")
    assert back["reversedDirectionSourceServerArn"].endswith(subject.server)
    for ask in (
        lambda: subject.ask("ReverseReplication", **named),
        lambda: subject.ask("TerminateRecoveryInstances", recoveryInstanceIDs=[out["recoveryInstanceID"]]),
    ):
        with pytest.raises(ClientError, match="ConflictException"):
            ask()


def test_its_refusals_keep_to_the_model(world: World) -> None:
    subject = Protected(world)
    refused: dict[str, Callable[[], Any]] = {
        "StartRecovery": lambda: subject.ask("StartRecovery", sourceServers=[{"sourceServerID": NOBODY}]),
        "DescribeRecoverySnapshots": lambda: subject.ask("DescribeRecoverySnapshots", sourceServerID=NOBODY),
        "GetLaunchConfiguration": lambda: subject.ask("GetLaunchConfiguration", sourceServerID=NOBODY),
        "ReverseReplication": lambda: subject.ask("ReverseReplication", recoveryInstanceID=NOTHING),
        "TagResource": lambda: subject.ask("TagResource", resourceArn=f"arn:aws:drs:x/{NOTHING}", tags={"a": "b"}),
        "TerminateRecoveryInstances": lambda: subject.ask("TerminateRecoveryInstances", recoveryInstanceIDs=[NOTHING]),
    }
    for operation, ask in refused.items():
        with pytest.raises(ClientError) as caught:
            ask()
        assert faults_of_error(world.client("drs", WEST), operation, caught.value) == []
    assert subject.ask("GetLaunchConfiguration", sourceServerID=subject.server)["ec2LaunchTemplateID"]
    with pytest.raises(ClientError, match="UninitializedAccountException") as caught:
        subject.ask("DescribeJobs", "eu-west-1")
    assert faults_of_error(world.client("drs", "eu-west-1"), "DescribeJobs", caught.value) == []
    with pytest.raises(ClientError, match="NotImplemented"):
        world.once("drs", WEST).stop_replication(sourceServerID=subject.server)
