"""One simulator for each module of tests, to which every client of the providers goes."""

from collections.abc import Iterator

import pytest

from activities.providers.aws import calls
from infra.awssim.handle import KEY, Simulator
from tests.awssim.world import World

from .kit import REGIONS


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    """A fresh simulator, with a register in each region."""
    with Simulator() as simulator, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", simulator.url)
        patch.setenv("AWS_ACCESS_KEY_ID", KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", "canary-aws-secret")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setattr(calls, "THROTTLED_SECONDS", 0.0)
        calls.forget_clients()
        for region in REGIONS.values():
            simulator.client("dynamodb", region).create_table(
                TableName="seawall",
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        yield simulator
        calls.forget_clients()


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
