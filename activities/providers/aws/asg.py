"""The kind `aws.asg`: an Auto Scaling group at each site, grown when the application comes and shrunk when it goes.

A pilot light is a group of size 0. Nothing is created or deleted by us, and the group replaces what dies.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from activities.providers.by_hand import ByHand
from workflows.model.messages import StepRequest
from workflows.model.verbs import Verb

from .by_hand import IDENTITY, cli
from .calls import Aws
from .ids import GroupName
from .levels import Change, Level, LevelProvider, Sizes
from .settings import AwsSettings, AwsSite


class AsgSite(Sizes, AwsSite):
    """The group of a site, and how large it is when the application runs there and when it does not."""

    group: GroupName
    desired: int = Field(ge=1, le=5000)
    idle: int = Field(default=0, ge=0, le=5000)
    """While it runs at the other site: 0 for a pilot light."""


class AsgSettings(AwsSettings):
    """One group a site."""

    sites: dict[str, AsgSite]


class AsgProvider(LevelProvider):
    """Invariant: the group's sizes are the runbook's or those that stood before; never others."""

    kind: ClassVar[str] = "aws.asg"
    Settings: ClassVar[type[AwsSettings]] = AsgSettings

    def wanted(self, place: AsgSite, runs: bool) -> dict[str, list[int]]:
        return {place.group: place.level(runs)}

    async def look(self, aws: Aws, place: AsgSite) -> dict[str, Level]:
        found = await aws.read("autoscaling", "describe_auto_scaling_groups", AutoScalingGroupNames=[place.group])
        return {one["AutoScalingGroupName"]: await _level(aws, one) for one in found["AutoScalingGroups"]}

    async def set(self, aws: Aws, change: Change) -> None:
        least, size = change.level
        await aws.change(
            "autoscaling",
            "update_auto_scaling_group",
            AutoScalingGroupName=change.part,
            MinSize=least,
            DesiredCapacity=size,
        )

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:
        place: AsgSite = self.site(request.target.site)
        least, size = place.level(verb is Verb.START_INSTANCES)
        group = ("--auto-scaling-group-name", place.group)
        query = ("--query", "AutoScalingGroups[0].Instances[].LifecycleState", "--output", "text")
        look = cli(
            place,
            *("autoscaling", "describe-auto-scaling-groups", "--auto-scaling-group-names", place.group, *query),
            why=f"{size} instances are InService.",
            shows="InService" if size else "",
            otherwise="Look again in a minute; the group's scaling activities tell why one does not come.",
        )
        sizes = ("--min-size", str(least), "--desired-capacity", str(size))
        act = cli(place, "autoscaling", "update-auto-scaling-group", *group, *sizes, why="Set the group's size.")
        return ByHand(look=(look,), act=(act,), after=(look,), notes=(IDENTITY,))


async def _level(aws: Aws, group: Mapping[str, Any]) -> Level:
    size = group["DesiredCapacity"]
    serve = [one["LifecycleState"] for one in group.get("Instances", [])].count("InService")
    words = f"{serve} of {size} instances are in service"
    if serve < size:
        words = f"{words} {await _refused(aws, group['AutoScalingGroupName'])}".strip()
    return Level(stands=[group["MinSize"], size], limit=group["MaxSize"], reached=serve == size, words=words)


async def _refused(aws: Aws, group: str) -> str:
    """Why it does not grow: no capacity, a quota, an image that is not there."""
    found = await aws.read("autoscaling", "describe_scaling_activities", AutoScalingGroupName=group, MaxRecords=1)
    failed = [one for one in found.get("Activities", []) if one.get("StatusCode") == "Failed"]
    return f"({failed[0].get('StatusMessage', 'a launch failed')[:200]})" if failed else ""


PROVIDER = AsgProvider
