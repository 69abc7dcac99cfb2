"""One simulator for each module of tests, to which every client of the providers goes.

What it counted is compared with the IAM policies: a provider called nothing that no policy allows.
"""

import functools
import json
from collections.abc import Iterator

import pytest

from activities.providers.aws import calls
from infra.aws.policies import actions, files
from infra.awssim.handle import KEY, Simulator, make_register
from infra.awssim.ledger import CallCount
from tests.awssim.nursery import Nursling
from tests.awssim.world import World
from tests.support.iam import names

from .kit import REGIONS


@functools.cache
def granted() -> frozenset[str]:
    """The actions that some policy allows. By the files: that they are those of the code is tested elsewhere, and to
    read the code takes seconds."""
    found = (json.loads(path.read_text(encoding="utf-8")) for path in files.HERE.glob("*.json"))
    return frozenset(action for policy in found for action in names(policy))


def unallowed(counts: list[CallCount]) -> set[str]:
    """The actions that the providers asked for and that no policy allows."""
    asked = {(one.service, one.operation) for one in counts if one.agent == "seawall"}
    return {action for call in asked for action in actions.actions_of(*call)} - granted()


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    """A fresh simulator, with a register in each region."""
    with Nursling() as simulator, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", simulator.url)
        patch.setenv("AWS_ACCESS_KEY_ID", KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", "canary-aws-secret")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setattr(calls, "THROTTLED_SECONDS", 0.0)
        # A busy machine answers late: what a look makes of silence has tests of its own.
        patch.setattr(calls, "LOOK_LIMITS", (5.0, 10.0))
        calls.forget_clients()
        for region in REGIONS.values():
            make_register(simulator.client("dynamodb", region))
        yield simulator
        calls.forget_clients()
        assert unallowed(simulator.control.calls()) == set(), "python -m infra.aws.policies makes policies of the code"


@pytest.fixture(scope="module")
def world(sim: Simulator) -> World:
    """Ways to make things in it."""
    return World(sim)


@pytest.fixture(autouse=True)
def nothing_injected(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test leaves neither faults nor delays behind."""
    yield
    if "sim" in request.fixturenames:
        control = request.getfixturevalue("sim").control
        control.clear_faults()
        control.set_delays(dict.fromkeys(control.delays(), 0))
