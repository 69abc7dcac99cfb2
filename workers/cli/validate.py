"""`seawall validate`: tells all that is wrong with runbooks, offline."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from activities.providers.registry import Registry
    from activities.runbook_file import Problem

OK = 0
BAD_INPUT = 2


def validate(files: list[Path], json_output: bool, registry: "Registry | None" = None) -> int:
    """Check runbooks, and the values files among them; a folder stands for all in it.

    Returns:
        0 when nothing is wrong but for warnings, else 2.
    """
    from activities.providers.registry import Registry

    known = registry or Registry()
    chosen = [*_expand(files)]
    found = [problem for file in chosen for problem in problems_of(file, known)]
    if json_output:
        sys.stdout.write(f"{json.dumps([_as_json(problem) for problem in found], indent=2)}\n")
    else:
        print_problems(found, sys.stdout)
        _print_summary(len(chosen), found)
    return BAD_INPUT if any(not problem.warning for problem in found) or not chosen else OK


def problems_of(file: Path, registry: "Registry") -> "list[Problem]":
    """What is wrong with one file, named as the caller named it."""
    from activities.policy import check_policy
    from activities.runbook.values import Values
    from activities.runbook_file import Problem, check_runbook
    from workflows.model.policy import POLICY_FILE

    if file.name == POLICY_FILE:
        found = check_policy(file)[1]
    elif _is_values(file):
        found = Values(file).problems
    elif file.suffix != ".yaml":
        wrong = "this is not a runbook"
        found = [Problem(file=file.name, wrong=wrong, next_step="Name a file that ends in .yaml.")]
    else:
        found = check_runbook(file, registry, examples=True)
        if not any(problem.warning is False for problem in found):
            found += [*_unplannable(file, registry), *_without_role(file, registry)]
    return [problem.model_copy(update={"file": str(file.with_name(problem.file))}) for problem in found]


def _unplannable(file: Path, registry: "Registry") -> "Iterator[Problem]":
    """A runbook may be well written and still ask for what this release cannot do. That it cannot move as planned is a
    warning: a recovery from a disaster is not stopped by that."""
    from activities.runbook_file import Problem, read_runbook
    from workflows.model.failure import SeawallError
    from workflows.model.messages import PlanRequest
    from workflows.model.plan import Mode
    from workflows.planning.failover import plan_failover

    loaded = read_runbook(file, registry, examples=True)
    home = loaded.runbook.home
    told = set()
    for mode in (Mode.UNPLANNED, Mode.PLANNED):
        target = loaded.runbook.other_sites(home)[0]
        try:
            plan_failover(
                PlanRequest(
                    runbook=loaded.runbook,
                    verbs=loaded.verbs,
                    limits=loaded.limits,
                    source=home,
                    target=target,
                    mode=mode,
                )
            )
        except SeawallError as error:
            if error.sentence not in told:
                told.add(error.sentence)
                planned = mode is Mode.PLANNED
                yield Problem(file=file.name, wrong=error.sentence, next_step=error.next_step, warning=planned)


def _without_role(file: Path, registry: "Registry") -> "Iterator[Problem]":
    """Approvers of a runbook to whom the policy beside it gives no right to answer."""
    from activities.policy import read_policy
    from activities.runbook_file import Problem, read_runbook
    from workflows.model.failure import SeawallError
    from workflows.model.plan import Operation
    from workflows.model.policy import POLICY_FILE

    runbook = read_runbook(file, registry, examples=True).runbook
    try:
        policy = read_policy(file.parent)
    except SeawallError:
        return  # Told of that file itself.
    if policy is None:
        return
    able = policy.granted(runbook.application).may("approve")
    rules = [rule for name in Operation if (rule := runbook.approvals.rule(name, planned=False))]
    for who in sorted({name for rule in rules for name in rule.approvers}):
        if who not in able:
            wrong, advice = f"{who} is an approver here, and no approver by the policy", f"Mend {POLICY_FILE}."
            yield Problem(file=file.name, field="approvals", wrong=wrong, next_step=advice, warning=True)


def print_problems(found: "Iterable[Problem]", stream: TextIO) -> None:
    """One line each: place, field, what is wrong; never wrapped, so that editors and grep can read it."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, soft_wrap=True, highlight=False)
    for problem in found:
        line = Text(f"{problem.file}:{problem.line}:{problem.column} ", style="bold")
        line.append("warning: " if problem.warning else "", style="yellow")
        line.append(f"{problem.field}: " if problem.field else "", style="cyan")
        line.append(problem.sentence, style="not bold")
        console.print(line)


def _print_summary(count: int, found: "list[Problem]") -> None:
    from rich.console import Console
    from rich.text import Text

    errors = sum(not problem.warning for problem in found)
    warnings = len(found) - errors
    files = f"{count} file{'' if count == 1 else 's'}"
    if not count:
        words, style = "There is no runbook here. Name a .yaml file or a folder that holds some.", "red"
    elif errors:
        words, style = f"{files}: {_counted(errors, 'problem')}, {_counted(warnings, 'warning')}.", "red"
    elif warnings:
        words, style = f"{files}: right, with {_counted(warnings, 'warning')}.", "yellow"
    else:
        words, style = f"{files}: all right.", "green"
    Console(file=sys.stdout, soft_wrap=True, highlight=False).print(Text(words, style=style))


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _expand(files: list[Path]) -> Iterator[Path]:
    for file in files:
        if file.is_dir():
            yield from sorted(path for path in file.glob("*.yaml") if not path.name.startswith("."))
        else:
            yield file


def _is_values(file: Path) -> bool:
    return file.name.endswith((".values.yaml", ".values.example.yaml"))


def _as_json(problem: "Problem") -> dict[str, object]:
    return {**problem.model_dump(mode="json"), "message": problem.sentence}
