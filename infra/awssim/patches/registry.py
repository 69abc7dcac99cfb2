"""The list of what is patched; the table of docs/awssim.md is made from it."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Function = Callable[..., Any]


@dataclass(frozen=True)
class Patch:
    """One method of moto that behaves otherwise here, or that it lacks."""

    service: str
    operations: tuple[str, ...]
    does: str
    owner: type
    method: str
    function: Function

    def apply(self) -> None:
        """Put our function in the method's place; it is given the original first."""
        original = getattr(self.owner, self.method, _nothing)

        @functools.wraps(original)
        def instead(this: Any, *args: Any, **kwargs: Any) -> Any:
            return self.function(original, this, *args, **kwargs)

        setattr(self.owner, self.method, instead)


def _nothing(this: Any) -> Any:
    """In the place of a method that moto lacks; never called."""
    raise NotImplementedError


PATCHES: list[Patch] = []


def patch(owner: type, method: str, service: str, *operations: str) -> Callable[[Function], Function]:
    """Registers a function in place of moto's method. The first line of its docstring is what the table says of it."""

    def register(function: Function) -> Function:
        does = (function.__doc__ or "").strip().splitlines()[0]
        PATCHES.append(Patch(service, operations, does, owner, method, function))
        return function

    return register
