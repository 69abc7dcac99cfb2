"""Cases of the battery (`docs/safety.md`) that are not of one kind alone, with their figures."""

import asyncio
from pathlib import Path

import pytest

from activities.providers.aws import calls
from activities.providers.aws.ec2 import PROVIDER as EC2
from infra.awssim.faults import Kind, Rule
from tests.awssim.world import EAST, World
from tests.provider.aws.kit import AwsSubject, persist, worker
from tests.provider.aws.levels_kit import Levelled
from tests.provider.aws.route53_kit import simple_front
from tests.provider.aws.test_asg import Fleet
from tests.provider.aws.test_ec2 import Warm
from tests.provider.aws.test_ecs import Tasks
from tests.provider.aws.test_eks import Nodes
from tests.provider.aws.test_lambda import Mapping
from tests.provider.support import NEW
from workflows.model.failure import Code, PermanentError

FASTER, MINUTES, CALLS = 200, 10, 70
"""A pause is 10 s at least once it has grown to its longest: 60 calls in ten minutes, and some before."""


async def test_ten_minutes_of_throttling_are_waited_out_and_nothing_is_skipped(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case 16, played two hundred times faster: in three seconds."""
    for name, seconds in (("THROTTLED_SECONDS", 600.0), ("FIRST_PAUSE", 0.5), ("LONGEST_PAUSE", 20.0)):
        monkeypatch.setattr(calls, name, seconds / FASTER)
    subjects: list[AwsSubject] = [Warm(tmp_path, world), Fleet(tmp_path, world), await simple_front(tmp_path, world)]
    asked = [one.arrived() for one in subjects]
    async with subjects[0].met_by(*(Rule(kind=Kind.THROTTLE, operation=one.operation) for one in subjects)):
        doing = [asyncio.create_task(persist(one.do)) for one in subjects]
        await asyncio.sleep(MINUTES * 60 / FASTER)
        assert not any(one.done() for one in doing)
    done = await asyncio.gather(*doing)
    assert [one.changed for one in done] == [True] * 3
    assert [await one.count() for one in subjects] == [1] * 3
    more = [one.arrived() - before for one, before in zip(subjects, asked, strict=True)]
    print(f"calls in {MINUTES} min of throttling: {more}")
    assert all(1 < count <= CALLS for count in more)


@pytest.mark.parametrize("part", [Fleet, Tasks, Nodes, Mapping])
async def test_what_is_looked_for_in_the_other_region_is_named_and_nothing_is_changed(
    part: type[Levelled], tmp_path: Path, world: World
) -> None:
    """Case 57: the regions of two sites were swapped."""
    subject = part(tmp_path, world)
    swapped = subject.settings() | {"region": EAST}
    subject.settings = lambda: swapped  # type: ignore[method-assign]
    with pytest.raises(PermanentError) as caught:
        await subject.do()
    assert (caught.value.code, world.sim.control.ledger(subject.mark)) == (Code.NOT_FOUND, [])


async def test_instances_of_the_other_region_are_named_and_nothing_is_started(tmp_path: Path, world: World) -> None:
    warm = Warm(tmp_path, world)
    settings = EC2.Settings.model_validate({"sites": {NEW: {"region": EAST, "instances": warm.ids}}})
    with pytest.raises(PermanentError, match="unknown to AWS") as caught:
        await EC2(settings, worker(tmp_path)).start_instances(warm.asked())
    assert (caught.value.code, world.sim.control.ledger(warm.mark)) == (Code.NOT_FOUND, [])
