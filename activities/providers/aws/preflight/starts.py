"""What a recovery would start at a site: how many instances, of which types, and where."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from activities.providers.aws.calls import Aws

if TYPE_CHECKING:
    from activities.providers.aws.component import AwsProvider


@dataclass(frozen=True)
class Start:
    """Instances that are alike. The first of `types` and `subnets` is the first choice, the others fallbacks."""

    count: int
    types: tuple[str, ...]
    subnets: tuple[str, ...]
    spread: bool = False
    """Over all subnets alike, as an Auto Scaling group does; else all in the first one that has room."""
    dry_run: dict[str, Any] | None = None
    """Parameters with which RunInstances can be asked, and nothing is launched."""
    existing: tuple[str, ...] = ()
    """Stopped instances, for StartInstances."""


async def starts(provider: "AwsProvider", site: str) -> list[Start]:
    """By the settings of the site: `group` and `desired`, `launch`, or `instances`."""
    place, aws = provider.site(site).model_dump(mode="json"), provider.aws(site)
    found = [_launch(one) for one in place.get("launch", ())]
    if place.get("instances") and isinstance(place["instances"], list):
        found += await _existing(aws, place["instances"])
    if place.get("group") and place.get("desired"):
        found += await _group(aws, place["group"], place["desired"])
    return found


def _launch(one: dict[str, Any]) -> Start:
    template = {"LaunchTemplateId": one["template"], "Version": str(one["template_version"])}
    asked = {
        "LaunchTemplate": template,
        "InstanceType": one["instance_types"][0],
        "SubnetId": one["subnets"][0],
        "SecurityGroupIds": list(one["security_groups"]),
    }
    if one.get("image"):
        asked["ImageId"] = one["image"]
    return Start(1, tuple(one["instance_types"]), tuple(one["subnets"]), dry_run=asked)


async def _existing(aws: Aws, ids: list[str]) -> list[Start]:
    """Stopped ones have their subnet and its address already; what they want is room in the quota."""
    filters = [{"Name": "instance-id", "Values": ids}, {"Name": "instance-state-name", "Values": ["stopped"]}]
    found = await aws.pages("ec2", "describe_instances", "Reservations", Filters=filters)
    stopped = [one for reservation in found for one in reservation["Instances"]]
    types = Counter(one["InstanceType"] for one in stopped)
    return [
        Start(
            count,
            (kind,),
            (),
            existing=tuple(one["InstanceId"] for one in stopped if one["InstanceType"] == kind),
        )
        for kind, count in sorted(types.items())
    ]


async def _group(aws: Aws, name: str, desired: int) -> list[Start]:
    found = await aws.read("autoscaling", "describe_auto_scaling_groups", AutoScalingGroupNames=[name])
    if not found["AutoScalingGroups"]:
        return []  # The look at the component tells.
    group = found["AutoScalingGroups"][0]
    missing = max(0, desired - len(group.get("Instances", [])))
    subnets = tuple(filter(None, group.get("VPCZoneIdentifier", "").split(",")))
    kind = await _type_of(aws, group)
    return [Start(missing, (kind,) if kind else (), subnets, spread=True)] if missing else []


async def _type_of(aws: Aws, group: dict[str, Any]) -> str:
    """The type in the group's template; empty where the group chooses among several by itself."""
    template = group.get("LaunchTemplate")
    if template:
        found = await aws.read(
            "ec2",
            "describe_launch_template_versions",
            LaunchTemplateId=template["LaunchTemplateId"],
            Versions=[template.get("Version", "$Default")],
        )
        return str(found["LaunchTemplateVersions"][0]["LaunchTemplateData"].get("InstanceType", ""))
    if group.get("LaunchConfigurationName"):
        configurations = await aws.read(
            "autoscaling",
            "describe_launch_configurations",
            LaunchConfigurationNames=[group["LaunchConfigurationName"]],
        )
        return str(configurations["LaunchConfigurations"][0]["InstanceType"])
    return ""
