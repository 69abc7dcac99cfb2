"""The kind `aws.eks`: managed node groups of one cluster at each site. Pods are not its business.

Nodes are counted in the group's own Auto Scaling group: EKS says `ACTIVE` as soon as a size is taken over, before the
last node runs.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, model_validator

from activities.providers.by_hand import ByHand
from workflows.model.messages import StepRequest
from workflows.model.verbs import Verb

from .by_hand import IDENTITY, cli
from .calls import Aws
from .errors import Refused
from .ids import ClusterName, NodegroupName
from .levels import Change, Level, LevelProvider, Sizes
from .settings import AwsSettings, AwsSite

ENDED = ("DELETING", "CREATE_FAILED", "DELETE_FAILED")


class Nodegroup(Sizes):
    """How many nodes a group has."""

    name: NodegroupName
    desired: int = Field(ge=1, le=450)
    idle: int = Field(default=0, ge=0, le=450)
    """While it runs at the other site: 0 for a pilot light."""


class EksSite(AwsSite):
    """The node groups of a site."""

    cluster: ClusterName
    nodegroups: tuple[Nodegroup, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _once_each(self) -> "EksSite":
        if len({one.name for one in self.nodegroups}) < len(self.nodegroups):
            raise ValueError("a node group stands twice in the list")
        return self


class EksSettings(AwsSettings):
    """Node groups by site."""

    sites: dict[str, EksSite]


class EksProvider(LevelProvider):
    """Invariant: a group's sizes are the runbook's or those that stood before."""

    kind: ClassVar[str] = "aws.eks"
    Settings: ClassVar[type[AwsSettings]] = EksSettings

    def wanted(self, place: EksSite, runs: bool) -> dict[str, list[int]]:
        return {one.name: one.level(runs) for one in place.nodegroups}

    async def look(self, aws: Aws, place: EksSite) -> dict[str, Level]:
        groups = [await self._group(aws, place, one.name) for one in place.nodegroups]
        known = [one for one in groups if one is not None and one["status"] not in ENDED]
        names = [group["name"] for one in known for group in _scaling_groups(one)]
        nodes = await self._nodes(aws, names) if names else {}
        return {one["nodegroupName"]: _level(one, nodes) for one in known}

    async def _group(self, aws: Aws, place: EksSite, name: str) -> dict[str, Any] | None:
        try:
            told = await aws.read("eks", "describe_nodegroup", clusterName=place.cluster, nodegroupName=name)
        except Refused as error:
            if error.reason == "ResourceNotFoundException":
                return None
            raise
        found: dict[str, Any] = told["nodegroup"]
        return found

    async def _nodes(self, aws: Aws, names: list[str]) -> dict[str, int]:
        """Nodes in service by Auto Scaling group, all asked for at once."""
        found = await aws.pages(
            "autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups", AutoScalingGroupNames=names
        )
        return {
            group["AutoScalingGroupName"]: sum(one["LifecycleState"] == "InService" for one in group["Instances"])
            for group in found
        }

    async def set(self, aws: Aws, change: Change) -> None:
        least, desired = change.level
        await aws.change(
            "eks",
            "update_nodegroup_config",
            clusterName=change.place.cluster,
            nodegroupName=change.part,
            scalingConfig={"minSize": least, "desiredSize": desired},
            clientRequestToken=change.token,
        )

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:
        place: EksSite = self.site(request.target.site)
        looks, acts = [], []
        for name, (least, desired) in self.wanted(place, verb is Verb.START_INSTANCES).items():
            group = ("--cluster-name", place.cluster, "--nodegroup-name", name)
            query = ("--query", "nodegroup.[status,scalingConfig.desiredSize]", "--output", "text")
            why = f"{name} is ACTIVE and wants {desired}; `kubectl get nodes` shows as many."
            looks.append(cli(place, "eks", "describe-nodegroup", *group, *query, why=why, shows="ACTIVE"))
            sizes = ("--scaling-config", f"minSize={least},desiredSize={desired}")
            acts.append(cli(place, "eks", "update-nodegroup-config", *group, *sizes, why=f"Set the size of {name}."))
        return ByHand(look=tuple(looks), act=tuple(acts), after=tuple(looks), notes=(IDENTITY,))


def _scaling_groups(one: dict[str, Any]) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = one.get("resources", {}).get("autoScalingGroups", [])
    return groups


def _level(one: dict[str, Any], nodes: Mapping[str, int]) -> Level:
    sizes = one["scalingConfig"]
    desired, run = sizes["desiredSize"], sum(nodes.get(group["name"], 0) for group in _scaling_groups(one))
    issues = ", ".join(issue["code"] for issue in one.get("health", {}).get("issues", []))
    return Level(
        stands=[sizes["minSize"], desired],
        limit=sizes["maxSize"],
        reached=one["status"] == "ACTIVE" and run == desired,
        words=f"{run} of {desired} nodes run, {one['status']}" + (f" ({issues})" if issues else ""),
    )


PROVIDER = EksProvider
