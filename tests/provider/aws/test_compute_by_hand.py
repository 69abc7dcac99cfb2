"""What a person types in the place of a compute kind of AWS."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from activities.providers.aws.calls import token
from activities.providers.by_hand import ByHand
from activities.providers.registry import Registry
from tests.awssim.world import WEST
from tests.provider.aws.kit import worker
from tests.provider.support import NEW, request
from workflows.model.runbook import Component
from workflows.model.verbs import Verb

LAUNCH = {
    "name": "web-1",
    "template": "lt-0123456789abcdef0",
    "template_version": 3,
    "subnets": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    "instance_types": ["m7i.large"],
    "security_groups": ["sg-0123456789abcdef0"],
}
SITES: dict[str, tuple[str, dict[str, Any]]] = {
    "warm": ("aws.ec2", {"instances": ["i-0123456789abcdef0", "i-0123456789abcdef1"]}),
    "cold": ("aws.ec2", {"launch": [LAUNCH]}),
    "ecs": ("aws.ecs", {"cluster": "shop", "services": [{"name": "web", "desired": 3}]}),
    "eks": ("aws.eks", {"cluster": "shop", "nodegroups": [{"name": "workers", "desired": 3}]}),
    "lambda": ("aws.lambda", {"mappings": ["14e0db71-1234-4f4b-8c2d-0123456789ab"]}),
}
STARTS = {
    "warm": "start-instances --instance-ids i-0123456789abcdef0 i-0123456789abcdef1",
    "cold": "--launch-template LaunchTemplateId=lt-0123456789abcdef0,Version=3",
    "ecs": "--service web --desired-count 3",
    "eks": "--scaling-config minSize=3,desiredSize=3",
    "lambda": "--enabled",
}
STOPS = {
    "warm": "stop-instances --instance-ids i-0123456789abcdef0 i-0123456789abcdef1",
    "cold": "stop-instances --instance-ids INSTANCE",
    "ecs": "--service web --desired-count 0",
    "eks": "--scaling-config minSize=0,desiredSize=0",
    "lambda": "--no-enabled",
}


def page(form: str, verb: Verb, folder: Path) -> ByHand:
    kind, site = SITES[form]
    found = Registry().get(kind)
    provider = found(found.Settings.model_validate({"sites": {NEW: {"region": WEST, **site}}}), worker(folder))
    component = Component.model_validate({"role": "compute", "kind": kind})
    return provider.by_hand(verb, request(NEW, f"web.{verb}", 5, component))


@pytest.mark.parametrize("form", SITES)
@pytest.mark.parametrize(("verb", "said"), [(Verb.START_INSTANCES, STARTS), (Verb.STOP_INSTANCES, STOPS)])
def test_it_looks_acts_and_looks_again(form: str, verb: Verb, said: dict[str, str], tmp_path: Path) -> None:
    found = page(form, verb, tmp_path)
    assert found.look
    assert found.after == found.look
    (act,) = found.act
    assert said[form] in act.line
    for command in found.commands:
        assert shlex.split(command.line)[:3] == ["aws", "--region", WEST]


def test_a_launch_by_hand_has_the_token_of_the_step_so_that_both_make_one(tmp_path: Path) -> None:
    (act,) = page("cold", Verb.START_INSTANCES, tmp_path).act
    words = shlex.split(act.line)
    ref = request(NEW, f"web.{Verb.START_INSTANCES}", 5).ref
    assert words[words.index("--client-token") + 1] == token(ref, "web-1 m7i.large in subnet-0123456789abcdef0")


def test_what_runs_left_behind_is_ended_by_hand_one_by_one(tmp_path: Path) -> None:
    hand = page("cold", Verb.PRUNE, tmp_path)
    assert "Name=tag-key,Values=seawall:abandoned" in hand.look[0].line
    assert [command.line.endswith("terminate-instances --instance-ids INSTANCE") for command in hand.act] == [True]
