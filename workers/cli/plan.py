"""`seawall plan`: shows what a run would do, before anybody starts one."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from workers.cli.validate import BAD_INPUT, OK, print_problems, problems_of

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text
    from rich.tree import Tree

    from activities.providers.registry import Registry
    from workflows.model.plan import Step
    from workflows.model.progress import CompiledPlan, CompiledStep


def show_plan(
    file: Path,
    operation: str,
    planned: bool = False,
    json_output: bool = False,
    registry: "Registry | None" = None,
    *,
    choice: str = "latest",
    live: bool = False,
) -> int:
    """Print the plan of an operation: from the runbook's home to its other site, and the way home for a failback.

    Returns:
        0, or 2 when the runbook or the operation is not fit for it; then a sentence is on standard error.
    """
    from activities.providers.registry import Registry
    from workers.planned import compiled, kind_of
    from workflows.model.failure import SeawallError

    try:
        kind_of(operation, live)
    except SeawallError as error:
        return _refuse(str(error))
    known = registry or Registry()
    found = problems_of(file, known)
    print_problems(found, sys.stderr)
    if any(not problem.warning for problem in found):
        return _refuse("The runbook must be right before it can be planned. Mend what is told above.")
    try:
        plan = compiled(file, known, operation, planned=planned, choice=choice, live=live)
    except SeawallError as error:
        return _refuse(str(error))
    if json_output:
        sys.stdout.write(f"{plan.model_dump_json(indent=2)}\n")
    else:
        _print(plan)
    return OK


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return BAD_INPUT


def _print(plan: "CompiledPlan") -> None:
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False)
    console.print(plan_tree(plan))
    console.print(_legend(plan))


def plan_tree(compiled: "CompiledPlan") -> "Tree":
    """The steps as a tree: each stands below the one that it waits for longest."""
    from rich.text import Text
    from rich.tree import Tree

    class NarrowTree(Tree):
        """A recovery is a deep chain: rich's four columns a level would leave no room for words in 80."""

        ASCII_GUIDES = ("  ", "| ", "+ ", "` ")
        TREE_GUIDES = [("  ", "│ ", "├ ", "└ ")] * 3

    plan = compiled.plan
    title = f"{plan.application}: {plan.mode} {plan.operation} from {plan.source} to {plan.target}"
    root = NarrowTree(Text(title, style="bold"))
    branches: dict[str, Tree] = {}
    by_id = {item.step.id: item for item in compiled.steps}
    pivot_shown = False
    for item in compiled.steps:
        first_pivot = item.step.phase == "pivot" and not pivot_shown
        pivot_shown = pivot_shown or first_pivot
        above = max(item.step.needs, key=lambda need: by_id[need].earliest + by_id[need].step.expected, default="")
        branches[item.step.id] = (branches[above] if above else root).add(_label(item, first_pivot))
    return root


def _label(item: "CompiledStep", first_pivot: bool) -> "RenderableType":
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    from workflows.model.base import in_words

    step = item.step
    label = Text(overflow="fold")
    if first_pivot:
        label.append("==== PIVOT: no way back from here ====\n", style="bold red")
    label.append("* " if item.on_critical_path else "  ", style="bold yellow")
    label.append(step.words, style="bold" if item.on_critical_path else "")
    if step.verb != "approve":
        label.append(f"  {in_words(step.expected)}", style="cyan")
    return Group(label, Padding(_second_line(step), (0, 0, 0, 4), expand=False))


def _second_line(step: "Step") -> "Text":
    from rich.text import Text

    from workflows.model.base import format_duration

    if step.verb == "approve":
        return Text(f"waits for people, at most {format_duration(step.timeout)}", style="magenta")
    words, style = _PHASES[step.phase.value]
    undo = f"undo: {step.undo_words}" if step.undo else "nothing to undo" if step.phase in _REVERSIBLE else "no undo"
    where = f"at {step.site}" if step.worker == step.site else f"at {step.site}, by the worker of {step.worker}"
    return Text.assemble((words, style), (f"; {where}; {undo}", "dim"))


_REVERSIBLE = ("prepare", "commit")
_PHASES = {
    "prepare": ("while people decide", "green"),
    "commit": ("after approval", "blue"),
    "pivot": ("PIVOT", "bold red"),
    "forward": ("forward only", "red"),
}


def _legend(plan: "CompiledPlan") -> "Text":
    from rich.text import Text

    from workflows.model.base import in_words

    return Text(
        f"* critical path: {in_words(plan.expected_seconds)} expected, "
        f"{in_words(plan.approvals_after_seconds)} of it after approval.",
        style="yellow",
    )
