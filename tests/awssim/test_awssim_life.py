"""The simulator starts when it is told to, serves many at once, and ends for sure."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from infra.awssim.faults import Kind, Rule
from infra.awssim.handle import ROOT, AwssimError, Simulator, SimulatorControl
from infra.awssim.ledger import Outcome
from tests.awssim.world import EAST, WEST, World


def test_it_ends_with_its_block_whatever_hangs() -> None:
    with ThreadPoolExecutor(1) as pool:
        with Simulator() as sim:
            process = psutil.Process(sim.pid)
            sim.control.set_faults([Rule(kind=Kind.HANG, seconds=3600)])
            once = sim.client("ec2", EAST, retries={"total_max_attempts": 1}, read_timeout=3600)
            hanging = pool.submit(once.describe_instances)
            while not sim.control.calls():
                assert process.is_running()
        assert not process.is_running()
        assert isinstance(hanging.exception(), ConnectionClosedError)


def test_it_ends_with_the_program_that_started_it() -> None:
    code = (
        "from infra.awssim.handle import Simulator\nsim = Simulator().__enter__()\nprint(sim.pid, flush=True)\ninput()"
    )
    argv = [sys.executable, "-c", code]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        process = psutil.Process(int(program.stdout.readline()))
        program.send_signal(signal.SIGKILL)
    assert process.wait(60) is None or not process.is_running()


def test_detached_it_stays_until_it_is_ended() -> None:
    argv = [sys.executable, "-m", "infra.awssim", "--detach"]
    said = json.loads(subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    process = psutil.Process(said["pid"])
    control = SimulatorControl(said["url"])
    try:
        assert control.ledger() == []
    finally:
        control.close()
        os.kill(said["pid"], signal.SIGTERM)
    psutil.wait_procs([process], timeout=60)
    assert not process.is_running()


def test_a_port_that_is_taken_is_said(sim: Simulator) -> None:
    with pytest.raises(AwssimError, match="before it was ready"), Simulator(port=int(sim.url.rsplit(":", 1)[1])):
        pass


def test_one_token_from_many_threads_at_once_is_one_effect(world: World) -> None:
    image, mark, ec2 = world.image(), world.mark(), world.client("ec2")

    def run(_: int) -> str:
        ran = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, ClientToken="together")
        return str(ran["Instances"][0]["InstanceId"])

    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(run, range(8)))
    assert len(made) == 1
    outcomes = world.outcomes("RunInstances", mark)
    assert sorted(outcomes) == [Outcome.REPLAYED] * 7 + [Outcome.TOOK_EFFECT]


def test_a_role_of_another_account_acts_there(sim: Simulator, world: World) -> None:
    role = "arn:aws:iam::222222222222:role/failover"
    given = world.client("sts").assume_role(RoleArn=role, RoleSessionName="run")["Credentials"]
    there = boto3.client(
        "ec2", region_name=WEST, endpoint_url=sim.url, aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"], aws_session_token=given["SessionToken"],
    )  # fmt: skip
    mark = world.mark()
    volume = there.create_volume(AvailabilityZone=f"{WEST}a", Size=1)["VolumeId"]
    there.close()
    (line,) = world.lines("CreateVolume", mark)
    assert (line.account, line.region, line.resources) == ("222222222222", WEST, (volume,))
    with pytest.raises(ClientError, match="NotFound"):
        world.client("ec2", WEST).describe_volumes(VolumeIds=[volume])


def test_what_it_does_not_know_is_an_error_that_says_so(world: World) -> None:
    mark = world.mark()
    with pytest.raises(ClientError, match="The simulator failed"):
        world.once("gamelift", EAST).create_alias(Name="x", RoutingStrategy={"Type": "TERMINAL", "Message": "x"})
    assert world.outcomes("CreateAlias", mark) == [Outcome.BROKEN]
