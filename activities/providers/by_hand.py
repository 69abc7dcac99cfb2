"""What a person types in the place of a verb, on the day when nothing is there that would do it.

Invariant: no secret stands in a command. A command names the environment variable or the file of its secret, and never
puts the value on another program's command line, where everybody on the machine could read it.
"""

import re
import shlex
from collections.abc import Sequence

from workflows.model.base import Message, SecretRef


class Command(Message):
    """One command line for bash."""

    line: str
    why: str
    """What it tells or does, as a sentence."""
    shows: str = ""
    """Text that its output must hold; where it does not, `otherwise` holds."""
    otherwise: str = ""
    """What another output means, and what to do then."""


class ByHand(Message):
    """One step by hand: look whether it is done already, act, and look whether it is done now."""

    look: tuple[Command, ...] = ()
    act: tuple[Command, ...] = ()
    """Each of them may be typed twice without harm, unless its `why` says otherwise."""
    after: tuple[Command, ...] = ()
    undo: tuple[Command, ...] = ()
    notes: tuple[str, ...] = ()
    """What to mind; where there are no commands, why not, and what to do instead."""
    secrets: tuple[str, ...] = ()
    """Where the secrets are that the commands name, in words."""

    @property
    def commands(self) -> tuple[Command, ...]:
        """All of them, in the order in which they are typed."""
        return (*self.look, *self.act, *self.after, *self.undo)


def shell(words: Sequence[str]) -> str:
    """A command line of these words, each taken literally."""
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    """Double quotes around what holds single ones, where nothing in it means anything there: easier to type."""
    return f'"{word}"' if "'" in word and not _MEANT.search(word) else shlex.quote(word)


_MEANT = re.compile(r'["$`\\!\n]')


def secret_value(ref: SecretRef) -> str:
    """What the shell puts in the place of the secret; stands inside double quotes."""
    return f"${ref.env}" if ref.env is not None else f"$(cat {shlex.quote(ref.file or '')})"


def secret_place(ref: SecretRef, what: str) -> str:
    """Where it is found: `the environment variable X (password of the database)`."""
    place = f"the environment variable {ref.env}" if ref.env is not None else f"the file {ref.file}"
    return f"{place} ({what})"
