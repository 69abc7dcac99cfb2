"""Settings of `aws.drs`: which servers these are.

At the recovery site a server is named by its source server, which stays the same when it has to protect another
machine. At home it is named by the instance on which it first ran. What DRS launches later, and the source servers of
the way home, are found by these, so that the runbook is right after a failover too.
"""

from datetime import timedelta
from typing import Annotated

from pydantic import Field, model_validator

from activities.providers.aws.ids import InstanceId, SourceServerId, SubnetId
from activities.providers.aws.settings import AwsSettings, AwsSite
from workflows.model.base import NAME_PATTERN, Duration

ServerName = Annotated[str, Field(pattern=NAME_PATTERN)]
MOST = 100
"""Servers that one launch may hold ("Configuring launch settings", DRS user guide)."""


class DrsSite(AwsSite):
    """The servers at a site: either `servers` or `instances`."""

    servers: dict[ServerName, SourceServerId] = Field(default={}, max_length=MOST)
    """At the recovery site: the source servers, by names of their own, the same at both sites."""
    instances: dict[ServerName, InstanceId] = Field(default={}, max_length=MOST)
    """At home: the instances on which the agents were installed."""
    drill_subnets: tuple[SubnetId, ...] = Field(default=(), max_length=32)
    """Subnets of the bubble. A drill launches nothing elsewhere; without any it launches nothing."""

    @model_validator(mode="after")
    def _is_one_of_both(self) -> "DrsSite":
        if bool(self.servers) == bool(self.instances):
            raise ValueError("expected `servers` at the recovery site, and `instances` at home: exactly one of them")
        found = [*self.servers.values(), *self.instances.values()]
        if len(found) != len(set(found)):
            raise ValueError("two names cannot mean one server")
        return self


class DrsSettings(AwsSettings):
    """Servers that are launched together."""

    sites: dict[str, DrsSite] = Field(min_length=2, max_length=2)
    settle: Duration = timedelta(minutes=45)
    """A launch converts disks and boots: it takes tens of minutes, however few the servers are."""
    prune_cap: int = Field(ge=1, le=MOST)
    """The most instances that one clean-up may terminate; it stops before the first when there are more."""

    @model_validator(mode="after")
    def _the_same_servers_everywhere(self) -> "DrsSettings":
        sites = list(self.sites.values())
        if len({frozenset(site.servers or site.instances) for site in sites}) > 1:
            raise ValueError("`servers` and `instances` must have the same names")
        if sum(bool(site.servers) for site in sites) != 1:
            raise ValueError("one of the two sites is home, and has `instances`")
        if len({site.region for site in sites}) < len(sites):
            raise ValueError("two sites are in one region; servers are recovered in another one")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Of the servers."""
        (recovery,) = [site for site in self.sites.values() if site.servers]
        return tuple(sorted(recovery.servers))

    @property
    def forward(self) -> dict[str, str]:
        """The names of the servers by their source servers at the recovery site."""
        return {server: name for site in self.sites.values() for name, server in site.servers.items()}
