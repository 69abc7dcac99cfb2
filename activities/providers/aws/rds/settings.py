"""Where the instances are, and what a new one is made with."""

from typing import Annotated

from pydantic import Field, model_validator

from activities.providers.aws.ids import DatabaseName, DbGroupName, DbInstanceClass, KeyArn, SecurityGroupId
from activities.providers.aws.settings import AwsSettings, AwsSite

Groups = Annotated[tuple[SecurityGroupId, ...], Field(min_length=1, max_length=5)]


class RdsSite(AwsSite):
    """One instance, and all that a replica or a restored copy needs in its place."""

    instance: DatabaseName
    instance_class: DbInstanceClass
    subnet_group: DbGroupName
    security_groups: Groups
    """Through which the application reaches it while it serves."""
    isolation_group: SecurityGroupId
    """A security group without any rule that lets somebody in: the fence."""
    kms_key: KeyArn | None = None
    """Of this region, for copies and replicas that are made here; wanted when the database is encrypted."""
    parameter_group: DbGroupName | None = None
    drill_subnet_group: DbGroupName | None = None
    """Where the clones of a drill live; without it there are none."""
    drill_security_groups: Groups | None = None

    @model_validator(mode="after")
    def _groups_fit(self) -> "RdsSite":
        if self.isolation_group in self.security_groups:
            raise ValueError("`isolation_group` lets nobody in, so it does not belong in `security_groups`")
        if (self.drill_subnet_group is None) != (self.drill_security_groups is None):
            raise ValueError("`drill_subnet_group` and `drill_security_groups` belong together")
        if self.kms_key and self.kms_key.split(":")[3] != self.region:
            raise ValueError(f"`kms_key` is not of the region {self.region}")
        return self


class RdsSettings(AwsSettings):
    """One instance a site, each in a region of its own."""

    sites: dict[str, RdsSite]
    backup_days: Annotated[int, Field(ge=1, le=35)] = 7
    """How long RDS keeps its own backups of a promoted instance; without any, RDS makes no replica of it."""
    automated: bool = False
    """Whether what is brought to the other region is the newest snapshot that RDS took by itself, once a day, in the
    place of one that is taken for it. The backup window then decides how old a copy is."""
    prune_at_most: Annotated[int, Field(ge=1, le=100)] = 20
    """So many snapshots and instances a prune removes at most, the oldest first."""

    @model_validator(mode="after")
    def _regions_differ(self) -> "RdsSettings":
        regions = [site.region for site in self.sites.values()]
        if len(set(regions)) < len(regions):
            raise ValueError("two sites are in one region; its loss would take both")
        return self
