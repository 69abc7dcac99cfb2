"""The kind `aws.asg`: an Auto Scaling group at each site, grown when the application comes and shrunk when it goes.

A pilot light is a group of size 0. What ran before is noted by the first attempt, so that an undo gives back that
size and no other. Growing is `UpdateAutoScalingGroup`, which sets sizes and can be repeated; nothing is created or
deleted by us, and the group replaces what dies.
"""

from typing import Any, ClassVar

from pydantic import Field, model_validator

from activities.providers.base import now
from activities.providers.by_hand import ByHand
from workflows.model.base import Strict
from workflows.model.failure import Code, PermanentError, SeawallError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import Role
from workflows.model.verbs import Verb

from .by_hand import IDENTITY, cli
from .calls import Aws
from .component import AwsProvider
from .settings import AwsSettings, AwsSite
from .waiting import until


class AsgSite(AwsSite):
    """The group of a site, and how large it is when the application runs there and when it does not."""

    group: str = Field(pattern=r"^[^\s:/]{1,255}$")
    desired: int = Field(ge=1, le=5000)
    minimum: int | None = Field(default=None, ge=0)
    """While it runs here; `desired` when left out."""
    idle: int = Field(default=0, ge=0, le=5000)
    """While it runs at the other site: 0 for a pilot light."""

    @model_validator(mode="after")
    def _sizes_fit(self) -> "AsgSite":
        if (self.minimum or 0) > self.desired or self.idle > self.desired:
            raise ValueError("`minimum` and `idle` are at most `desired`")
        return self

    @property
    def running(self) -> tuple[int, int]:
        """Minimum and desired size while the application runs here."""
        return (self.desired if self.minimum is None else self.minimum), self.desired

    @property
    def at_rest(self) -> tuple[int, int]:
        """Minimum and desired size while it runs elsewhere."""
        return min(self.idle, self.running[0]), self.idle


class AsgSettings(AwsSettings):
    """One group a site."""

    sites: dict[str, AsgSite]


class Sizes(Strict):
    """What stands."""

    minimum: int
    desired: int
    maximum: int
    in_service: int
    refused: str = ""
    """Why the newest launch failed, in AWS's words, if it did."""

    def facts(self) -> dict[str, Any]:
        """As JSON values."""
        return self.model_dump()


class AsgProvider(AwsProvider):
    """Invariant: the group's sizes are the runbook's or those that stood before; never others."""

    kind: ClassVar[str] = "aws.asg"
    role: ClassVar[Role | None] = Role.COMPUTE
    verbs: ClassVar[frozenset[Verb]] = frozenset({Verb.OBSERVE, Verb.START_INSTANCES, Verb.STOP_INSTANCES})
    Settings: ClassVar[type[AwsSettings]] = AsgSettings

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        place: AsgSite = self.site(site)
        facts: dict[str, Any] = {}
        try:
            sizes = await self._look(self.aws(site), place)
            facts = sizes.facts()
            reach = Reach.SERVING if sizes.in_service >= place.desired else Reach.STANDBY
            detail = f"{sizes.in_service} of {place.desired} instances are in service."
        except SeawallError as error:
            reach, detail = Reach.SILENT, error.sentence
        return Observation(
            component=component, site=site, observer=observer, reach=reach, at=now(), detail=detail, facts=facts
        )

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:
        place: AsgSite = self.site(request.target.site)
        minimum, desired = place.running if verb is Verb.START_INSTANCES else place.at_rest
        group = ("--auto-scaling-group-name", place.group)
        sizes = ("--min-size", str(minimum), "--desired-capacity", str(desired))
        query = ("--query", "AutoScalingGroups[0].Instances[].LifecycleState", "--output", "text")
        look = cli(
            place,
            *("autoscaling", "describe-auto-scaling-groups", "--auto-scaling-group-names", place.group, *query),
            why=f"{desired} instances are InService.",
            shows="InService" if desired else "",
            otherwise="Look again in a minute; the group's scaling activities tell why one does not come.",
        )
        act = cli(place, "autoscaling", "update-auto-scaling-group", *group, *sizes, why="Set the group's size.")
        return ByHand(look=(look,), act=(act,), after=(look,), notes=(IDENTITY,))

    async def start_instances(self, request: StepRequest) -> StepResult:
        place: AsgSite = self.site(request.target.site)
        return await self._resize(request, *place.running)

    async def stop_instances(self, request: StepRequest) -> StepResult:
        """As a step: down to `idle`. As an undo: back to what the first attempt of the start found."""
        place: AsgSite = self.site(request.target.site)
        if not (request.undo or request.result):
            return await self._resize(request, *place.at_rest)
        before = await self._register(request).noted()
        if before is None:
            return StepResult(detail="This run did not start it.", changed=False)
        return await self._resize(request, int(before["minimum"]), int(before["desired"]))

    def _register(self, request: StepRequest) -> Any:
        return self.register(request.target.site, request)

    async def _resize(self, request: StepRequest, minimum: int, desired: int) -> StepResult:
        name = request.target.site
        place: AsgSite = self.site(name)
        aws = self.aws(name, request)
        stands = await self._look(aws, place)
        _fits(place, stands, desired)
        self._as_planned(request, stands, desired)
        self.context.still_mine()
        before = await self._register(request).claim(stands.facts())
        changed = (stands.minimum, stands.desired) != (minimum, desired)
        if changed:
            self.context.still_mine()
            await aws.change(
                "autoscaling",
                "update_auto_scaling_group",
                AutoScalingGroupName=place.group,
                MinSize=minimum,
                DesiredCapacity=desired,
            )
        found = await until(
            lambda: self._look(aws, place),
            lambda sizes: sizes.in_service >= desired if desired > before["in_service"] else sizes.desired == desired,
            lambda sizes: f"{sizes.in_service} of {desired} instances are in service {sizes.refused}".strip(),
            self.context,
            self.patience,
        )
        return StepResult(
            detail=f"{place.group} in {place.region} has {found.in_service} instances in service, of {desired}.",
            changed=changed,
            before=before,
            after=found.facts(),
        )

    def _as_planned(self, request: StepRequest, stands: Sizes, desired: int) -> None:
        """The size is the one that the plan saw, or the one that is wanted."""
        planned = request.before.facts.get("desired") if request.before else None
        if request.undo or planned is None or stands.desired in (planned, desired):
            return
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"The group's size is {stands.desired} now, and was {planned} when the run was planned.",
            "Look who changed it, and plan again.",
        )

    async def _look(self, aws: Aws, place: AsgSite) -> Sizes:
        found = await aws.read("autoscaling", "describe_auto_scaling_groups", AutoScalingGroupNames=[place.group])
        if not found["AutoScalingGroups"]:
            raise PermanentError(
                Code.NOT_FOUND,
                f"There is no Auto Scaling group {place.group} in {place.region}.",
                "Check `group` in the runbook, or create it with infra/aws.",
            )
        group = found["AutoScalingGroups"][0]
        states = [instance["LifecycleState"] for instance in group.get("Instances", [])]
        in_service = states.count("InService")
        refused = "" if in_service >= group["DesiredCapacity"] else await self._refused(aws, place)
        return Sizes(
            minimum=group["MinSize"],
            desired=group["DesiredCapacity"],
            maximum=group["MaxSize"],
            in_service=in_service,
            refused=refused,
        )

    async def _refused(self, aws: Aws, place: AsgSite) -> str:
        """Why it does not grow: capacity, a quota, an image that is not there."""
        found = await aws.read(
            "autoscaling", "describe_scaling_activities", AutoScalingGroupName=place.group, MaxRecords=1
        )
        failed = [one for one in found.get("Activities", []) if one.get("StatusCode") == "Failed"]
        return f"({failed[0].get('StatusMessage', 'a launch failed')[:200]})" if failed else ""


def _fits(place: AsgSite, stands: Sizes, desired: int) -> None:
    if desired > stands.maximum:
        raise PermanentError(
            Code.CONFIGURATION,
            f"{place.group} may have {stands.maximum} instances, and the runbook wants {desired}.",
            "Raise the group's maximum, then retry.",
        )


PROVIDER = AsgProvider
