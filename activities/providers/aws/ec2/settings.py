"""The settings of the kind `aws.ec2`."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import Field, model_validator

from activities.providers.aws.ids import (
    ImageId,
    InstanceId,
    InstanceType,
    LaunchTemplateId,
    SecurityGroupId,
    SubnetId,
    TargetGroupArn,
)
from activities.providers.aws.settings import AwsSettings, AwsSite
from workflows.model.base import Duration, Strict


@dataclass(frozen=True)
class Candidate:
    """One place where an instance could be launched, and as what."""

    subnet: str
    type: str

    def __str__(self) -> str:
        return f"{self.type} in {self.subnet}"


class Launch(Strict):
    """An instance that does not exist until it is needed."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
    """Its tag `Name`. There is never more than one of a name."""
    template: LaunchTemplateId
    template_version: int = Field(ge=1)
    """A number, and never the latest: what a drill has proved is what a recovery launches."""
    image: ImageId | None = None
    """In place of the template's; an image of this region."""
    subnets: tuple[SubnetId, ...] = Field(min_length=1)
    """The first choice, and where to go when it has no room: each of the types is tried in one before the next."""
    instance_types: tuple[InstanceType, ...] = Field(min_length=1)
    """The first choice, and what will do when it is short."""
    security_groups: tuple[SecurityGroupId, ...] = Field(min_length=1)
    target_groups: tuple[TargetGroupArn, ...] = ()
    """Of load balancers, in which it is registered once it runs."""

    def candidates(self) -> Iterator[Candidate]:
        """In the order in which they are tried."""
        return (Candidate(subnet, kind) for subnet in self.subnets for kind in self.instance_types)


class Ec2Site(AwsSite):
    """The instances of a site: those that exist, or those that can be launched. Never both."""

    instances: tuple[InstanceId, ...] = ()
    launch: tuple[Launch, ...] = ()
    drill_subnet: SubnetId | None = None
    """Where a drill launches its clones: a subnet without a route to anything that is in production."""
    drill_security_groups: tuple[SecurityGroupId, ...] = ()

    @model_validator(mode="after")
    def _one_form(self) -> "Ec2Site":
        if bool(self.instances) == bool(self.launch):
            raise ValueError("give `instances`, which exist, or `launch`, which makes them: one of the two")
        if len({*self.instances, *(one.name for one in self.launch)}) < self.size:
            raise ValueError("an instance or a name stands twice in the list")
        if (self.drill_subnet is None) != (not self.drill_security_groups):
            raise ValueError("`drill_subnet` and `drill_security_groups` go together")
        self._isolated()
        return self

    def _isolated(self) -> None:
        subnets = {subnet for one in self.launch for subnet in one.subnets}
        groups = {group for one in self.launch for group in one.security_groups}
        if self.drill_subnet in subnets or groups.intersection(self.drill_security_groups):
            raise ValueError("a drill's subnet and security groups are its own: `launch` names one of them too")

    @property
    def size(self) -> int:
        """How many instances the runbook lists."""
        return len(self.instances) + len(self.launch)


class Ec2Settings(AwsSettings):
    """Instances by site."""

    sites: dict[str, Ec2Site]
    keep_abandoned: Duration = timedelta(days=1)
    """How long what a run launched and took back again lies stopped, for whoever wants to look at it.
    Then a prune ends it."""
    prune_at_most: Annotated[int, Field(ge=1, le=100)] = 20
    """So many instances a prune ends at a site at most, the longest abandoned first."""
