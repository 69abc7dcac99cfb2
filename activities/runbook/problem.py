"""What is wrong with a runbook, and where."""

import difflib
from collections.abc import Iterable
from itertools import islice

from workflows.model.base import Message

MOST_PROBLEMS = 100
"""More than this are not told: whoever wrote the file has enough to do, and hostile input gains nothing."""
_MOST_COMPARED = 300


class Problem(Message):
    """One thing that is wrong at one place of a file. Lines and columns count from 1."""

    file: str
    line: int = 1
    column: int = 1
    field: str = ""
    """The path, such as `components.db.replication.mode`; empty for the file as a whole."""
    wrong: str
    expected: str = ""
    suggestion: str = ""
    """The word that was probably meant."""
    next_step: str = ""
    warning: bool = False
    """A warning never stops a recovery; anything else does."""

    @property
    def sentence(self) -> str:
        """What was wrong, what was expected, and what to do next."""
        words = f"expected {self.expected}; {self.wrong}" if self.expected else self.wrong
        words = words if words.endswith((".", "?")) else f"{words}."
        if self.suggestion:
            words = f"{words} Did you mean {self.suggestion!r}?"
        return f"{words} {self.next_step}".strip()

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}"
        return f"{place} {self.field}: {self.sentence}" if self.field else f"{place}: {self.sentence}"


def closest(word: str, known: Iterable[str]) -> str:
    """The known word that `word` was probably meant to be; empty when none is near."""
    found = difflib.get_close_matches(word[:80], islice(known, _MOST_COMPARED), n=1, cutoff=0.6)
    return found[0] if found else ""


def dotted(path: Iterable[str | int]) -> str:
    """A path as people read it: `components.app.checks.primary[0].url`."""
    words = ""
    for part in path:
        words += f"[{part}]" if isinstance(part, int) else f".{part}" if words else part
    return words
