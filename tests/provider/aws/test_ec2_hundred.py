"""A hundred instances that take their time: what a recovery of them costs, in calls and in seconds."""

import time
from pathlib import Path

from infra.awssim.faults import Kind, Rule
from infra.awssim.handle import Simulator
from tests.awssim.world import World
from tests.provider.aws.test_ec2 import Warm

BOOT = 3.0
FIRST_PAUSE = 0.2


async def test_a_hundred_start_in_one_call_and_are_looked_at_by_page(
    tmp_path: Path, world: World, sim: Simulator
) -> None:
    """The calls depend on how long it takes, and not on how many they are. The time is told, and only held loosely: the
    machine of a test may be busy."""
    hundred = Warm(tmp_path, world, size=100)
    sim.control.set_delays({"ec2.instance": BOOT})
    began = time.monotonic()
    result = await hundred.do()
    took = time.monotonic() - began
    calls = result.after["calls"]
    assert len(result.after["ids"]) == 100
    assert (calls["start_instances"], calls["describe_instances"]) == (1, 1)
    assert 1 < calls["describe_instance_status"] <= BOOT / FIRST_PAUSE + 1
    assert set(calls) == {"start_instances", "describe_instances", "describe_instance_status"}
    assert took >= BOOT
    print(f"100 instances, {BOOT:.0f} s to boot: {took:.2f} s, {took / BOOT - 1:+.1%}, {sum(calls.values())} calls")


async def test_throttled_it_waits_as_long_as_aws_asks_and_skips_nothing(
    tmp_path: Path, world: World, sim: Simulator
) -> None:
    few = Warm(tmp_path, world, size=3)
    slow = Rule(kind=Kind.THROTTLE, operation="DescribeInstanceStatus", times=3)
    async with few.met_by(slow):
        result = await few.do()
    assert few.states() == ["running"] * 3
    assert result.after["calls"]["describe_instance_status"] == 2
