"""The pure parts: what changes something, what a call names, which member is its token; and the page of it all."""

from pathlib import Path

import botocore.session
import pytest

from infra.awssim.coverage import END, START, table
from infra.awssim.digest import answered, asked, digest
from infra.awssim.mutating import changes
from infra.awssim.tokens import token_member

PAGE = Path(__file__).parents[2] / "docs" / "awssim.md"
SESSION = botocore.session.get_session()


@pytest.mark.parametrize(
    ("service", "operation", "verb"),
    [
        ("ec2", "DescribeInstances", "POST"),
        ("ec2", "GetConsoleOutput", "POST"),
        ("dynamodb", "BatchGetItem", "POST"),
        ("dynamodb", "TransactGetItems", "POST"),
        ("route53", "TestDNSAnswer", "GET"),
        ("s3", "HeadObject", "HEAD"),
        ("sts", "AssumeRole", "POST"),
        ("kms", "Decrypt", "POST"),
    ],
)
def test_a_look_changes_nothing(service: str, operation: str, verb: str) -> None:
    assert not changes(service, operation, verb)


@pytest.mark.parametrize(
    ("service", "operation", "verb"),
    [
        ("ec2", "RunInstances", "POST"),
        ("rds", "PromoteReadReplica", "POST"),
        ("s3", "PutObject", "PUT"),
        ("s3", "DeleteObject", "DELETE"),
        ("sqs", "ReceiveMessage", "POST"),
        ("lambda", "Invoke", "POST"),
        ("elasticache", "TestFailover", "POST"),
        ("lambda", "CheckpointDurableExecution", "POST"),
        ("ec2", "InventedTomorrow", "POST"),
    ],
)
def test_an_effect_is_an_effect(service: str, operation: str, verb: str) -> None:
    assert changes(service, operation, verb)


@pytest.mark.parametrize("service", ["autoscaling", "dynamodb", "ec2", "ecs", "elbv2", "rds", "route53", "s3"])
def test_no_operation_that_makes_or_ends_something_is_taken_for_a_look(service: str) -> None:
    model = SESSION.get_service_model(service)
    verbs = ("Attach", "Change", "Copy", "Create", "Delete", "Failover", "Modify", "Promote", "Put", "Restore", "Run")
    verbs += ("Set", "Start", "Stop", "Switchover", "Terminate", "Update")
    # A session of S3 is a set of credentials.
    found = [name for name in model.operation_names if name.startswith(verbs) and name != "CreateSession"]
    assert found
    assert [
        name for name in found if not changes(service, name, model.operation_model(name).http.get("method", "POST"))
    ] == []


@pytest.mark.parametrize(
    ("service", "operation", "member"),
    [
        ("ec2", "RunInstances", "ClientToken"),
        ("ec2", "CopyImage", "ClientToken"),
        ("route53", "CreateHostedZone", "CallerReference"),
        ("cloudformation", "UpdateStack", "ClientRequestToken"),
        ("dynamodb", "TransactWriteItems", "ClientRequestToken"),
        ("eks", "CreateCluster", "clientRequestToken"),
        ("ecs", "CreateService", "clientToken"),
        ("secretsmanager", "PutSecretValue", None),
        ("efs", "CreateFileSystem", None),
        ("ec2", "CreateSnapshot", None),
        ("rds", "CreateDBInstance", None),
    ],
)
def test_the_token_of_an_operation(service: str, operation: str, member: str | None) -> None:
    assert token_member(service, SESSION.get_service_model(service).operation_model(operation)) == member


def test_a_digest_knows_the_values_and_not_their_order() -> None:
    assert digest({"a": 1, "b": [b"x"]}) == digest({"b": [b"x"], "a": 1})
    assert digest({"a": 1}) != digest({"a": "1"}) != digest({"a": [1]})


@pytest.mark.parametrize(
    ("operation", "reply", "found"),
    [
        ("RunInstances", {"Instances": [{"InstanceId": "i-1", "ImageId": "ami-1", "SubnetId": "s-1"}]}, ("i-1",)),
        ("StopInstances", {"StoppingInstances": [{"InstanceId": "i-1"}]}, ("i-1",)),
        ("CopySnapshot", {"SnapshotId": "snap-1"}, ("snap-1",)),
        (
            "CreateDBSnapshot",
            {"DBSnapshot": {"DBSnapshotIdentifier": "s", "DBInstanceIdentifier": "d", "DBSnapshotArn": "arn"}},
            ("s", "arn"),
        ),
        ("CreateHostedZone", {"HostedZone": {"Id": "/hostedzone/Z1"}, "ChangeInfo": {"Id": "/c"}}, ("/hostedzone/Z1",)),
        ("PromoteReadReplica", {"DBInstance": {"DBInstanceIdentifier": "d"}}, ()),
    ],
)
def test_an_answer_names_what_the_operation_is_about(operation: str, reply: dict, found: tuple[str, ...]) -> None:
    assert answered(operation, reply) == found


def test_a_request_names_what_it_touches() -> None:
    request = {
        "InstanceIds": ["i-1", "i-2"],
        "Resources": ["vol-1"],
        "Force": True,
        "Description": "words",
        "Bucket": "b",
    }
    assert asked(request) == ("i-1", "i-2", "vol-1", "b")


def test_the_page_has_the_table_of_what_is_patched() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.split(START)[1].split(END)[0].strip() == table().strip(), "python -m infra.awssim.coverage"
