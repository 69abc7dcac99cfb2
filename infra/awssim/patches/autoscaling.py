"""EC2 Auto Scaling: the desired capacity stays between the group's sizes."""

import threading
from typing import Any

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import AutoScalingBackend
from moto.autoscaling.responses import AutoScalingResponse

from infra.awssim.patches.registry import Function, patch

LAUNCH_LOOK_SECONDS = 0.1


@patch(AutoScalingResponse, "set_desired_capacity", "autoscaling", "SetDesiredCapacity")
def set_desired_capacity(original: Function, this: Any) -> Any:
    """A capacity outside of the group's sizes, or an unknown group, is refused: `ValidationError`.

    At the level of the request, since a scaling policy, which uses the same method of the model, is held to the sizes
    without being refused.
    """
    name, wanted = this._get_param("AutoScalingGroupName"), this._get_int_param("DesiredCapacity")
    group = _group(this.autoscaling_backend, name)
    if wanted > group.max_size:
        raise ValidationError(
            f"New SetDesiredCapacity value {wanted} is above max value {group.max_size} for the AutoScalingGroup."
        )
    if wanted < group.min_size:
        raise ValidationError(
            f"New SetDesiredCapacity value {wanted} is below min value {group.min_size} for the AutoScalingGroup."
        )
    return original(this)


@patch(AutoScalingBackend, "create_auto_scaling_group", "autoscaling", "CreateAutoScalingGroup")
def create_auto_scaling_group(original: Function, this: Any, *args: Any, **kwargs: Any) -> Any:
    """A group is created with a desired capacity between its sizes: `ValidationError`."""
    _check(kwargs.get("desired_capacity"), kwargs.get("min_size"), kwargs.get("max_size"))
    return original(this, *args, **kwargs)


@patch(AutoScalingBackend, "update_auto_scaling_group", "autoscaling", "UpdateAutoScalingGroup")
def update_auto_scaling_group(original: Function, this: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    """A desired capacity is between the sizes that the update leaves: `ValidationError`."""
    group = _group(this, name)
    least, most = kwargs.get("min_size"), kwargs.get("max_size")
    _check(
        kwargs.get("desired_capacity"),
        group.min_size if least is None else least,
        group.max_size if most is None else most,
    )
    return original(this, name, *args, **kwargs)


@patch(
    AutoScalingBackend,
    "update_attached_target_groups",
    "autoscaling",
    "CreateAutoScalingGroup",
    "UpdateAutoScalingGroup",
)
def update_attached_target_groups(original: Function, this: Any, group_name: str) -> None:
    """A group registers its instances with its target groups once they run.

    Moto does it while they are launched, which the target group refuses when that takes time.
    """
    group = this.autoscaling_groups.get(group_name)
    if group is None or all(one.instance.state == "running" for one in group.instance_states):
        if group is not None:
            original(this, group_name)
        return
    later = threading.Timer(LAUNCH_LOOK_SECONDS, this.update_attached_target_groups, [group_name])
    later.daemon = True
    later.start()


def _group(backend: Any, name: str) -> Any:
    if name not in backend.autoscaling_groups:
        raise ValidationError(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
    return backend.autoscaling_groups[name]


def _check(desired: Any, least: Any, most: Any) -> None:
    if desired is None or least is None or most is None:
        return
    if not int(least) <= int(desired) <= int(most):
        raise ValidationError(
            f"Desired capacity:{desired} must be between the specified min size:{least} and max size:{most}"
        )
