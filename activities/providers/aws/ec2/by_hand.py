"""The instances of a site by hand: the same calls, and for a launch the same token, so that two of it make one."""

import json

from activities.providers.aws import tags
from activities.providers.aws.by_hand import IDENTITY, cli
from activities.providers.aws.calls import token
from activities.providers.by_hand import ByHand, Command
from workflows.model.messages import StepRequest
from workflows.model.verbs import Verb

from .settings import Ec2Site, Launch

_STATES = ("--query", "Reservations[].Instances[].[InstanceId,State.Name]", "--output", "text")
_ONE_EACH = "Launch what is not in the list, and nothing that is: there is one instance of a name."


def by_hand(place: Ec2Site, verb: Verb, request: StepRequest) -> ByHand:
    """What to type."""
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
    if place.instances:
        which = ("--instance-ids", *place.instances)
    else:
        names = ("application", "component", "site")
        found = tags.filters(tags.tags(request, request.target.site), *names)
        which = ("--filters", *(f"Name={one['Name']},Values={one['Values'][0]}" for one in found))
    return cli(
        place,
        *("ec2", "describe-instances", *which, *_STATES),
        why=f"{place.size} instances are {shows}.",
        shows=shows,
        otherwise="Look again in a minute; `describe-instance-status` tells what a check complains of.",
    )


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
