"""Settings of `aws.ebs`: where each volume of the set hangs at each site.

A volume is named by the instance and the device that it is attached to, never by its id: a restored volume has a new
one, and the runbook must still be right after a failover, when the way home begins.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from activities.providers.aws.ids import ImageId, InstanceId, KeyArn, Zone
from activities.providers.aws.settings import AwsSettings, AwsSite
from workflows.model.base import NAME_PATTERN, Strict

Device = Annotated[
    str,
    Field(
        pattern=r"^(/dev/sd[b-z]|/dev/xvd[b-z][a-z]?)$",
        description="A data volume's device name.",
        examples=["/dev/sdf"],
    ),
]
VolumeName = Annotated[str, Field(pattern=NAME_PATTERN)]


class Place(Strict):
    """Where one volume of the set hangs."""

    instance: InstanceId
    device: Device


class EbsSite(AwsSite):
    """The set at a site."""

    zone: Zone
    """Volumes are restored into this availability zone; the instances are in it."""
    volumes: dict[VolumeName, Place] = Field(min_length=1, max_length=40)
    """By names of their own, the same at each site. Data volumes only: what boots comes from an image."""
    kms_key: KeyArn | None = None
    """Encrypts what is copied or restored to this site; as the source is when left out."""
    images: tuple[ImageId, ...] = Field(default=(), max_length=5)
    """Copied together with the volumes when they are copied away from this site."""
    volume_type: Literal["gp2", "gp3", "st1", "sc1"] = "gp3"
    size_cap: int = Field(ge=1, le=1_000_000)
    """GiB of the whole set: a larger one is not copied, and not restored, without a person."""

    @model_validator(mode="after")
    def _is_of_one_place(self) -> "EbsSite":
        if not self.zone.startswith(self.region):
            raise ValueError(f"the zone {self.zone} is not in {self.region}")
        if self.kms_key and f":kms:{self.region}:" not in self.kms_key:
            raise ValueError(f"`kms_key` must be a key of {self.region}: a key is used in its own region only")
        places = [(place.instance, place.device) for place in self.volumes.values()]
        if len(places) != len(set(places)):
            raise ValueError("two volumes cannot hang at one device of an instance")
        return self

    @property
    def instances(self) -> list[str]:
        """Those that the set hangs at."""
        return sorted({place.instance for place in self.volumes.values()})


class EbsSettings(AwsSettings):
    """One set of volumes that must be consistent with one another."""

    sites: dict[str, EbsSite]
    prune_cap: int = Field(ge=1, le=10_000)
    """The most snapshots and volumes that one clean-up may remove; it stops before the first when there are more."""

    @model_validator(mode="after")
    def _the_same_set_everywhere(self) -> "EbsSettings":
        if len({frozenset(site.volumes) for site in self.sites.values()}) > 1:
            raise ValueError("`volumes` must have the same names at each site: they are copies of each other")
        return self
