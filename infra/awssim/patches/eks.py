"""EKS: a node group takes its time, and is the size of the Auto Scaling group behind it."""

from typing import Any

from moto.autoscaling.models import autoscaling_backends
from moto.eks.exceptions import EKSError, InvalidParameterException, ResourceInUseException
from moto.eks.models import EKSBackend

from infra.awssim import states
from infra.awssim.patches.registry import Function, patch

WORDS = {"minSize": "MinSize", "maxSize": "MaxSize", "desiredSize": "DesiredSize"}


@patch(EKSBackend, "update_nodegroup_config", "eks", "UpdateNodegroupConfig")
def update_nodegroup_config(original: Function, this: Any, **kwargs: Any) -> Any:
    """One change at a time (`ResourceInUseException`), to a size in between (`InvalidParameterException`).

    The group of instances behind it follows. Moto makes none: a test that wants nodes makes one under the name that the
    node group tells.
    """
    found = this.describe_nodegroup(kwargs["cluster_name"], kwargs["nodegroup_name"])
    asked = kwargs.get("scaling_config") or {}
    sizes = {**found.scaling_config, **asked}
    if found.status != "ACTIVE":
        raise _refused(ResourceInUseException, kwargs, f"Nodegroup cannot be updated: it is {found.status}")
    if not sizes["minSize"] <= sizes["desiredSize"] <= sizes["maxSize"]:
        text = f"desired capacity {sizes['desiredSize']} is not between the minimum and the maximum size"
        raise _refused(InvalidParameterException, kwargs, text)
    answer = original(this, **kwargs)
    states.NODEGROUP.begin(found, "ACTIVE", "ACTIVE")
    scaling = autoscaling_backends[this.account_id][this.region_name]
    for group in found.resources["autoScalingGroups"]:
        if group["name"] in scaling.autoscaling_groups:
            scaling.set_desired_capacity(group["name"], sizes["desiredSize"])
    return answer | {"params": [{"type": WORDS[name], "value": str(size)} for name, size in asked.items()]}


def _refused(error: type[EKSError], asked: dict[str, Any], text: str) -> EKSError:
    place = {"clusterName": asked["cluster_name"], "nodegroupName": asked["nodegroup_name"]}
    return error(**place, fargateProfileName=None, addonName=None, message=text)
