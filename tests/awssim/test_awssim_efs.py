"""Replication of EFS behaves as documented where moto has none."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.awssim.contract import faults_of_error, faults_of_reply
from tests.awssim.world import EAST, WEST, World


class Pair:
    """A file system in the east that is replicated to one in the west."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.east, self.west = world.client("efs", EAST), world.client("efs", WEST)
        self.source = self.east.create_file_system(CreationToken=world.name())["FileSystemId"]
        self.target = self.west.create_file_system(CreationToken=world.name())["FileSystemId"]

    def begin(self) -> Any:
        self.west.update_file_system_protection(FileSystemId=self.target, ReplicationOverwriteProtection="DISABLED")
        return self.create()

    def create(self, **more: str) -> Any:
        wanted = [{"Region": WEST, "FileSystemId": self.target, **more}]
        return self.east.create_replication_configuration(SourceFileSystemId=self.source, Destinations=wanted)

    def protection(self) -> str:
        (found,) = self.west.describe_file_systems(FileSystemId=self.target)["FileSystems"]
        return str(found["FileSystemProtection"]["ReplicationOverwriteProtection"])

    def status(self, client: Any, name: str) -> str:
        (found,) = client.describe_replication_configurations(FileSystemId=name)["Replications"]
        return str(found["Destinations"][0]["Status"])


@pytest.fixture
def pair(world: World) -> Pair:
    return Pair(world)


def test_replies_keep_to_their_model(pair: Pair) -> None:
    west = pair.west
    answers = {
        "UpdateFileSystemProtection": west.update_file_system_protection(
            FileSystemId=pair.target, ReplicationOverwriteProtection="DISABLED"
        ),
        "CreateReplicationConfiguration": pair.create(),
        "DescribeReplicationConfigurations": west.describe_replication_configurations(FileSystemId=pair.target),
        "DescribeFileSystems": west.describe_file_systems(FileSystemId=pair.target),
        "DeleteReplicationConfiguration": west.delete_replication_configuration(SourceFileSystemId=pair.source),
        "PutFileSystemPolicy": west.put_file_system_policy(FileSystemId=pair.target, Policy='{"Statement": []}'),
        "DeleteFileSystemPolicy": west.delete_file_system_policy(FileSystemId=pair.target),
    }
    for operation, reply in answers.items():
        assert faults_of_reply(west, operation, reply) == [], operation


def test_a_destination_is_read_only_until_its_replication_is_deleted_in_its_own_region(pair: Pair) -> None:
    assert pair.protection() == "ENABLED"
    pair.begin()
    assert pair.protection() == "REPLICATING"
    assert pair.status(pair.east, pair.source) == pair.status(pair.west, pair.target) == "ENABLED"
    pair.west.delete_replication_configuration(SourceFileSystemId=pair.source)
    assert pair.protection() == "ENABLED"
    for client, name in ((pair.east, pair.source), (pair.west, pair.target)):
        with pytest.raises(ClientError, match="ReplicationNotFound") as caught:
            client.describe_replication_configurations(FileSystemId=name)
        assert faults_of_error(client, "DescribeReplicationConfigurations", caught.value) == []


def test_it_begins_follows_and_ends_in_its_own_time(pair: Pair) -> None:
    control = pair.world.sim.control
    control.set_delays({"efs.replication": 1000})
    (made,) = pair.begin()["Destinations"]
    assert (made["Status"], "LastReplicatedTimestamp" in made) == ("ENABLING", False)
    control.set_delays({"efs.replication": 0})
    assert pair.status(pair.west, pair.target) == "ENABLED"
    control.set_delays({"efs.replication": 1000})
    pair.west.delete_replication_configuration(SourceFileSystemId=pair.source)
    assert (pair.status(pair.west, pair.target), pair.protection()) == ("DELETING", "REPLICATING")
    control.set_delays({"efs.replication": 0})
    assert pair.protection() == "ENABLED"


def test_what_is_deleted_at_one_side_alone_stays_behind_at_the_other(pair: Pair) -> None:
    pair.begin()
    pair.west.delete_replication_configuration(SourceFileSystemId=pair.source, DeletionMode="LOCAL_CONFIGURATION_ONLY")
    assert pair.protection() == "ENABLED"
    assert pair.status(pair.east, pair.source) == "ENABLED"


def test_what_cannot_be_replicated_is_refused_in_the_words_of_the_model(pair: Pair) -> None:
    with pytest.raises(ClientError, match="not disabled") as caught:
        pair.create()
    assert faults_of_error(pair.east, "CreateReplicationConfiguration", caught.value) == []
    with pytest.raises(ClientError, match="FileSystemNotFound") as caught:
        pair.create(FileSystemId="fs-0123456789abcdef0")
    assert faults_of_error(pair.east, "CreateReplicationConfiguration", caught.value) == []
    pair.begin()
    with pytest.raises(ClientError, match="only one replication") as caught:
        pair.create()
    assert faults_of_error(pair.east, "CreateReplicationConfiguration", caught.value) == []
    with pytest.raises(ClientError, match="ReplicationAlreadyExists") as caught:
        pair.west.update_file_system_protection(FileSystemId=pair.target, ReplicationOverwriteProtection="DISABLED")
    assert faults_of_error(pair.west, "UpdateFileSystemProtection", caught.value) == []
    with pytest.raises(ClientError, match="FileSystemNotFound") as caught:
        pair.west.delete_replication_configuration(SourceFileSystemId="fs-0123456789abcdef0")
    assert faults_of_error(pair.west, "DeleteReplicationConfiguration", caught.value) == []


def test_an_encrypted_file_system_is_not_copied_to_one_that_is_not(world: World) -> None:
    pair = Pair(world)
    pair.source = pair.east.create_file_system(CreationToken=world.name(), Encrypted=True)["FileSystemId"]
    with pytest.raises(ClientError, match="ConflictException") as caught:
        pair.begin()
    assert faults_of_error(pair.east, "CreateReplicationConfiguration", caught.value) == []


def test_without_a_policy_the_default_one_is_in_effect(pair: Pair) -> None:
    pair.west.put_file_system_policy(FileSystemId=pair.target, Policy='{"Statement": []}')
    pair.west.delete_file_system_policy(FileSystemId=pair.target)
    with pytest.raises(ClientError, match="PolicyNotFound"):
        pair.west.describe_file_system_policy(FileSystemId=pair.target)
