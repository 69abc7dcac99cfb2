"""What the commands share: one connection, and output for people or for programs."""

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console
    from temporalio.client import Client

T = TypeVar("T")


def with_client(action: "Callable[[Client], Awaitable[T]]") -> T:
    """Connect to Temporal, do something, and end cleanly."""
    import asyncio

    from workers.connect import connect
    from workers.settings import read_settings

    async def run() -> T:
        return await action(await connect(read_settings()))

    return asyncio.run(run())


def print_json(model: "BaseModel") -> None:
    """A model on standard output, as indented JSON."""
    sys.stdout.write(f"{model.model_dump_json(indent=2)}\n")


def show_pair(variable: str, advice: str) -> None:
    """A new pair of keys for signing: the private one for that variable, and the public one."""
    from activities.keys import new_pair

    private, public = new_pair()
    console().print(f"{variable}={private}", soft_wrap=True)
    console().print(f"public: {public}", soft_wrap=True)
    console(to_stderr=True).print(advice)


def console(to_stderr: bool = False) -> "Console":
    """Where people read."""
    from rich.console import Console

    return Console(stderr=to_stderr, highlight=False)


def me() -> str:
    """Who runs this command, as far as the machine knows; a claim, not a proof."""
    import getpass

    try:
        return getpass.getuser()
    except OSError:
        return "unknown"
