"""Launching what does not exist yet: once for each name, at the first place that has room.

A lost answer is what makes two of one: the next attempt would find the first choice free again, though the second one
was taken. So the place is in the register before the call, and the next attempt begins there, with the same token.
"""

import functools
from collections.abc import Sequence

from activities.providers.aws import tags
from activities.providers.aws.calls import Aws, token
from activities.providers.aws.errors import CapacityShort
from activities.providers.aws.parallel import all_of
from activities.providers.aws.register import Register
from activities.providers.base import Context
from workflows.model.messages import StepRequest

from .fleet import some
from .settings import Candidate, Ec2Site, Launch

NOWHERE = "nowhere"
"""In the register: every place was refused, and no call is on its way."""


class Launcher:
    """Launches instances of a component for one step."""

    def __init__(self, aws: Aws, register: Register, context: Context, request: StepRequest) -> None:
        self._aws, self._register, self._context, self._request = aws, register, context, request
        self._tags = tags.tags(request, request.target.site)

    async def launch(self, missing: Sequence[Launch]) -> dict[str, str]:
        """One instance for each; their identifiers by name.

        Raises:
            CapacityShort: some have no room at any of their places, named; the others are launched.
        """
        if not missing:
            return {}
        tried = await self._register.intended()
        made = await all_of({one.name: functools.partial(self._one, one, tried.get(one.name)) for one in missing})
        short = {name: error for name, error in made.items() if isinstance(error, CapacityShort)}
        if short:
            raise no_room(short, len(missing))
        return {name: found for name, found in made.items() if isinstance(found, str)}

    async def _one(self, one: Launch, tried: str | None) -> str | CapacityShort:
        ways = {str(way): way for way in one.candidates()}
        first = list(ways).index(tried) if tried in ways else 0
        refused: CapacityShort | None = None
        for words in (*list(ways)[first:], *list(ways)[:first]):
            await self._register.intend(one.name, words)
            self._context.heartbeat(f"{one.name}: {words}")
            self._context.still_mine()
            try:
                return await self._run(one, ways[words])
            except CapacityShort as error:
                refused = error
        await self._register.intend(one.name, NOWHERE)
        assert refused is not None, "there is one candidate at least"
        return refused

    async def _run(self, one: Launch, way: Candidate) -> str:
        labels = tags.pairs({"Name": one.name, **self._tags})
        image = {"ImageId": one.image} if one.image else {}
        made = await self._aws.change(
            "ec2",
            "run_instances",
            LaunchTemplate={"LaunchTemplateId": one.template, "Version": str(one.template_version)},
            MinCount=1,
            MaxCount=1,
            InstanceType=way.type,
            SubnetId=way.subnet,
            SecurityGroupIds=list(one.security_groups),
            ClientToken=token(self._request.ref, f"{one.name} {way}"),
            TagSpecifications=[{"ResourceType": kind, "Tags": labels} for kind in ("instance", "volume")],
            **image,
        )
        return str(made["Instances"][0]["InstanceId"])


def for_drill(place: Ec2Site) -> tuple[Launch, ...]:
    """What a drill launches: the same, in the drill's subnet, behind no load balancer."""
    subnet = place.drill_subnet
    return tuple(
        one.model_copy(
            update={"subnets": (subnet,), "security_groups": place.drill_security_groups, "target_groups": ()}
        )
        for one in place.launch
    )


def no_room(short: dict[str, CapacityShort], asked: int) -> CapacityShort:
    """One error for all that there is no room for."""
    first = next(iter(short.values()))
    sentence = f"AWS has no room for {len(short)} of {asked}: {some(sorted(short))} ({first.reason})."
    return CapacityShort(first.reason, sentence, first.next_step)
