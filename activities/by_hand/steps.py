"""Each step of a plan by hand: who is asked for its commands, and what stands where there are none."""

from pathlib import Path

from activities.bench import Bench
from activities.providers.base import Provider
from activities.providers.by_hand import ByHand, Command
from activities.providers.registry import Registry
from workflows.model.failure import SeawallError
from workflows.model.hand_over import HandOver
from workflows.model.messages import Ref, StepRequest, Target
from workflows.model.observed import Observation
from workflows.model.plan import Mode, Step
from workflows.model.runbook import FenceDevice
from workflows.model.verbs import Verb

from .checks import checks_by_hand, public_by_hand

_PEOPLE = ByHand(notes=("People agree, on the record: see who has to, above.",))
_LEG = ByHand(notes=("A run of its own: see its own page.",))


def _again(look: Command, fence: Step) -> Command:
    """A look after the fence, as it is made before the promote."""
    why = f"On a machine of {fence.worker}: does the fence stand? {look.why}"
    return look.model_copy(update={"why": why, "otherwise": f"STOP: {fence.id} comes first."})


class Hands:
    """Makes the commands of the steps of one run."""

    def __init__(self, facts: HandOver, registry: Registry) -> None:
        self._facts = facts
        self._registry = registry

    def of(self, step: Step) -> ByHand:
        """The commands of a step. What cannot be made is said in a note: the rest of the page is worth having."""
        try:
            return self._made(step)
        except SeawallError as error:
            return ByHand(notes=(f"No commands could be made for this step: {error}",))

    def _made(self, step: Step) -> ByHand:
        request = self.request(step)
        match step.verb:
            case Verb.GATE:
                return _PEOPLE
            case Verb.WINDOW:
                at = self._facts.plan.at
                return ByHand(notes=(f"Not before {at:%Y-%m-%d %H:%M} UTC, the agreed time.",) if at else ())
            case Verb.VERIFY:
                return public_by_hand(self._facts.runbook.public)
            case Verb.ROUND_TRIP | Verb.SIMULATE:
                return _LEG
            case Verb.HEALTH_CHECK:
                return checks_by_hand(self._provider(step), request.target)
            case Verb.FENCE | Verb.REOPEN_SITE if request.mode is Mode.UNPLANNED or step.verb is Verb.REOPEN_SITE:
                return self._by_device(step, request)
            case Verb.PROMOTE:
                return self._behind_its_fence(step, self._provider(step).by_hand(step.verb, request))
            case _:
                return self._provider(step).by_hand(step.verb, request)

    def _behind_its_fence(self, promote: Step, hand: ByHand) -> ByHand:
        """Before anything else a promote wants its fence to be seen."""
        fences = [s for s in self._facts.plan.steps if s.verb is Verb.FENCE and s.component == promote.component]
        seen = [(fence, self.of(fence)) for fence in fences]
        looks = tuple(_again(command, fence) for fence, found in seen for command in found.after)
        secrets = tuple(place for _fence, found in seen for place in found.secrets)
        return hand.model_copy(update={"look": (*looks, *hand.look), "secrets": (*secrets, *hand.secrets)})

    def _by_device(self, step: Step, request: StepRequest) -> ByHand:
        device = request.fence_device
        if device is None:
            return ByHand(
                notes=(
                    f"{step.site} has no fence device: switch it off, or cut its network, by whatever path there is, "
                    "and see with your own eyes that it is off. Silence alone proves nothing.",
                )
            )
        return self._bench(step).device(device).by_hand(step.verb, request)

    def _bench(self, step: Step) -> Bench:
        return Bench(self._registry, step.worker, Path())

    def _provider(self, step: Step) -> Provider:
        return self._bench(step).unprepared(self.request(step).target)

    def request(self, step: Step) -> StepRequest:
        """What the run would have told the step's activity."""
        facts, plan, name = self._facts, self._facts.plan, step.component
        components = facts.runbook.components
        return StepRequest(
            ref=Ref(workflow_id=facts.workflow_id, application=plan.application, step=step.id, epoch=facts.epoch),
            target=Target(
                name=name or "",
                component=components[name] if name else next(iter(components.values())),
                site=step.site,
                source=plan.source,
                target=plan.target,
            ),
            mode=plan.mode,
            before=self._seen(name, step.site),
            proofs=facts.proofs,
            fence_device=self._device(step.site),
            position=next((proof.position for proof in facts.proofs if proof.component == name), None),
            point=next((point for point in facts.points if point.component == name), None),
            choice=facts.choice,
        )

    def _device(self, site: str) -> FenceDevice | None:
        return self._facts.runbook.sites[site].fence_device

    def _seen(self, component: str | None, site: str) -> Observation | None:
        looks = self._facts.observations
        return next((look for look in looks if (look.component, look.site) == (component, site)), None)
