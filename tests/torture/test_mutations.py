"""The checker catches engines that are broken on purpose, and passes the one that is not."""

from pathlib import Path

import pytest
from temporalio.client import Client

from tests.torture.mutations import MUTATIONS, Mutation
from tests.torture.named import named
from tests.torture.run import play

pytestmark = pytest.mark.asyncio(loop_scope="session")

QUICK = ("cancel-swallowed", "undo-forwards", "anybody-approves", "stale-epoch-lands")
"""One of each sort; the others are slow, or get stuck, which is what they are there for."""

STUCK = 15.0
"""Seconds after which a broken engine that comes to no end is left as it is, and judged."""


def _marked(mutation: Mutation) -> object:
    return pytest.param(mutation, id=mutation.name, marks=() if mutation.name in QUICK else pytest.mark.slow)


@pytest.mark.parametrize("mutation", [_marked(mutation) for mutation in MUTATIONS])
async def test_a_broken_engine_is_caught_and_the_unbroken_one_passes(
    lane: tuple[Client, Path], mutation: Mutation
) -> None:
    client, folder = lane
    scenario = named(mutation.scenario)
    with mutation.applied():
        broken = await play(client, scenario, folder, STUCK)
    rules = [violation.rule for violation in broken.violations]
    assert broken.record is not None
    assert any(rule.startswith(mutation.rules) for rule in rules), f"not caught; it said: {rules}"
    well = await play(client, scenario, folder)
    assert [str(violation) for violation in well.violations] == []
