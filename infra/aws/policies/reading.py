"""Reads the code: which calls of AWS each verb of each kind can come to.

A call is reached from a verb's method through whatever that method names: functions and methods of its own kind, and of
the modules that all kinds share. Names and imports decide, not types, so that rather too much is found than too little.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from activities.providers.aws.duties import DUTIES, METHODS, Duty
from activities.providers.registry import KINDS, Registry
from workflows.model.runbook import Role
from workflows.model.verbs import Verb

PROVIDERS = Path(__file__).parents[3] / "activities" / "providers" / "aws"
ASKING = ("read", "pages")
SENDERS = (*ASKING, "change", "repeatable")
_MODULE = "."
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


Reference = tuple[str, str]
"""Where a name comes from, when that is known, and the name."""


@dataclass(frozen=True)
class Function:
    """What one function sends, and what it names."""

    module: str
    name: str
    calls: frozenset[Call]
    names: frozenset[Reference]


def functions_of(path: Path) -> Iterator[Function]:
    """Every function and method of a file, nested ones as part of the outer one.

    Raises:
        NotLiteral: for a call that cannot be read.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    classes = (node.body for node in tree.body if isinstance(node, ast.ClassDef))
    module = path.parent.name if path.stem == "__init__" else path.stem
    known = {**_imported(tree), **dict.fromkeys(_defined(tree), module)}
    for node in (node for body in (tree.body, *classes) for node in body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Function(module, node.name, frozenset(_calls(node, path)), frozenset(_names(node, known)))


def _defined(tree: ast.Module) -> Iterator[str]:
    return (node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _imported(tree: ast.Module) -> dict[str, str]:
    """Names with the module that they come from; a module that is imported itself comes from nowhere."""
    return {
        alias.asname or alias.name: (node.module or "").rpartition(".")[2] if node.module else _MODULE
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def _calls(function: ast.AST, path: Path) -> Iterator[Call]:
    called = {id(node.func): node for node in ast.walk(function) if isinstance(node, ast.Call)}
    for node in ast.walk(function):
        if not isinstance(node, ast.Attribute) or node.attr not in SENDERS:
            continue
        given = called[id(node)].args[:2] if id(node) in called else []
        words = [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        where = f"{path.relative_to(PROVIDERS)}:{node.lineno}"
        if len(words) == 2:
            yield Call(words[0], words[1], node.attr, where)
        elif _is_aws(node.value):
            raise NotLiteral(f"{where}: service and operation must be written out.")


def _is_aws(owner: ast.expr) -> bool:
    """Whether this is how code names that by which it calls, or a call of what gives one; others have methods `read`
    too."""
    named = owner.func if isinstance(owner, ast.Call) else owner
    name = named.attr if isinstance(named, ast.Attribute) else named.id if isinstance(named, ast.Name) else ""
    return name in ("aws", "_aws")


def _names(function: ast.AST, known: Mapping[str, str]) -> Iterator[Reference]:
    """What it calls or hands on. A plain name comes from its own module or from where it is imported; what hangs on an
    object may be anybody's. A verb's name counts there only when it is called: `snapshot` is often a mere word."""
    called = {id(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and node.id in known:
            yield known[node.id], node.id
        elif isinstance(node, ast.Attribute) and (node.attr not in METHODS or id(node) in called):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            of_module = known.get(owner) in (_MODULE, "aws")
            yield (owner if of_module else ""), node.attr


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


def acts_in_drills(kind: str) -> bool:
    """Whether a drill ever asks it for anything: of data it is the clone that is acted on."""
    found = Registry().get(kind)
    clones = found.role is not Role.DATA or Verb.CLONE_DATA in found.verbs
    return clones and bool(getattr(found, "in_drills", True))


def in_a_drill(verb: str) -> str:
    """The name of a verb where it acts on clones."""
    return f"{verb} in a drill"


def by_verb() -> dict[str, set[Call]]:
    """The calls that each verb can come to, in any kind; those of a drill also in the kinds that act in one.

    Raises:
        NotLiteral: for a call that cannot be read.
    """
    found: dict[str, set[Call]] = {verb: set() for verb in sorted(METHODS)}
    found |= {in_a_drill(verb): set() for verb in sorted(DUTIES[Duty.DRILL])}
    shared = [one for path in shared_files() if _part(path) not in SHARED_ENTRIES for one in functions_of(path)]
    for kind in kinds():
        functions = [*shared, *(one for path in kind_files(kind) for one in functions_of(path))]
        for verb in METHODS:
            calls = reached(verb, functions)
            found[verb] |= calls
            if verb in DUTIES[Duty.DRILL] and acts_in_drills(kind):
                found[in_a_drill(verb)] |= calls
    for name in SHARED_ENTRIES:
        for path in (path for path in shared_files() if _part(path) == name):
            found[name] |= {call for one in functions_of(path) for call in one.calls}
    return found


def reached(verb: str, functions: Iterable[Function]) -> set[Call]:
    """The calls behind a verb, as far as names lead."""
    by_name: dict[str, list[Function]] = {}
    for one in functions:
        by_name.setdefault(one.name, []).append(one)
    seen, waiting, calls = set[Reference](), [("", verb)], set[Call]()
    while waiting:
        reference = waiting.pop()
        if reference in seen:
            continue
        seen.add(reference)
        module, name = reference
        for function in by_name.get(name, ()):
            if module in ("", function.module):
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
