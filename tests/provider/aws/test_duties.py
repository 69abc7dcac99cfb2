"""Each duty acts under a role of its own."""

from pathlib import Path
from typing import Any

import pytest

from activities.providers.aws.asg import PROVIDER
from activities.providers.aws.duties import DUTIES, Duty, duty_of
from activities.providers.base import now
from infra.awssim.faults import Kind, Rule
from infra.awssim.handle import Simulator
from tests.awssim.world import WEST
from tests.provider.aws.kit import worker
from tests.provider.support import NEW, request
from workflows.model.failure import Code, TemporaryError
from workflows.model.messages import Bubble
from workflows.model.verbs import Verb

BUBBLE = Bubble(name="drill-1", site=NEW, expires=now())
ROLE = "arn:aws:iam::123456789012:role"


def asked(step: str, bubble: Bubble | None = None, **more: Any) -> Duty:
    found = request(NEW, step, **more)
    return duty_of(found.model_copy(update={"target": found.target.model_copy(update={"bubble": bubble})}))


@pytest.mark.parametrize(
    ("step", "bubble", "duty"),
    [
        ("db.snapshot", None, Duty.REPLICATE),
        ("db.rebuild_replica", None, Duty.REPLICATE),
        ("db.promote", None, Duty.FAILOVER),
        ("db.sync_delta", None, Duty.FAILOVER),
        ("web.stop_at_source", None, Duty.FAILOVER),
        ("db.promote", BUBBLE, Duty.DRILL),
        ("db.clone_data", BUBBLE, Duty.DRILL),
        ("bubble.close_bubble", BUBBLE, Duty.CLEAN_UP),
        ("db.prune", None, Duty.CLEAN_UP),
        ("db.choose_recovery_point", None, Duty.OBSERVE),
    ],
)
def test_a_step_belongs_to_the_duty_of_its_verb(step: str, bubble: Bubble | None, duty: Duty) -> None:
    assert asked(step, bubble) is duty


def test_closing_a_bubble_is_clean_up_also_as_an_undo() -> None:
    assert asked("bubble.open_bubble", BUBBLE) is Duty.DRILL
    assert asked("bubble.open_bubble", BUBBLE, undo=True) is Duty.CLEAN_UP


def test_every_verb_that_changes_something_belongs_to_a_duty() -> None:
    known = frozenset().union(*(verbs for duty, verbs in DUTIES.items() if duty is not Duty.OBSERVE))
    assert {verb.value for verb in Verb if verb.mutates} - known == {Verb.ROUND_TRIP.value}


async def test_a_look_and_a_step_are_made_by_different_roles(sim: Simulator, tmp_path: Path) -> None:
    roles = {duty.value: f"{ROLE}/seawall-{duty.value}" for duty in Duty}
    site = {"region": WEST, "group": "web", "desired": 1, "roles": roles}
    provider = PROVIDER(PROVIDER.Settings.model_validate({"sites": {NEW: site}}), worker(tmp_path))
    for aws, session in (
        (provider.aws(NEW), "seawall-observe/seawall-look"),
        (provider.aws(NEW, request(NEW, "web.start_instances")), "seawall-failover/seawall-failover-shop-1"),
        (provider.aws(NEW, duty=Duty.CLEAN_UP), "seawall-clean-up/seawall-look"),
    ):
        who = await aws.read("sts", "get_caller_identity")
        assert who["Arn"].endswith(f":assumed-role/{session}")


async def test_the_word_that_the_trust_asks_for_is_told(sim: Simulator, tmp_path: Path) -> None:
    site = {"region": WEST, "group": "web", "desired": 1, "role": f"{ROLE}/other", "external_id": "our-own-word"}
    provider = PROVIDER(PROVIDER.Settings.model_validate({"sites": {NEW: site}}), worker(tmp_path))
    sim.control.set_faults([Rule(kind=Kind.THROTTLE, operation="AssumeRole", contains="our-own-word")])
    with pytest.raises(TemporaryError) as caught:
        await provider.aws(NEW).read("sts", "get_caller_identity")
    assert caught.value.code is Code.THROTTLED
