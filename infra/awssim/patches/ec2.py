"""EC2: what is refused because of the state or the place of a thing."""

import copy
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
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


@patch(EBSBackend, "create_snapshots", "ec2", "CreateSnapshots")
def create_snapshots(
    original: Function, this: Any, instance_spec: dict[str, Any], description: str, tags: dict[str, str]
) -> Any:
    """What ExcludeDataVolumeIds names is left out; a strange volume is refused: `InvalidParameterValue`."""
    del original
    excluded = set(instance_spec.get("ExcludeDataVolumeIds") or ())
    boot = str(instance_spec.get("ExcludeBootVolume", False)).lower() == "true"
    instance = this.get_instance(instance_spec["InstanceId"])
    mapped = instance.get_block_device_mapping
    data = {device.volume_id for name, device in mapped if name != instance.root_device_name}
    if strange := sorted(excluded - data):
        text = f"The volumes {', '.join(strange)} are no data volumes of the instance '{instance.id}'"
        raise EC2ClientError("InvalidParameterValue", text)
    taken = []
    for name, device in mapped:
        if device.volume_id in excluded or (boot and name == instance.root_device_name):
            continue
        snapshot = this.create_snapshot(device.volume_id, description=description)
        snapshot.add_tags(tags)
        taken.append(snapshot)
    return taken


@patch(EBSBackend, "copy_snapshot", "ec2", "CopySnapshot")
def copy_snapshot(
    original: Function, this: Any, source_snapshot_id: str, source_region: str, *args: Any, **kwargs: Any
) -> Any:
    """A copy is made of a completed snapshot only (`IncorrectState`); the volume id of the copy means nothing."""
    (source,) = ec2_backends[this.account_id][source_region].describe_snapshots(snapshot_ids=[source_snapshot_id])
    if source.status != "completed":
        raise EC2ClientError("IncorrectState", f"Snapshot {source_snapshot_id} is in invalid state - {source.status}")
    made = original(this, source_snapshot_id, source_region, *args, **kwargs)
    made.volume = copy.copy(source.volume)
    made.volume.id = "vol-ffffffff"
    return made


def _insist(backend: Any, instance_ids: list[str], states: tuple[str, ...], text: str) -> None:
    for instance in backend.get_multi_instances_by_id(instance_ids):
        if instance.state not in states:
            raise EC2ClientError("IncorrectInstanceState", text.format(instance.id))
