"""Cases of the battery (`docs/safety.md`) that ask something of every kind at once, with their figures."""

import asyncio
import inspect
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from activities.providers.aws import calls
from activities.providers.aws.ec2 import PROVIDER as EC2
from infra.aws.policies import actions, reading
from infra.awssim.faults import Kind, Rule
from infra.awssim.ledger import Entry, Outcome
from tests.awssim.world import EAST, World
from tests.provider.aws import test_accelerator as accelerator
from tests.provider.aws import test_arc as arc
from tests.provider.aws import test_aurora as aurora
from tests.provider.aws import test_dynamodb as dynamodb
from tests.provider.aws import test_ebs_restore as ebs
from tests.provider.aws import test_elb as elb
from tests.provider.aws import test_rds as rds
from tests.provider.aws import test_s3 as s3
from tests.provider.aws.ebs_kit import Restore, Snapshot
from tests.provider.aws.kit import AwsSubject, persist, worker
from tests.provider.aws.levels_kit import Levelled
from tests.provider.aws.route53_kit import alias_front, simple_front, weighted_front
from tests.provider.aws.test_asg import Fleet
from tests.provider.aws.test_ec2 import Running, Warm
from tests.provider.aws.test_ec2_launch import Cold, Net
from tests.provider.aws.test_ecs import Tasks
from tests.provider.aws.test_eks import Nodes
from tests.provider.aws.test_lambda import Mapping
from tests.provider.support import NEW
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError

KINDS: dict[str, Callable[[Path, World], Any]] = {
    "ec2 started": Warm,
    "ec2 stopped": Running,
    "ec2 launched": lambda folder, world: Cold(folder, world, Net(world), "web-1", "web-2"),
    "asg": Fleet,
    "ecs": Tasks,
    "eks": Nodes,
    "lambda": Mapping,
    "elb put in": lambda folder, world: elb.Targets(folder, world).plan(),
    "elb taken out": lambda folder, world: elb.Taken(folder, world).plan(),
    "route53": simple_front,
    "route53 weighted": weighted_front,
    "route53 aliases": alias_front,
    "arc": arc.front,
    "accelerator": accelerator.front,
    "rds fenced": rds.Fenced,
    "rds promoted": rds.Promoted,
    "aurora fenced": aurora.Fenced,
    "aurora failed over": aurora.FailedOver,
    "dynamodb promoted": dynamodb.Promote,
    "s3 fenced": s3.Fence,
    "ebs copied": Snapshot,
    "ebs restored": lambda folder, world: Restore(folder, world).ready(),
    "ebs promoted": lambda folder, world: ebs.Promote(folder, world).ready(),
}
ROUNDS, LOST = 2, 0.3
AGAIN = {"RebootDBInstance"}
"""Asked for again on purpose where its answer was lost: a fence is proved by a restart that was answered."""


async def made(kind: str, folder: Path, world: World) -> AwsSubject:
    """A subject of its own."""
    found = KINDS[kind](folder, world)
    subject: AwsSubject = await found if inspect.isawaitable(found) else found
    return subject


async def there_and_back(subject: AwsSubject) -> None:
    """What a failover does with it, and what its undo does."""
    before = await subject.state()
    await persist(subject.do)
    if subject.undoable:
        await persist(subject.undo)
        assert await subject.state() == before


def lines(subject: AwsSubject) -> list[Entry]:
    """What was asked to change since the subject was made."""
    return subject.sim.control.ledger(subject.mark)


def sent_once() -> set[str]:
    """The operations that the code sends once; the others do the same when they come twice."""
    every = reading.all_calls()
    once, repeated = (
        {actions.operation(call) for call in every if call.sender == sender} for sender in ("change", "repeatable")
    )
    return once - repeated - AGAIN


@pytest.mark.parametrize("kind", KINDS)
async def test_there_and_back_with_a_third_of_the_answers_lost_no_effect_is_had_twice(
    kind: str, tmp_path: Path, world: World
) -> None:
    """Case 15: as many effects as without faults, and no step that is said to have failed. The first answer to the very
    effect is lost for sure."""
    once = sent_once()

    def effects(subject: AwsSubject) -> Counter[str]:
        took = (line for line in lines(subject) if line.outcome is Outcome.TOOK_EFFECT)
        return Counter(line.operation for line in took if line.operation in once)

    calm = await made(kind, tmp_path, world)
    await there_and_back(calm)
    for seed in range(ROUNDS):
        lossy = await made(kind, tmp_path, world)
        sure = Rule(kind=Kind.CUT, operation=lossy.operation, times=1)
        async with lossy.met_by(sure, Rule(kind=Kind.CUT, probability=LOST, seed=seed)):
            await there_and_back(lossy)
        lost = sum(not line.answered for line in lines(lossy))
        print(f"{kind}: {len(lines(lossy))} calls to change something, {lost} answers lost")
        assert lost
        assert effects(lossy) == effects(calm)


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"arc", "accelerator"}))
async def test_what_was_asked_for_is_read_back_and_wants_no_token(kind: str, tmp_path: Path, world: World) -> None:
    """Case 18: parked until every service has forgotten the token, a retry still finds what the lost call did. The
    controls of ARC are read back at once, and dials are two calls."""
    subject = await made(kind, tmp_path, world)
    async with subject.held():
        with pytest.raises(OutcomeUnknownError):
            await subject.do(hurry=True)
    asked, effects = subject.arrived(), len(subject.effects())
    assert effects
    await persist(subject.do)
    assert (subject.arrived(), len(subject.effects())) == (asked, effects)


FASTER, MINUTES, CALLS = 200, 10, 70
"""A pause is 10 s at least once it has grown to its longest: 60 calls in ten minutes, and some before."""


async def test_ten_minutes_of_throttling_are_waited_out_and_nothing_is_skipped(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case 16, played two hundred times faster: in three seconds."""
    for name, seconds in (("THROTTLED_SECONDS", 600.0), ("FIRST_PAUSE", 0.5), ("LONGEST_PAUSE", 20.0)):
        monkeypatch.setattr(calls, name, seconds / FASTER)
    subjects = [await made(kind, tmp_path, world) for kind in ("ec2 started", "asg", "route53")]
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
    assert all(5 < count <= CALLS for count in more)


@pytest.mark.parametrize("kind", ["asg", "ecs", "eks", "lambda"])
async def test_what_is_looked_for_in_the_other_region_is_named_and_nothing_is_changed(
    kind: str, tmp_path: Path, world: World
) -> None:
    """Case 57: the regions of two sites were swapped."""
    subject = await made(kind, tmp_path, world)
    assert isinstance(subject, Levelled)
    swapped = subject.settings() | {"region": EAST}
    subject.settings = lambda: swapped  # type: ignore[method-assign]
    with pytest.raises(PermanentError) as caught:
        await subject.do()
    assert (caught.value.code, lines(subject)) == (Code.NOT_FOUND, [])


async def test_instances_of_the_other_region_are_named_and_nothing_is_started(tmp_path: Path, world: World) -> None:
    warm = Warm(tmp_path, world)
    settings = EC2.Settings.model_validate({"sites": {NEW: {"region": EAST, "instances": warm.ids}}})
    with pytest.raises(PermanentError, match="unknown to AWS") as caught:
        await EC2(settings, worker(tmp_path)).start_instances(warm.asked())
    assert (caught.value.code, lines(warm)) == (Code.NOT_FOUND, [])
