"""A YAML document as a tree that remembers where everything stood."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

Plain: TypeAlias = str | int | float | bool | date


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the file; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value. `placeholder` names the value of the values file that stands here, if one does."""

    mark: Mark
    value: Plain
    placeholder: str = ""


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    mark: Mark
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping. `keys` holds where each key stands."""

    mark: Mark
    entries: dict[str, "Node"]
    keys: dict[str, Mark]


Node: TypeAlias = Scalar | Items | Table


def data(node: Node) -> object:
    """The node as JSON values; dates become ISO text."""
    if isinstance(node, Scalar):
        return node.value.isoformat() if isinstance(node.value, date) else node.value
    if isinstance(node, Items):
        return [data(item) for item in node.items]
    return {key: data(value) for key, value in node.entries.items()}


def scalars(node: Node) -> Iterator[Scalar]:
    """Every value in the tree, in the order of the file."""
    if isinstance(node, Scalar):
        yield node
    else:
        for child in node.items if isinstance(node, Items) else node.entries.values():
            yield from scalars(child)


def find(node: Node, path: Sequence[str | int]) -> Node | None:
    """The node at that path; None when there is none."""
    here: Node | None = node
    for part in path:
        if isinstance(here, Table) and isinstance(part, str):
            here = here.entries.get(part)
        elif isinstance(here, Items) and isinstance(part, int) and 0 <= part < len(here.items):
            here = here.items[part]
        else:
            return None
    return here


def place(root: Node, path: Sequence[str | int]) -> Mark:
    """Where an editor's cursor should stand for that path: the value itself if it is a single one, the key of a whole
    section, and for what is not there the section in which it was looked for."""
    for length in range(len(path), 0, -1):
        node = find(root, path[:length])
        if node is None:
            continue
        parent = find(root, path[: length - 1])
        key = path[length - 1]
        if isinstance(parent, Table) and isinstance(key, str) and not isinstance(node, Scalar):
            return parent.keys[key]
        return node.mark
    return root.mark
