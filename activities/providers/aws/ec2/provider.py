"""The provider of the kind `aws.ec2`."""

from typing import Any, ClassVar

from activities.providers.aws.calls import Aws
from activities.providers.aws.component import AwsProvider
from activities.providers.aws.settings import AwsSettings
from activities.providers.aws.tags import PREFIX
from activities.providers.base import now
from activities.providers.by_hand import ByHand
from workflows.model.failure import Code, PermanentError, SeawallError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import Role
from workflows.model.verbs import Verb

from . import by_hand, prune
from .fleet import Fleet, look, some
from .look import health
from .settings import Ec2Settings, Ec2Site
from .step import Ec2Step


class Ec2Provider(AwsProvider):
    """Invariants: see the package."""

    kind: ClassVar[str] = "aws.ec2"
    role: ClassVar[Role | None] = Role.COMPUTE
    verbs: ClassVar[frozenset[Verb]] = frozenset({Verb.OBSERVE, Verb.START_INSTANCES, Verb.STOP_INSTANCES, Verb.PRUNE})
    Settings: ClassVar[type[AwsSettings]] = Ec2Settings

    settings: Ec2Settings

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        place: Ec2Site = self.site(site)
        facts: dict[str, Any] = {}
        try:
            aws = self.aws(site)
            fleet = await look(aws, place, self._marks(component, site), place.launch)
            facts = fleet.facts
            reach, detail = await _reach(aws, fleet)
        except SeawallError as error:
            reach, detail = Reach.SILENT, error.sentence
        return Observation(
            component=component, site=site, observer=observer, reach=reach, at=now(), detail=detail, facts=facts
        )

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:
        place: Ec2Site = self.site(request.target.site)
        return by_hand.by_hand(place, verb, request)

    async def start_instances(self, request: StepRequest) -> StepResult:
        """As an undo: start what ran before the stop."""
        step = self._step(request)
        return await (step.undo_stop() if request.undo or request.result else step.start())

    async def stop_instances(self, request: StepRequest) -> StepResult:
        """As an undo: stop what the start brought up, and nothing that ran before it."""
        step = self._step(request)
        return await (step.undo_start() if request.undo or request.result else step.stop())

    async def prune(self, request: StepRequest) -> StepResult:
        return await prune.prune(self, request)

    def _step(self, request: StepRequest) -> Ec2Step:
        name = request.target.site
        place: Ec2Site = self.site(name)
        if request.target.bubble:
            _insist_on_isolation(place)
        register = self.register(name, request)
        return Ec2Step(self.aws(name, request), register, self.context, request, self.patience, self.within)

    def _marks(self, component: str, site: str) -> dict[str, str]:
        """Tags to look by. An observer is not told the application; the names of the runbook tell two apart."""
        found = {f"{PREFIX}component": component, f"{PREFIX}site": site}
        return found | ({f"{PREFIX}bubble": self.context.bubble.name} if self.context.bubble else {})


async def _reach(aws: Aws, fleet: Fleet) -> tuple[Reach, str]:
    size, ids = len(fleet.keys), [machine.id for machine in fleet.in_state("running")]
    if fleet.gone:
        return Reach.REFUSED, f"Terminated, or unknown to AWS: {some(fleet.gone)}."
    passed = sum(one.checked for one in (await health(aws, ids)).values())
    reach = Reach.SERVING if passed == size else Reach.STANDBY
    return reach, f"{len(ids)} of {size} run, {passed} pass their checks."


def _insist_on_isolation(place: Ec2Site) -> None:
    if place.instances:
        raise PermanentError(
            Code.CONFIGURATION,
            "A drill would start the very instances of this site, into their own network: `instances` has no clones.",
            "Give the site `launch` with a `drill_subnet`, or set the component's `drill` to be simulated.",
        )
    if place.drill_subnet is None:
        raise PermanentError(
            Code.CONFIGURATION,
            "This site names no subnet in which a drill may launch its clones.",
            "Set `drill_subnet` and `drill_security_groups` of the site.",
        )
