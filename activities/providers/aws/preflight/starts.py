"""What a recovery would start at a site: how many instances, of which types, and where."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused
from activities.providers.aws.tags import PREFIX, filters, pairs, table
from workflows.model.failure import Code

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
    spot: bool = False
    """Of the capacity that AWS may take back: it has quotas of its own."""
    task_vcpus: float = 0.0
    """Of one task on Fargate."""
    dry_run: dict[str, Any] | None = None
    """Parameters with which RunInstances can be asked, and nothing is launched."""
    existing: tuple[str, ...] = ()
    """Stopped instances, for StartInstances."""


async def starts(provider: "AwsProvider", component: str, site: str) -> list[Start]:
    """By the settings of the site: `group` and `desired`, `launch`, `instances`, `nodegroups` or `services`."""
    place, aws = provider.site(site).model_dump(mode="json"), provider.aws(site)
    found = []
    if place.get("launch"):
        found += await _launches(aws, {f"{PREFIX}component": component, f"{PREFIX}site": site}, place["launch"])
    if place.get("instances") and isinstance(place["instances"], list):
        found += await _existing(aws, place["instances"])
    if place.get("group") and place.get("desired"):
        found += await _group(aws, place["group"], place["desired"])
    for one in place.get("nodegroups", ()):
        found += await _nodegroup(aws, place["cluster"], one["name"], one["desired"])
    if place.get("services"):
        found += await _services(aws, place["cluster"], {one["name"]: one["desired"] for one in place["services"]})
    return found


async def _launches(aws: Aws, marks: dict[str, str], wanted: list[dict[str, Any]]) -> list[Start]:
    """What exists under its name already runs, or is started; only the others are launched."""
    states = {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}
    asked = [*filters(marks, "component", "site"), states]
    found = await aws.pages("ec2", "describe_instances", "Reservations", Filters=asked)
    names = {one["name"] for one in wanted}
    stand = [one for reservation in found for one in reservation["Instances"] if _name(one) in names]
    absent = names - {_name(one) for one in stand}
    return [*(_launch(one, marks) for one in wanted if one["name"] in absent), *_stopped(stand)]


def _name(one: Mapping[str, Any]) -> str:
    """By which a launch knows it again; none for what was given up, and for the clones of drills."""
    tags = table(one.get("Tags"))
    return "" if {f"{PREFIX}abandoned", f"{PREFIX}bubble"} & tags.keys() else tags.get("Name", "")


def _launch(one: dict[str, Any], marks: dict[str, str]) -> Start:
    """With a run's tag, as the real one: without it the role of a failover is refused."""
    labels = pairs({"Name": one["name"], **marks, f"{PREFIX}run": "preflight"})
    template = {"LaunchTemplateId": one["template"], "Version": str(one["template_version"])}
    asked = {
        "LaunchTemplate": template,
        "InstanceType": one["instance_types"][0],
        "SubnetId": one["subnets"][0],
        "SecurityGroupIds": list(one["security_groups"]),
        "TagSpecifications": [{"ResourceType": kind, "Tags": labels} for kind in ("instance", "volume")],
    }
    if one.get("image"):
        asked["ImageId"] = one["image"]
    return Start(1, tuple(one["instance_types"]), tuple(one["subnets"]), dry_run=asked)


async def _existing(aws: Aws, ids: list[str]) -> list[Start]:
    found = await aws.pages(
        "ec2", "describe_instances", "Reservations", Filters=[{"Name": "instance-id", "Values": ids}]
    )
    return _stopped([one for reservation in found for one in reservation["Instances"]])


def _stopped(machines: Iterable[Mapping[str, Any]]) -> list[Start]:
    """They have their subnet and its address already; what they want is room in the quota."""
    by_type: dict[str, list[str]] = defaultdict(list)
    for one in machines:
        if one["State"]["Name"] == "stopped":
            by_type[one["InstanceType"]].append(one["InstanceId"])
    return [Start(len(ids), (kind,), (), existing=tuple(ids)) for kind, ids in sorted(by_type.items())]


async def _group(aws: Aws, name: str, desired: int) -> list[Start]:
    found = await aws.read("autoscaling", "describe_auto_scaling_groups", AutoScalingGroupNames=[name])
    if not found["AutoScalingGroups"]:
        return []  # The look at the component tells.
    group = found["AutoScalingGroups"][0]
    missing = max(0, desired - len(group.get("Instances", [])))
    subnets = tuple(filter(None, group.get("VPCZoneIdentifier", "").split(",")))
    kind = await _type_of(aws, group)
    return [Start(missing, (kind,) if kind else (), subnets, spread=True)] if missing else []


async def _nodegroup(aws: Aws, cluster: str, name: str, desired: int) -> list[Start]:
    try:
        told = await aws.read("eks", "describe_nodegroup", clusterName=cluster, nodegroupName=name)
    except Refused as error:
        if error.code is not Code.NOT_FOUND:
            raise
        return []  # The look at the component tells.
    group = told["nodegroup"]
    missing = max(0, desired - group["scalingConfig"]["desiredSize"])
    types, subnets = tuple(group.get("instanceTypes", ())[:1]), tuple(group.get("subnets", ()))
    return [Start(missing, types, subnets, spread=True, spot=group.get("capacityType") == "SPOT")] if missing else []


async def _services(aws: Aws, cluster: str, wanted: dict[str, int]) -> list[Start]:
    """Of tasks with a network of their own the addresses, of those on Fargate the vCPUs; on what else they run is
    another component's business."""
    names, found = list(wanted), []
    for first in range(0, len(names), 10):  # DescribeServices takes no more at once.
        told = await aws.read("ecs", "describe_services", cluster=cluster, services=names[first : first + 10])
        found += told["services"]
    started = []
    for one in found:
        missing = wanted[one["serviceName"]] - one.get("runningCount", 0)
        subnets = one.get("networkConfiguration", {}).get("awsvpcConfiguration", {}).get("subnets", ())
        if missing > 0 and subnets:
            on = _fargate(one)
            vcpus = await _task_vcpus(aws, one["taskDefinition"]) if on else 0.0
            spot = on == "FARGATE_SPOT"
            started.append(Start(missing, (), tuple(subnets), spread=True, spot=spot, task_vcpus=vcpus))
    return started


def _fargate(service: Mapping[str, Any]) -> str:
    """`FARGATE`, `FARGATE_SPOT`, or nothing for a service on instances. Of a mixture the capacity with most weight."""
    strategy = service.get("capacityProviderStrategy") or [{"capacityProvider": service.get("launchType", "")}]
    first = max(strategy, key=lambda one: (one.get("weight", 0), one.get("base", 0)))["capacityProvider"]
    return str(first) if str(first).startswith("FARGATE") else ""


async def _task_vcpus(aws: Aws, definition: str) -> float:
    found = await aws.read("ecs", "describe_task_definition", taskDefinition=definition)
    return int(found["taskDefinition"].get("cpu") or 0) / 1024


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
