"""Reads the code: which calls of AWS each verb of each kind can come to.

A call is reached from a verb's method through whatever that method names: functions and methods of its own kind, and of
the modules that all kinds share. Names decide, not types, so that too much is found rather than too little.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from activities.providers.aws.duties import METHODS
from activities.providers.registry import KINDS

PROVIDERS = Path(__file__).parents[3] / "activities" / "providers" / "aws"
ASKING = ("read", "pages")
SENDERS = (*ASKING, "change", "repeatable")
SHARED_ENTRIES = frozenset({"preflight"})
"""Parts whose every call belongs to the verb of that name."""


class NotLiteral(Exception):
    """A call whose service or operation is not written out: nobody could tell what it wants."""


@dataclass(frozen=True, order=True)
class Call:
    """One call of AWS, in boto3's words."""

    service: str
    method: str
    sender: str
    where: str
    """File and line."""


@dataclass(frozen=True)
class Function:
    """What one function sends, and what it names."""

    name: str
    calls: frozenset[Call]
    names: frozenset[str]


def functions_of(path: Path) -> Iterator[Function]:
    """Every function and method of a file, nested ones as part of the outer one.

    Raises:
        NotLiteral: for a call that cannot be read.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    classes = (node.body for node in tree.body if isinstance(node, ast.ClassDef))
    for node in (node for body in (tree.body, *classes) for node in body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Function(node.name, frozenset(_calls(node, path)), frozenset(_names(node)))


def _calls(function: ast.AST, path: Path) -> Iterator[Call]:
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        sender, given = node.func.attr, node.args[:2]
        if sender not in SENDERS or len(given) < 2:
            continue
        words = [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        where = f"{path.relative_to(PROVIDERS)}:{node.lineno}"
        if len(words) < 2:
            raise NotLiteral(f"{where}: service and operation must be written out.")
        yield Call(words[0], words[1], sender, where)


def _names(function: ast.AST) -> Iterator[str]:
    """What it calls or hands on. A verb's name counts only when it is called: `snapshot` is often a mere word."""
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute) and node.attr not in METHODS:
            yield node.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr


def kind_files(kind: str) -> list[Path]:
    """The files of `aws.ec2`: a module, or all of a folder."""
    name = kind.partition(".")[2]
    return sorted((PROVIDERS / name).rglob("*.py")) or [PROVIDERS / f"{name}.py"]


def kinds() -> list[str]:
    """The kinds of AWS that are registered."""
    return sorted(kind for kind in KINDS if kind.startswith("aws."))


def shared_files() -> list[Path]:
    """What belongs to no kind; `calls` is where the calls go to."""
    owned = {path for kind in kinds() for path in kind_files(kind)}
    return sorted(path for path in PROVIDERS.rglob("*.py") if path not in owned and path.name != "calls.py")


def _part(path: Path) -> str:
    """The module or folder of the provider that a file belongs to."""
    return path.relative_to(PROVIDERS).parts[0].removesuffix(".py")


def by_verb() -> dict[str, set[Call]]:
    """The calls that each verb can come to, in any kind.

    Raises:
        NotLiteral: for a call that cannot be read.
    """
    found: dict[str, set[Call]] = {verb: set() for verb in sorted(METHODS)}
    shared = [one for path in shared_files() if _part(path) not in SHARED_ENTRIES for one in functions_of(path)]
    for kind in kinds():
        functions = [*shared, *(one for path in kind_files(kind) for one in functions_of(path))]
        for verb in METHODS:
            found[verb] |= reached(verb, functions)
    for name in SHARED_ENTRIES:
        for path in (path for path in shared_files() if _part(path) == name):
            found[name] |= {call for one in functions_of(path) for call in one.calls}
    return found


def reached(verb: str, functions: Iterable[Function]) -> set[Call]:
    """The calls behind a name, as far as names lead."""
    by_name: dict[str, list[Function]] = {}
    for one in functions:
        by_name.setdefault(one.name, []).append(one)
    seen: set[str] = set()
    waiting, calls = [verb], set[Call]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for function in by_name.get(name, ()):
            calls |= function.calls
            waiting += function.names
    return calls


def all_calls() -> set[Call]:
    """Every call that stands in the code.

    Raises:
        NotLiteral: for a call that cannot be read.
    """
    files = [*shared_files(), *(path for kind in kinds() for path in kind_files(kind))]
    return {call for path in files for one in functions_of(path) for call in one.calls}
