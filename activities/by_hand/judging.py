"""Holds what people wrote down against what is seen. A form that the world contradicts is never told to anybody."""

from collections.abc import Iterator, Sequence

from workflows.model.observed import Observation, Reach
from workflows.model.outcome_form import Outcome, OutcomeForm
from workflows.model.plan import Plan, Step
from workflows.model.runbook import Role, Runbook
from workflows.model.verbs import Verb

_AT_THE_TARGET = (Verb.PROMOTE, Verb.FLIP_DNS)


class Judgement:
    """One form, one look at everything."""

    def __init__(self, form: OutcomeForm, runbook: Runbook, plan: Plan, looks: Sequence[Observation]) -> None:
        self._form, self._runbook, self._plan, self._looks = form, runbook, plan, looks
        self.contradictions = tuple(self._contradicted())
        """What is seen to be otherwise, as sentences; empty when nothing speaks against the form."""
        self.unseen = tuple(self._unseen())
        """What could not be seen from here."""

    def _contradicted(self) -> Iterator[str]:
        yield from self._epochs()
        for name, part in self._runbook.components.items():
            if part.role is Role.DATA:
                yield from self._data(name)
            else:
                yield from self._serving(name, part.role)
        for step in self._plan.steps:
            if step.verb in _AT_THE_TARGET and step.component:
                yield from self._moved(step)

    def _epochs(self) -> Iterator[str]:
        for look in self._looks:
            epoch = look.facts.get("epoch")
            if isinstance(epoch, int) and epoch > self._form.epoch:
                yield (
                    f"Epoch {epoch} stands at {look.component} of {look.site}, above epoch {self._form.epoch} of the "
                    "form: a later run has changed it. Fill in the form of that run."
                )

    def _data(self, name: str) -> Iterator[str]:
        here = self._look(name, self._form.active_site)
        if here.reach is not Reach.SERVING:
            yield (
                f"The form says that {name} is served at {here.site}, and no write would be accepted there: "
                f"{here.detail or here.reach.value}"
            )
        for look in self._others(name):
            if look.reach is Reach.SERVING:
                yield f"{name} at {look.site} accepts writes too: TWO WRITERS. Fence one of them before anything else."
            elif self._form.protected and not look.facts.get("receiving"):
                yield f"The form says protected, and {name} at {look.site} follows nobody: {look.detail}"

    def _serving(self, name: str, role: Role) -> Iterator[str]:
        here = self._look(name, self._form.active_site)
        if here.reach is Reach.SERVING or (here.reach is Reach.UNKNOWN and role is Role.COMPUTE):
            return
        why = here.detail or here.reach.value
        yield f"The form says that users are served at {here.site}, and {name} is not: {why}"

    def _moved(self, step: Step) -> Iterator[str]:
        """A step after which the target is the one that serves."""
        form, name = self._form, step.component or ""
        done = form.steps[step.id].outcome is not Outcome.NOT_DONE
        if not done and form.active_site == step.site:
            yield f"The form says that {step.id} was not done, and that {step.site} is active: one of them is wrong."
        if not done:
            return
        if form.active_site != step.site:
            yield f"The form says that {step.id} was done, and that {form.active_site} is active: one of them is wrong."
            return
        stands = self._look(name, step.site).facts.get("epoch")
        if self._look(name, step.site).facts and (not isinstance(stands, int) or stands < form.epoch):
            yield (
                f"{step.id} was done, and epoch {form.epoch} was not written beside it ({stands} stands): do that part "
                "of the step as the page says, or late steps of the lost run would not be refused."
            )

    def _unseen(self) -> Iterator[str]:
        for look in self._looks:
            if look.reach in (Reach.SILENT, Reach.UNKNOWN):
                yield f"{look.component} at {look.site}: {look.detail or look.reach.value}"

    def _look(self, component: str, site: str) -> Observation:
        return next(look for look in self._looks if (look.component, look.site) == (component, site))

    def _others(self, component: str) -> Iterator[Observation]:
        active = self._form.active_site
        return (look for look in self._looks if look.component == component and look.site != active)
