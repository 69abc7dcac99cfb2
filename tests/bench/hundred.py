"""A hundred servers that take their time to boot: what starting them costs beside that time, on the AWS simulator.

    python -m tests.bench.hundred [--boot 60] [--size 100]

Compared are the seconds that the step takes and the boot time that the simulator was told: the critical path.
"""

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path

from activities.providers.aws import calls
from infra.awssim.handle import KEY, Simulator, make_register
from tests.awssim.world import World
from tests.provider.aws.kit import REGIONS
from tests.provider.aws.test_ec2 import Warm
from workflows.model.messages import StepResult


def measure(size: int, boot: float) -> tuple[float, StepResult]:
    """Seconds that the step took, and its result."""
    with Simulator() as simulator, tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "AWS_ENDPOINT_URL": simulator.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": "not-a-secret",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        calls.forget_clients()
        for region in REGIONS.values():
            make_register(simulator.client("dynamodb", region))
        many = Warm(Path(folder), World(simulator), size=size)
        simulator.control.set_delays({"ec2.instance": boot})
        began = time.monotonic()
        result = asyncio.run(many.do())
        return time.monotonic() - began, result


def main() -> None:
    """Measure once, and say it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boot", type=float, default=60.0, help="seconds that an instance takes to run")
    parser.add_argument("--size", type=int, default=100, help="instances")
    given = parser.parse_args()
    took, result = measure(given.size, given.boot)
    counts = ", ".join(f"{name} {count}" for name, count in sorted(result.after["calls"].items()))
    print(f"{given.size} instances, {given.boot:.0f} s to boot: {took:.1f} s, {took / given.boot - 1:+.1%}; {counts}")


if __name__ == "__main__":
    main()
