"""Reads the form that people have filled in, as strictly as a runbook: line, field, and what was expected."""

from pathlib import Path

from activities.runbook.problem import Problem, closest, dotted
from activities.runbook.tree import Node, Table, place
from activities.runbook.validation import validate
from activities.runbook.yaml_reader import Document
from workflows.model.outcome_form import OutcomeForm
from workflows.model.plan import Plan
from workflows.model.runbook import Runbook
from workflows.model.verbs import Verb


class FilledForm:
    """One file: the form (None when it cannot be understood) and all that is wrong with it."""

    def __init__(self, path: Path) -> None:
        self.file = path.name
        document = Document(path)
        self.problems: list[Problem] = list(document.problems)
        self.form: OutcomeForm | None = None
        self._tree: Node | None = document.tree
        if isinstance(self._tree, Table):
            self.form, found = validate(OutcomeForm, self._tree, self.file)
            self.problems += found
        elif self._tree is not None:
            self._tell((), "this is not a form", "It is the part in YAML at the end of the page for break-glass.")

    def check_against(self, runbook: Runbook, plan: Plan) -> None:
        """Its sites must be the runbook's, and its steps the plan's, each of them."""
        form = self.form
        if form is None:
            return
        for field in ("source", "target", "active_site"):
            named = getattr(form, field)
            if named not in runbook.sites:
                known = ", ".join(runbook.sites)
                self._tell((field,), f"{named!r} is no site of the runbook", f"Name one of {known}.")
        steps = [step.id for step in plan.steps if step.verb is not Verb.GATE]
        for name in form.steps:
            if name not in steps:
                meant = closest(name, steps)
                self._tell(("steps", name), "the plan has no such step", f"Did you mean {meant!r}?" if meant else "")
        for name in steps:
            if name not in form.steps:
                self._tell(("steps",), f"the step {name} is missing", "Write what became of it.")

    def _tell(self, path: tuple[str, ...], wrong: str, next_step: str) -> None:
        assert self._tree is not None
        mark = place(self._tree, path)
        self.problems.append(
            Problem(
                file=self.file,
                line=mark.line,
                column=mark.column,
                field=dotted(path),
                wrong=wrong,
                next_step=next_step,
            )
        )
