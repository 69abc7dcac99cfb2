"""The instances of a site by hand: the same calls, and for a launch the same token, so that two of it make one."""

import json

from activities.providers.aws import tags
from activities.providers.aws.by_hand import IDENTITY, cli
from activities.providers.aws.calls import token
from activities.providers.by_hand import ByHand, Command
from workflows.model.messages import StepRequest
from workflows.model.verbs import Verb

from .look import ABANDONED
from .settings import Ec2Site, Launch

_STATES = ("--query", "Reservations[].Instances[].[InstanceId,State.Name]", "--output", "text")
_ONE_EACH = "Launch what is not in the list, and nothing that is: there is one instance of a name."


def by_hand(place: Ec2Site, verb: Verb, request: StepRequest) -> ByHand:
    """What to type."""
    if verb is Verb.PRUNE:
        return _prune(place, request)
    starts = verb is Verb.START_INSTANCES
    look = _look(place, request, "running" if starts else "stopped")
    if place.instances:
        act = cli(
            place,
            *("ec2", "start-instances" if starts else "stop-instances", "--instance-ids", *place.instances),
            why=f"{'Start' if starts else 'Stop'} all {place.size}. What is so already stays so.",
        )
        return ByHand(look=(look,), act=(act,), after=(look,), notes=(IDENTITY,))
    if starts:
        acts = tuple(_launch(place, one, request) for one in place.launch)
        return ByHand(look=(look,), act=acts, after=(look,), notes=(IDENTITY, _ONE_EACH))
    stop = cli(place, "ec2", "stop-instances", "--instance-ids", "INSTANCE", why="Stop each that the look has shown.")
    return ByHand(look=(look,), act=(stop,), after=(look,), notes=(IDENTITY,))


def _look(place: Ec2Site, request: StepRequest, shows: str) -> Command:
    which = ("--instance-ids", *place.instances) if place.instances else _tagged(request)
    return cli(
        place,
        *("ec2", "describe-instances", *which, *_STATES),
        why=f"{place.size} instances are {shows}.",
        shows=shows,
        otherwise="Look again in a minute; `describe-instance-status` tells what a check complains of.",
    )


def _tagged(request: StepRequest) -> tuple[str, ...]:
    found = tags.filters(tags.tags(request, request.target.site), "application", "component", "site")
    return ("--filters", *(f"Name={one['Name']},Values={one['Values'][0]}" for one in found))


def _prune(place: Ec2Site, request: StepRequest) -> ByHand:
    look = cli(
        place,
        *("ec2", "describe-instances", *_tagged(request), f"Name=tag-key,Values={ABANDONED}", *_STATES),
        why="What runs have launched and taken back again.",
    )
    end = cli(
        place, "ec2", "terminate-instances", "--instance-ids", "INSTANCE", why="End each that is stopped, and no other."
    )
    return ByHand(look=(look,), act=(end,), after=(look,), notes=(IDENTITY,))


def _launch(place: Ec2Site, one: Launch, request: StepRequest) -> Command:
    way = next(one.candidates())
    labels = tags.pairs({"Name": one.name, **tags.tags(request, request.target.site)})
    image = ("--image-id", one.image) if one.image else ()
    return cli(
        place,
        *("ec2", "run-instances", "--count", "1", *image),
        *("--launch-template", f"LaunchTemplateId={one.template},Version={one.template_version}"),
        *("--instance-type", way.type, "--subnet-id", way.subnet, "--security-group-ids", *one.security_groups),
        *("--client-token", token(request.ref, f"{one.name} {way}")),
        *("--tag-specifications", *(json.dumps({"ResourceType": kind, "Tags": labels}) for kind in _TAGGED)),
        why=f"Launch {one.name}. Where there is no room, name another type or subnet of the runbook.",
    )


_TAGGED = ("instance", "volume")
