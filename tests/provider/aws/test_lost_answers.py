"""Of every kind: with a third of all answers lost, each effect is had once, there and back; judged by the ledger."""

import functools
import inspect
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.aws.policies import actions, reading
from infra.awssim.faults import Kind, Rule
from infra.awssim.ledger import Entry, Outcome
from tests.awssim.world import World
from tests.provider.aws import test_accelerator as accelerator
from tests.provider.aws import test_arc as arc
from tests.provider.aws import test_aurora as aurora
from tests.provider.aws import test_ebs_restore as ebs
from tests.provider.aws import test_efs as efs
from tests.provider.aws import test_rds as rds
from tests.provider.aws import test_s3 as s3
from tests.provider.aws.drs_kit import Promote as DrsPromote
from tests.provider.aws.ebs_kit import Restore, Snapshot
from tests.provider.aws.kit import AwsSubject, persist
from tests.provider.aws.route53_kit import alias_front, simple_front
from tests.provider.aws.test_asg import Fleet
from tests.provider.aws.test_ec2 import Running, Warm
from tests.provider.aws.test_ec2_launch import Cold, Net
from tests.provider.aws.test_ecs import Tasks
from tests.provider.aws.test_eks import Nodes
from tests.provider.aws.test_lambda import Mapping
from workflows.model.failure import OutcomeUnknownError

KINDS: dict[str, Callable[[Path, World], Any]] = {
    "ec2 started": Warm,
    "ec2 stopped": Running,
    "ec2 launched": lambda folder, world: Cold(folder, world, Net(world), "web-1", "web-2"),
    "asg": Fleet,
    "ecs": Tasks,
    "eks": Nodes,
    "lambda": Mapping,
    "route53": simple_front,
    "route53 aliases": alias_front,
    "arc": arc.front,
    "accelerator": accelerator.front,
    "rds fenced": rds.Fenced,
    "rds promoted": rds.Promoted,
    "aurora fenced": aurora.Fenced,
    "aurora failed over": aurora.FailedOver,
    "drs promoted": DrsPromote,
    "efs fenced": efs.Fenced,
    "efs promoted": efs.Promoted,
    "s3 fenced": s3.Fence,
    "ebs copied": Snapshot,
    "ebs restored": lambda folder, world: Restore(folder, world).ready(),
    "ebs promoted": lambda folder, world: ebs.Promote(folder, world).ready(),
}
"""What is sent once. Targets that are registered, and a table that is tagged, are the same when they are so twice."""
LOST = 0.3
AGAIN = {"RebootDBInstance"}
"""Asked for again on purpose where its answer was lost: a fence is proved by a restart that was answered."""


async def made(kind: str, folder: Path, world: World) -> AwsSubject:
    """A subject of its own."""
    found = KINDS[kind](folder, world)
    subject: AwsSubject = await found if inspect.isawaitable(found) else found
    return subject


async def there_and_back(subject: AwsSubject, *faults: Rule) -> None:
    """What a failover does with it, and what its undo does."""
    before = await subject.state()
    async with subject.met_by(*faults):
        await persist(subject.do)
        if subject.undoable:
            await persist(subject.undo)
    if subject.undoable:
        assert await subject.state() == before


def lines(subject: AwsSubject) -> list[Entry]:
    """What was asked to change since the subject was made."""
    return subject.sim.control.ledger(subject.mark)


def effects(subject: AwsSubject) -> Counter[str]:
    """How often each operation took effect since the subject was made, of those that must not come twice."""
    once = sent_once()
    took = (line for line in lines(subject) if line.outcome is Outcome.TOOK_EFFECT)
    return Counter(line.operation for line in took if line.operation in once)


@functools.cache
def sent_once() -> frozenset[str]:
    """The operations that the code sends once; the others do the same when they come twice."""
    every = reading.all_calls()
    once, repeated = (
        {actions.operation(call) for call in every if call.sender == sender} for sender in ("change", "repeatable")
    )
    return frozenset(once - repeated - AGAIN)


@pytest.mark.parametrize("kind", KINDS)
async def test_there_and_back_with_a_third_of_the_answers_lost_no_effect_is_had_twice(
    kind: str, tmp_path: Path, world: World
) -> None:
    """Case 15: as many effects as without faults, and no step that is said to have failed. The first answer to the very
    effect is lost for sure."""
    calm = await made(kind, tmp_path, world)
    await there_and_back(calm)
    wanted = effects(calm)
    assert wanted
    lossy = await made(kind, tmp_path, world)
    sure = Rule(kind=Kind.CUT, operation=lossy.operation, times=1)
    await there_and_back(lossy, sure, Rule(kind=Kind.CUT, probability=LOST, seed=15))
    lost = sum(not line.answered for line in lines(lossy))
    print(f"{kind}: of {len(lines(lossy))} calls to change something {lost} lost their answer; effects: {wanted}")
    assert lost
    assert effects(lossy) == wanted


@pytest.mark.parametrize("kind", ["ec2 launched", "ebs copied", "ebs restored", "ebs promoted", "rds promoted"])
async def test_what_was_asked_for_is_read_back_and_wants_no_token(kind: str, tmp_path: Path, world: World) -> None:
    """Case 18: parked until every service has forgotten the token, a retry still finds what the lost call did."""
    subject = await made(kind, tmp_path, world)
    async with subject.held():
        with pytest.raises(OutcomeUnknownError):
            await subject.do(hurry=True)
    asked, effects = subject.arrived(), len(subject.effects())
    assert effects
    await persist(subject.do)
    assert (subject.arrived(), len(subject.effects())) == (asked, effects)
