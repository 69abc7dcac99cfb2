"""How AWS is called: once, or again only where nothing can have happened; and never for longer than told."""

import time

import pytest

from activities.providers.aws import calls
from activities.providers.aws.calls import Aws, session_name, token
from activities.providers.aws.settings import AwsSettings, AwsSite
from infra.awssim.faults import Kind, Rule
from infra.awssim.handle import Simulator
from tests.awssim.world import EAST, World
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, TemporaryError
from workflows.model.messages import Ref

SETTINGS = AwsSettings.model_validate({"read_timeout": "2s"})


def aws(run: str = "failover/shop/1", role: str | None = None) -> Aws:
    return Aws(AwsSite(region=EAST, role=role), SETTINGS, run)


def asked(sim: Simulator, operation: str) -> int:
    return sum(call.count for call in sim.control.calls() if call.operation == operation)


async def test_a_change_whose_answer_is_lost_is_not_sent_again(sim: Simulator, world: World) -> None:
    before = asked(sim, "CreateVolume")
    sim.control.set_faults([Rule(kind=Kind.CUT, operation="CreateVolume")])
    with pytest.raises(OutcomeUnknownError):
        await aws().change("ec2", "create_volume", AvailabilityZone=f"{EAST}a", Size=1)
    assert asked(sim, "CreateVolume") == before + 1


async def test_a_read_is_tried_three_times_and_a_look_once(sim: Simulator) -> None:
    before = asked(sim, "DescribeVolumes")
    sim.control.set_faults([Rule(kind=Kind.CUT, operation="DescribeVolumes")])
    with pytest.raises(TemporaryError):
        await aws().read("ec2", "describe_volumes")
    assert asked(sim, "DescribeVolumes") == before + 3
    with pytest.raises(TemporaryError):
        await aws(run="").read("ec2", "describe_volumes")
    assert asked(sim, "DescribeVolumes") == before + 4


async def test_what_was_throttled_is_sent_again_within_its_budget(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "THROTTLED_SECONDS", 60.0)
    monkeypatch.setattr(calls, "FIRST_PAUSE", 0.05)
    before = asked(sim, "CreateVolume")
    sim.control.set_faults([Rule(kind=Kind.THROTTLE, operation="CreateVolume", times=4)])
    await aws().change("ec2", "create_volume", AvailabilityZone=f"{EAST}a", Size=1)
    assert asked(sim, "CreateVolume") == before + 5


async def test_a_service_that_hangs_is_given_up_when_told(sim: Simulator) -> None:
    sim.control.set_faults([Rule(kind=Kind.HANG, operation="CreateVolume", seconds=60)])
    began = time.monotonic()
    with pytest.raises(OutcomeUnknownError):
        await aws().change("ec2", "create_volume", AvailabilityZone=f"{EAST}a", Size=1)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("operation", "parameters", "code"),
    [
        ("start_instances", {"InstanceIds": ["i-0123456789abcdef0"]}, Code.NOT_FOUND),
        ("start_instances", {"Instances": ["i-0123456789abcdef0"]}, Code.CONFIGURATION),
        ("describe_volumes", {"VolumeIds": ["i-0123456789abcdef0"]}, Code.NOT_FOUND),
    ],
)
async def test_a_refusal_is_told_by_awss_own_word(
    sim: Simulator, operation: str, parameters: dict[str, list[str]], code: Code
) -> None:
    with pytest.raises(PermanentError) as caught:
        await aws().change("ec2", operation, **parameters)
    assert caught.value.code is code
    assert operation in caught.value.sentence


async def test_a_role_is_assumed_in_its_own_region_under_the_name_of_the_run(sim: Simulator) -> None:
    role = "arn:aws:iam::123456789012:role/seawall-failover"
    assert (await aws(role=role).read("ec2", "describe_volumes"))["Volumes"] is not None
    found = [call for call in sim.control.calls() if call.operation == "AssumeRole"]
    assert {call.region for call in found} == {EAST}


def test_a_token_is_that_of_the_step_and_not_of_the_attempt() -> None:
    ref = Ref(workflow_id="failover/shop/1", application="shop", step="web.start_instances", epoch=3)
    assert token(ref) == token(ref.model_copy(update={"execution": "another"}))
    assert len({token(ref), token(ref, "second"), token(ref.model_copy(update={"epoch": 4}))}) == 3
    assert len(token(ref)) == 64


def test_the_name_of_a_session_is_one_that_sts_takes() -> None:
    assert session_name("failover/shop/2026-11-22T14-05Z") == "seawall-failover-shop-2026-11-22T14-05Z"
    assert len(session_name("x" * 200)) == 64
