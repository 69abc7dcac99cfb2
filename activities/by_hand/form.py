"""The form of outcomes, as YAML to be filled in by hand; `seawall import-outcome` reads it."""

import json
from collections.abc import Iterator

from workflows.model.hand_over import HandOver
from workflows.model.outcome_form import FILL_IN, Outcome
from workflows.model.plan import Phase
from workflows.model.progress import StepRecord, StepState
from workflows.model.verbs import Verb

_HEAD = f"""\
# What became of this run. Write over each {FILL_IN}; remove a line that you cannot fill in.
# outcome: {Outcome.BY_HAND} (name who), {Outcome.BY_RUN} (a look shows that the run did it) or {Outcome.NOT_DONE}.
# Then, when Temporal is back: seawall import-outcome FILE --by YOU --reason "..."
# It shows what it would do; with --yes it does it.
"""


def form_text(facts: HandOver) -> str:
    """The form with all that is known filled in."""
    return _HEAD + "".join(f"{line}\n" for line in _lines(facts))


def _lines(facts: HandOver) -> Iterator[str]:
    plan = facts.plan
    yield "form: 1"
    yield f"run: {json.dumps(facts.workflow_id)}"
    yield f"application: {plan.application}"
    yield f"operation: {plan.operation}"
    yield f"mode: {plan.mode}"
    yield f"source: {plan.source}"
    yield f"target: {plan.target}"
    yield f"choice: {json.dumps(facts.choice)}"
    yield f"epoch: {facts.epoch}"
    yield f"declared: {json.dumps(facts.declared.isoformat())}"
    yield f"active_site: {FILL_IN}    # where users are served now: {' or '.join(facts.runbook.sites)}"
    yield "protected: false       # true only where the other site follows again"
    records = {record.id: record for record in facts.steps}
    asked = next((step for step in plan.steps if step.verb is Verb.GATE), None)
    if asked is not None and records[asked.id].state is not StepState.DONE:
        yield f"agreed_by: [{FILL_IN}]   # who agreed when no machine asked"
    yield "steps:"
    for step in plan.steps:
        if step.verb is not Verb.GATE:
            yield from _step(records[step.id], step.phase is Phase.PIVOT)


def _step(record: StepRecord, pivot: bool) -> Iterator[str]:
    words = f"    # {record.words}{'; the point of no return' if pivot else ''}"
    yield f"  {json.dumps(record.id)}:{words}"
    if record.state is StepState.DONE:
        yield f"    outcome: {Outcome.BY_RUN}"
    elif record.state is StepState.SKIPPED:
        yield f"    outcome: {Outcome.NOT_DONE}"
    else:
        yield f"    outcome: {FILL_IN}"
        yield f"    by: {FILL_IN}"
        yield f'    at: "{FILL_IN}"'
