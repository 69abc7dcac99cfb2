"""One simulator process for each module of tests."""

from collections.abc import Iterator

import pytest

from infra.awssim.handle import Simulator
from tests.awssim.nursery import Nursling
from tests.awssim.world import World


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    """A fresh simulator."""
    with Nursling() as simulator:
        yield simulator


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
