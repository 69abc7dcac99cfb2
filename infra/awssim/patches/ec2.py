"""EC2: what is refused because of the state or the place of a thing."""

from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_block_store import EBSBackend
from moto.ec2.models.instances import InstanceBackend

from infra.awssim.patches.registry import Function, patch

STARTABLE = ("pending", "running", "stopped")
STOPPABLE = ("running", "stopped", "stopping")


@patch(InstanceBackend, "start_instances", "ec2", "StartInstances")
def start_instances(original: Function, this: Any, instance_ids: list[str]) -> Any:
    """Only what is stopped (or starts, or runs) can be started, all or none: `IncorrectInstanceState`."""
    _insist(this, instance_ids, STARTABLE, "The instance '{}' is not in a state from which it can be started.")
    return original(this, instance_ids)


@patch(InstanceBackend, "stop_instances", "ec2", "StopInstances")
def stop_instances(original: Function, this: Any, instance_ids: list[str]) -> Any:
    """Only what runs (or stops, or is stopped) can be stopped, all or none: `IncorrectInstanceState`."""
    _insist(this, instance_ids, STOPPABLE, "This instance '{}' is not in a state from which it can be stopped.")
    return original(this, instance_ids)


@patch(EBSBackend, "attach_volume", "ec2", "AttachVolume")
def attach_volume(
    original: Function, this: Any, volume_id: str, instance_id: str, device_path: str, *args: Any, **kwargs: Any
) -> Any:
    """Same zone (`InvalidVolume.ZoneMismatch`), a free volume (`VolumeInUse`), a live instance (`IncorrectState`).

    Moto attaches the volumes of an instance that it is making by the same method; those pass, since they are made in
    the instance's zone and are free.
    """
    volume, instance = this.get_volume(volume_id), this.get_instance(instance_id)
    zone = instance.placement.zone
    if zone and volume.availability_zone and volume.availability_zone != zone:
        text = f"The volume '{volume_id}' is not in the same availability zone as instance '{instance_id}'"
        raise EC2ClientError("InvalidVolume.ZoneMismatch", text)
    if volume.attachment and not volume.multi_attach_enabled:
        raise EC2ClientError("VolumeInUse", f"{volume_id} is already attached to an instance")
    if instance.state in ("shutting-down", "terminated"):
        raise EC2ClientError("IncorrectState", f"Instance '{instance_id}' is not 'running'.")
    return original(this, volume_id, instance_id, device_path, *args, **kwargs)


@patch(EBSBackend, "create_volume", "ec2", "CreateVolume")
def create_volume(original: Function, this: Any, *args: Any, **kwargs: Any) -> Any:
    """A volume comes from a completed snapshot only: `IncorrectState`."""
    snapshot = this.snapshots.get(kwargs.get("snapshot_id"))
    if snapshot is not None and snapshot.status != "completed":
        raise EC2ClientError("IncorrectState", f"Snapshot is in invalid state - {snapshot.status}")
    return original(this, *args, **kwargs)


@patch(InstanceBackend, "run_instances", "ec2", "RunInstances")
def run_instances(original: Function, this: Any, image_id: str, *args: Any, **kwargs: Any) -> Any:
    """The image is available (`InvalidAMIID.Unavailable`), the template exists (`InvalidLaunchTemplateId.NotFound`)."""
    template = (kwargs.get("launch_template") or {}).get("LaunchTemplateId")
    if template and template not in this.launch_templates:
        raise EC2ClientError("InvalidLaunchTemplateId.NotFound", f"LaunchTemplate {template} not found")
    image = this.amis.get(image_id)
    if image is not None and image.state != "available":
        raise EC2ClientError("InvalidAMIID.Unavailable", f"The AMI ID '{image_id}' is currently {image.state}")
    return original(this, image_id, *args, **kwargs)


def _insist(backend: Any, instance_ids: list[str], states: tuple[str, ...], text: str) -> None:
    for instance in backend.get_multi_instances_by_id(instance_ids):
        if instance.state not in states:
            raise EC2ClientError("IncorrectInstanceState", text.format(instance.id))
