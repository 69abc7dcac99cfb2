"""The kind `aws.ecs`: services of one cluster at each site, brought to a count of tasks.

A service runs what it should when it counts as many tasks as are desired and one deployment is left, which is also when
AWS's own waiter `services_stable` is content.
"""

from typing import Any, ClassVar

from pydantic import Field, model_validator

from activities.providers.by_hand import ByHand
from workflows.model.base import Strict
from workflows.model.messages import StepRequest
from workflows.model.verbs import Verb

from .by_hand import IDENTITY, cli
from .calls import Aws
from .ids import ClusterName
from .levels import Change, Level, LevelProvider
from .settings import AwsSettings, AwsSite

PAGE = 10
"""`DescribeServices` takes no more at once."""


class Service(Strict):
    """How many tasks a service has."""

    name: ClusterName
    desired: int = Field(ge=1, le=5000)
    idle: int = Field(default=0, ge=0, le=5000)
    """While the application runs at the other site."""

    @model_validator(mode="after")
    def _sizes_fit(self) -> "Service":
        if self.idle > self.desired:
            raise ValueError("`idle` is at most `desired`")
        return self


class EcsSite(AwsSite):
    """The services of a site."""

    cluster: ClusterName
    services: tuple[Service, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _once_each(self) -> "EcsSite":
        if len({one.name for one in self.services}) < len(self.services):
            raise ValueError("a service stands twice in the list")
        return self


class EcsSettings(AwsSettings):
    """Services by site."""

    sites: dict[str, EcsSite]


class EcsProvider(LevelProvider):
    """Invariant: a service's count is the runbook's or the one that stood before."""

    kind: ClassVar[str] = "aws.ecs"
    Settings: ClassVar[type[AwsSettings]] = EcsSettings

    def wanted(self, place: EcsSite, runs: bool) -> dict[str, list[int]]:
        return {one.name: [one.desired if runs else one.idle] for one in place.services}

    async def look(self, aws: Aws, place: EcsSite) -> dict[str, Level]:
        names, found = [one.name for one in place.services], []
        for at in range(0, len(names), PAGE):
            told = await aws.read("ecs", "describe_services", cluster=place.cluster, services=names[at : at + PAGE])
            found += [one for one in told["services"] if one["status"] == "ACTIVE"]
        return {one["serviceName"]: _level(one) for one in found}

    async def set(self, aws: Aws, change: Change) -> None:
        cluster, count = change.place.cluster, change.level[0]
        await aws.change("ecs", "update_service", cluster=cluster, service=change.part, desiredCount=count)

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:
        place: EcsSite = self.site(request.target.site)
        wanted = self.wanted(place, verb is Verb.START_INSTANCES)
        query = ("--query", "services[].[serviceName,runningCount,desiredCount]", "--output", "text")
        look = cli(
            place,
            *("ecs", "describe-services", "--cluster", place.cluster, "--services", *wanted, *query),
            why=f"As many tasks run as are wanted: {', '.join(f'{one} {count[0]}' for one, count in wanted.items())}.",
            otherwise="Look again in a minute; the service's events tell why a task does not start.",
        )
        acts = tuple(
            cli(
                place,
                *("ecs", "update-service", "--cluster", place.cluster, "--service", one),
                *("--desired-count", str(count[0])),
                why=f"Set the count of {one}.",
            )
            for one, count in wanted.items()
        )
        return ByHand(look=(look,), act=acts, after=(look,), notes=(IDENTITY,))


def _level(one: dict[str, Any]) -> Level:
    desired, runs = one["desiredCount"], one["runningCount"]
    deployments = len(one.get("deployments", []))
    words = f"{runs} of {desired} tasks run" + (f", {deployments} deployments" if deployments > 1 else "")
    return Level(stands=[desired], reached=runs == desired and deployments <= 1, words=words)


PROVIDER = EcsProvider
