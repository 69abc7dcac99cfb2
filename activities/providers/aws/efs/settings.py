"""Where the file systems are."""

from datetime import timedelta
from typing import Literal

from pydantic import model_validator

from activities.providers.aws.ids import FileSystemId
from activities.providers.aws.settings import AwsSettings, AwsSite
from workflows.model.base import Duration


class EfsSite(AwsSite):
    """One file system, with mount targets of its own."""

    file_system: FileSystemId


class EfsSettings(AwsSettings):
    """One file system a site, each in a region of its own."""

    sites: dict[str, EfsSite]
    policy_takes: Duration = timedelta(minutes=5)
    """How long the fence waits behind its policy: "changes can take several minutes to take effect" ("Creating file
    system policies", EFS user guide), and nothing tells when they have."""
    follows_within: Duration = timedelta(hours=1)
    """How long a copy may take to catch up with a fenced source, and to follow within the runbook's period again."""
    deletion: Literal["both", "local"] = "both"
    """Of an unplanned failover: end the replication in both regions, or in that of the copy alone, for a lost region
    from which EFS cannot end it. What is left there then can never be deleted ("Deleting replication configurations"),
    so that the way home needs another file system."""
    overwrite: bool = False
    """Whether the old file system may be overwritten after an unplanned failover: EFS cannot tell what only it has. Say
    so once you have a recovery point of it, as AWS Backup takes one, or do not need one."""

    @model_validator(mode="after")
    def _regions_differ(self) -> "EfsSettings":
        regions = [site.region for site in self.sites.values()]
        if len(set(regions)) < len(regions):
            raise ValueError("two sites are in one region; each has a file system in a region of its own")
        return self
