"""Which fields a pydantic model has at a path: for suggesting the one that was meant."""

import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from .tree import Node, Scalar, Table, find


def known_fields(model: type[BaseModel], tree: Node, path: Sequence[str | int]) -> list[str]:
    """The names of the fields that may stand in the section at `path` of a document that should be a `model`."""
    here: list[Any] = [model]
    for depth, part in enumerate(path):
        here = [inner for shape in here for inner in _inside(shape, part)]
        here = _of_kind(here, find(tree, path[: depth + 1]))
    return sorted({name for shape in here for name in _fields(shape)})


def _inside(shape: Any, part: str | int) -> Iterator[Any]:
    if isinstance(part, str) and part in _fields(shape):
        yield from _shapes(shape.model_fields[part].annotation)
        return
    arguments = get_args(shape)
    if isinstance(part, int) and get_origin(shape) in (tuple, list) and arguments:
        yield from _shapes(arguments[0])
    elif isinstance(part, str) and get_origin(shape) in (dict, Mapping) and len(arguments) == 2:
        yield from _shapes(arguments[1])


def _shapes(annotation: Any) -> Iterator[Any]:
    """The alternatives of an annotation, without `Annotated` and `None`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _shapes(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for choice in get_args(annotation):
            yield from _shapes(choice)
    elif annotation is not type(None):
        yield annotation


def _fields(shape: Any) -> list[str]:
    return [*shape.model_fields] if isinstance(shape, type) and issubclass(shape, BaseModel) else []


def _of_kind(shapes: list[Any], node: Node | None) -> list[Any]:
    """Of several models that differ by the constant in `kind`, the one that the document names."""
    kind = node.entries.get("kind") if isinstance(node, Table) else None
    if len(shapes) < 2 or not isinstance(kind, Scalar):
        return shapes
    named = [s for s in shapes if "kind" in _fields(s) and kind.value in get_args(s.model_fields["kind"].annotation)]
    return named or shapes
