"""Where the clusters are."""

from typing import Annotated

from pydantic import Field, model_validator

from activities.providers.aws.ids import DatabaseName, SecurityGroupId
from activities.providers.aws.settings import AwsSettings, AwsSite

Groups = Annotated[tuple[SecurityGroupId, ...], Field(min_length=1, max_length=5)]


class AuroraSite(AwsSite):
    """One cluster of the global database."""

    cluster: DatabaseName
    security_groups: Groups
    """Through which the application reaches it while it serves."""
    isolation_group: SecurityGroupId
    """A security group without any rule that lets somebody in: the fence."""

    @model_validator(mode="after")
    def _groups_fit(self) -> "AuroraSite":
        if self.isolation_group in self.security_groups:
            raise ValueError("`isolation_group` lets nobody in, so it does not belong in `security_groups`")
        return self


class AuroraSettings(AwsSettings):
    """One cluster a site, all of them of one global database."""

    global_cluster: DatabaseName
    sites: dict[str, AuroraSite]

    @model_validator(mode="after")
    def _regions_differ(self) -> "AuroraSettings":
        regions = [site.region for site in self.sites.values()]
        if len(set(regions)) < len(regions):
            raise ValueError("two sites are in one region; a global database has one cluster in each")
        return self
