"""The kind `aws.elb`: instances or addresses that are registered with a load balancer's target group while the
application runs at a site.

Its role is compute, not traffic: a target group lives in one region, and which site users are sent to is decided
elsewhere. Targets are registered, and healthy, before users come; that is what `start_instances` means.
"""

from typing import Annotated, Any, ClassVar

from pydantic import Field, IPvAnyAddress, model_validator

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
from .ids import InstanceId, TargetGroupArn
from .settings import AwsSettings, AwsSite
from .waiting import until


class ElbSite(AwsSite):
    """The targets of a site: instances or addresses, as the target group is of the one type or the other."""

    target_group: TargetGroupArn
    instances: tuple[InstanceId, ...] = ()
    addresses: tuple[IPvAnyAddress, ...] = ()
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Of every target; the target group's own when left out."""

    @model_validator(mode="after")
    def _of_one_type(self) -> "ElbSite":
        if bool(self.instances) == bool(self.addresses):
            raise ValueError("give either `instances` or `addresses`, as the target group's type is")
        if len(set(self.names)) != len(self.names):
            raise ValueError("a target is named twice")
        return self

    @property
    def names(self) -> list[str]:
        """The ids of the targets."""
        return [*self.instances, *map(str, self.addresses)]

    def targets(self, names: list[str]) -> list[dict[str, Any]]:
        """As the API wants them."""
        return [{"Id": name} | ({"Port": self.port} if self.port else {}) for name in names]


class ElbSettings(AwsSettings):
    """One target group a site."""

    sites: dict[str, ElbSite]


class Health(Strict):
    """What stands, of the targets that the runbook lists."""

    states: dict[str, str]
    """Of those that are registered; one that is draining is not any more."""
    reasons: dict[str, str]
    """Why one is not healthy, in AWS's code."""

    @property
    def healthy(self) -> int:
        """How many take requests."""
        return list(self.states.values()).count("healthy")


class ElbProvider(AwsProvider):
    """Invariant: only targets that the runbook lists are registered or taken out."""

    kind: ClassVar[str] = "aws.elb"
    role: ClassVar[Role | None] = Role.COMPUTE
    verbs: ClassVar[frozenset[Verb]] = frozenset({Verb.OBSERVE, Verb.START_INSTANCES, Verb.STOP_INSTANCES})
    Settings: ClassVar[type[AwsSettings]] = ElbSettings

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        place: ElbSite = self.site(site)
        facts: dict[str, Any] = {}
        try:
            health = await self._look(self.aws(site), place)
            facts = health.model_dump() | {"registered": sorted(health.states)}
            reach = Reach.SERVING if health.healthy == len(place.names) else Reach.STANDBY
            detail = f"{health.healthy} of {len(place.names)} targets are healthy."
        except SeawallError as error:
            reach, detail = Reach.SILENT, error.sentence
        return Observation(
            component=component, site=site, observer=observer, reach=reach, at=now(), detail=detail, facts=facts
        )

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:
        place: ElbSite = self.site(request.target.site)
        group, starting = ("--target-group-arn", place.target_group), verb is Verb.START_INSTANCES
        targets = [f"Id={name}" + (f",Port={place.port}" if place.port else "") for name in place.names]
        query = ("--query", "TargetHealthDescriptions[].[Target.Id,TargetHealth.State]", "--output", "text")
        look = cli(
            place,
            *("elbv2", "describe-target-health", *group, *query),
            why=f"{'Healthy are' if starting else 'Gone, or draining, are'}: {', '.join(place.names)}.",
            shows="healthy" if starting else "",
            otherwise="Look again in a minute.",
        )
        words = ("register-targets", "deregister-targets")
        there, back = (
            cli(place, "elbv2", word, *group, "--targets", *targets, why="May be typed twice without harm.")
            for word in (words if starting else reversed(words))
        )
        return ByHand(look=(look,), act=(there,), after=(look,), undo=(back,), notes=(IDENTITY,))

    async def start_instances(self, request: StepRequest) -> StepResult:
        """As a step: all of the runbook's are registered and healthy. As an undo: those that were registered before."""
        place: ElbSite = self.site(request.target.site)
        if not (request.undo or request.result):
            return await self._bring(request, place.names)
        return await self._back(request)

    async def stop_instances(self, request: StepRequest) -> StepResult:
        """As a step: none of them takes a new request; those in flight end within the group's deregistration delay.
        As an undo: those that were registered before are again, and no others."""
        if not (request.undo or request.result):
            return await self._bring(request, [])
        return await self._back(request)

    async def _back(self, request: StepRequest) -> StepResult:
        before = await self.register(request.target.site, request).noted()
        if before is None:
            return StepResult(detail="This run did not touch the targets.", changed=False)
        return await self._bring(request, list(before["registered"]))

    async def _bring(self, request: StepRequest, wanted: list[str]) -> StepResult:
        """These of the runbook's targets are registered, the others of them are not."""
        name = request.target.site
        place: ElbSite = self.site(name)
        aws = self.aws(name, request)
        stands = await self._look(aws, place)
        self._as_planned(request, stands, wanted)
        self.context.still_mine()
        before = await self.register(name, request).claim({"registered": sorted(stands.states)})
        coming = [one for one in wanted if one not in stands.states]
        going = [one for one in stands.states if one not in wanted]
        if coming:
            self.context.still_mine()
            await aws.change(
                "elbv2", "register_targets", TargetGroupArn=place.target_group, Targets=place.targets(coming)
            )
        if going:
            self.context.still_mine()
            await aws.change(
                "elbv2", "deregister_targets", TargetGroupArn=place.target_group, Targets=place.targets(going)
            )
        found = await until(
            lambda: self._look(aws, place),
            lambda health: set(health.states) == set(wanted) and (request.undo or health.healthy == len(wanted)),
            lambda health: f"{health.healthy} of {len(wanted)} targets are healthy {_words(health)}".strip(),
            self.context,
            self.patience,
        )
        return StepResult(
            detail=f"{len(coming)} targets were registered and {len(going)} taken out; {found.healthy} are healthy.",
            changed=bool(coming or going),
            before=before,
            after=found.model_dump() | {"registered": sorted(found.states)},
        )

    def _as_planned(self, request: StepRequest, stands: Health, wanted: list[str]) -> None:
        planned = request.before.facts.get("registered") if request.before else None
        if request.undo or planned is None or sorted(stands.states) in (planned, sorted(wanted)):
            return
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"{len(stands.states)} of the targets are registered now, which are not those that the plan saw.",
            "Look who changed it, and plan again.",
        )

    async def _look(self, aws: Aws, place: ElbSite) -> Health:
        found = await aws.read("elbv2", "describe_target_health", TargetGroupArn=place.target_group)
        ours = {
            one["Target"]["Id"]: one["TargetHealth"]
            for one in found["TargetHealthDescriptions"]
            if one["Target"]["Id"] in place.names and place.port in (None, one["Target"].get("Port"))
        }
        states = {name: health["State"] for name, health in ours.items() if health["State"] != "draining"}
        return Health(
            states=states,
            reasons={name: ours[name]["Reason"] for name in states if ours[name].get("Reason")},
        )


def _words(health: Health) -> str:
    return f"({', '.join(sorted(set(health.reasons.values())))})" if health.reasons else ""


PROVIDER = ElbProvider
