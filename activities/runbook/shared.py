"""Settings that several components share: `providers` at the top of a runbook, by family.

    providers:
      aws:
        sites:
          primary: {region: us-east-1}

is as if each component and device whose kind is `aws` or begins with `aws.` had said so in its own `settings`.
What it says itself wins. It is laid under before anything is checked, so that an error points at the line that is
wrong, wherever it stands.
"""

from collections.abc import Iterator
from dataclasses import replace

from .problem import Problem, dotted
from .tree import Mark, Node, Scalar, Table, find

SECTION = "providers"


def spread(tree: Table, kinds: list[str], file: str) -> tuple[Table, list[Problem]]:
    """The tree without its section `providers`, whose settings are laid under those of the parts; and what is wrong
    with the section."""
    section = tree.entries.get(SECTION)
    if section is None:
        return tree, []
    rest = _without(tree, SECTION)
    if not isinstance(section, Table):
        return rest, [_problem(file, tree.keys[SECTION], (SECTION,), "a mapping of families, such as `aws`")]
    families = {kind.partition(".")[0] for kind in kinds}
    problems = [
        _problem(file, section.keys[name], (SECTION, name), f"one of {', '.join(sorted(families))}")
        for name in section.entries
        if name not in families
    ]
    problems += [
        _problem(file, section.keys[name], (SECTION, name), "a mapping of settings")
        for name, node in section.entries.items()
        if name in families and not isinstance(node, Table)
    ]
    for path in parts_with_kind(rest):
        kind = find(rest, (*path, "kind"))
        if isinstance(kind, Scalar):
            below = section.entries.get(str(kind.value).partition(".")[0])
            if isinstance(below, Table):
                rest = _laid(rest, (*path, "settings"), below)
    return rest, problems


def parts_with_kind(tree: Node) -> Iterator[tuple[str, ...]]:
    """The paths of all that has a kind and settings."""
    for section, inner in (("components", ()), ("sites", ("fence_device",)), ("sites", ("bubble",))):
        table = find(tree, (section,))
        for name in table.entries if isinstance(table, Table) else ():
            path = (section, name, *inner)
            if isinstance(find(tree, path), Table):
                yield path


def _laid(tree: Table, path: tuple[str, ...], below: Table) -> Table:
    """The tree with `below` laid under what stands at the path."""
    head, rest = path[0], path[1:]
    stands = tree.entries.get(head)
    if rest:
        assert isinstance(stands, Table)
        grown: Node = _laid(stands, rest, below)
    else:
        grown = below if stands is None else _under(stands, below)
    keys = {head: below.mark} | tree.keys
    return replace(tree, entries={**tree.entries, head: grown}, keys=keys)


def _under(above: Node, below: Node) -> Node:
    if not (isinstance(above, Table) and isinstance(below, Table)):
        return above
    entries = dict(above.entries)
    for name, node in below.entries.items():
        entries[name] = _under(entries[name], node) if name in entries else node
    return replace(above, entries=entries, keys=below.keys | above.keys)


def _without(tree: Table, name: str) -> Table:
    entries = {key: node for key, node in tree.entries.items() if key != name}
    return replace(tree, entries=entries, keys={key: mark for key, mark in tree.keys.items() if key != name})


def _problem(file: str, mark: Mark, path: tuple[str, ...], expected: str) -> Problem:
    wrong = "it is not understood"
    return Problem(file=file, line=mark.line, column=mark.column, field=dotted(path), wrong=wrong, expected=expected)
