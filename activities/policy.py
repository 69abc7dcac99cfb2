"""Reads the policy beside the runbooks: who may do what."""

import functools
from pathlib import Path

from workflows.model.failure import Code, PermanentError
from workflows.model.policy import POLICY_FILE, Policy

from .runbook.problem import Problem, dotted
from .runbook.tree import Node, Table, place
from .runbook.validation import validate
from .runbook.yaml_reader import Document

_TOLD = 3


def read_policy(folder: Path) -> Policy | None:
    """The policy of that folder of runbooks; None where there is none.

    Raises:
        PermanentError: CONFIGURATION; a policy that cannot be read lets nobody do anything.
    """
    path = folder / POLICY_FILE
    try:
        stands = path.stat()
    except FileNotFoundError:
        return None
    return _read(path, (stands.st_mtime_ns, stands.st_ino, stands.st_size))


@functools.lru_cache(maxsize=4)
def _read(path: Path, _state: tuple[int, int, int]) -> Policy:
    """A list of runs asks for it once a row, and it is parsed once an edit."""
    policy, problems = check_policy(path)
    if policy is None or problems:
        told = "; ".join(str(problem).rstrip(".") for problem in problems[:_TOLD])
        raise PermanentError(
            Code.CONFIGURATION, f"{POLICY_FILE} cannot be used: {told}.", f"See all with: seawall validate {path.name}"
        )
    return policy


def check_policy(path: Path) -> tuple[Policy | None, list[Problem]]:
    """The policy in that file, and all that is wrong with it."""
    document = Document(path)
    if document.tree is None:
        return None, document.problems
    if not isinstance(document.tree, Table):
        wrong = Problem(file=path.name, wrong="this is not a policy", expected="a mapping that begins with `people:`")
        return None, [*document.problems, wrong]
    policy, problems = validate(Policy, document.tree, path.name)
    problems = [*document.problems, *problems]
    if policy is not None:
        problems += [_problem(path.name, document.tree, *fault) for fault in policy.faults()]
    return policy, problems


def _problem(file: str, tree: Node, where: tuple[str | int, ...], wrong: str, next_step: str) -> Problem:
    mark = place(tree, where)
    return Problem(file=file, line=mark.line, column=mark.column, field=dotted(where), wrong=wrong, next_step=next_step)
