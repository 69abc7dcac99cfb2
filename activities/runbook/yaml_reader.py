"""Reads a YAML file that may be hostile.

Nothing is composed before it is known to be harmless: the size is checked before the file is read, and depth, count,
anchors, aliases and tags are checked on the parser's stream of events, so that a bomb is refused at its first anchor.
"""

import os
import re
import stat
from pathlib import Path
from typing import NoReturn

import yaml

from .problem import MOST_PROBLEMS, Problem, dotted
from .scalars import TrapError, meaning
from .tree import Items, Mark, Node, Plain, Scalar, Table

LARGEST_FILE = 256 * 1024
MOST_NODES = 20_000
DEEPEST = 40

# Besides control characters: separators that only YAML takes for the end of a line, and the marks that make an editor
# show text in another order than it is read.
_UNFIT = re.compile(
    "[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|[\u2028-\u202e\u2066-\u2069]"
)


class _StopError(Exception):
    """Reading on would be unsafe or senseless."""


class Document:
    """One YAML file: its tree (None when it could not be read to its end) and all that is wrong with it."""

    def __init__(self, path: Path, *, empty_text: bool = False) -> None:
        """With `empty_text`, an explicit `""` is a value; nothing at all after a key never is."""
        self.file = path.name
        self._empty_text = empty_text
        self.problems: list[Problem] = []
        self.tree: Node | None = None
        self._path: list[str | int] = []
        self._nodes = 0
        try:
            # libyaml, not PyYAML's own scanner: that one takes a third of a second to refuse 5,000 opening brackets.
            # Only its events are used; nothing is ever constructed.
            self._parser = yaml.CSafeLoader(self._text(path))
            self.tree = self._document()
        except _StopError:
            pass
        except yaml.YAMLError as error:
            self._tell_syntax(error)
        except RecursionError:
            self._tell("the file is nested too deeply to be read")

    def _text(self, path: Path) -> str:
        raw = self._bytes(path)
        try:
            text = raw.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            before = raw[: error.start]
            mark = Mark(before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1)
            self._stop("this is not UTF-8 text", mark, "Save the file as UTF-8.")
        if unfit := _UNFIT.search(text):
            start = unfit.start()
            mark = Mark(text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start))
            self._stop(f"the character U+{ord(unfit.group()):04X} cannot be seen or misleads", mark, "Remove it.")
        return text

    def _bytes(self, path: Path) -> bytes:
        try:
            # Without O_NONBLOCK the opening of a named pipe would wait for a writer for ever.
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a valid path"
            self._stop(f"the file cannot be read ({reason})", next_step="Check its name and its permissions.")
        try:
            state = os.fstat(handle)
            if not stat.S_ISREG(state.st_mode):
                self._stop("this is not a regular file", next_step="Name a .yaml file.")
            # One byte more than allowed: the file may have grown since its size was asked.
            raw = b"" if state.st_size > LARGEST_FILE else os.read(handle, LARGEST_FILE + 1)
        finally:
            os.close(handle)
        if state.st_size > LARGEST_FILE or len(raw) > LARGEST_FILE:
            self._stop(f"the file is larger than {LARGEST_FILE // 1024} KiB", next_step="Make it smaller.")
        return raw

    def _document(self) -> Node | None:
        self._next()
        start = self._next()
        if isinstance(start, yaml.StreamEndEvent):
            self._stop("the file is empty", next_step="docs/runbooks.md and docs/roles.md show what belongs into it.")
        if isinstance(start, yaml.DocumentStartEvent) and (start.version or start.tags):
            self._stop("a % directive is not allowed", Mark(1, 1), "Remove the line that starts with %.")
        tree = self._node(self._next(), 1)
        self._next()
        rest = self._next()
        if not isinstance(rest, yaml.StreamEndEvent):
            self._tell("a second document begins here", _mark(rest), "Keep one document in a file.")
        return tree

    def _next(self) -> yaml.Event:
        return self._parser.get_event() or yaml.StreamEndEvent()

    def _node(self, event: yaml.Event, depth: int) -> Node:
        mark = _mark(event)
        self._refuse_hostile(event, mark, depth)
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(mark, self._value(event, mark))
        if isinstance(event, yaml.SequenceStartEvent):
            return self._items(mark, depth)
        return self._table(mark, depth)

    def _refuse_hostile(self, event: yaml.Event, mark: Mark, depth: int) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            self._stop(f"the file holds more than {MOST_NODES} values", mark, "Make it smaller.")
        if depth > DEEPEST:
            self._stop(f"the file is nested more than {DEEPEST} levels deep", mark, "Make it flatter.")
        if isinstance(event, yaml.AliasEvent):
            self._stop("an alias (*) is not allowed", mark, "Write the value out, or quote it if it is text.")
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            self._stop("an anchor (&) is not allowed", mark, "Write the value out, or quote it if it is text.")
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            self._stop("a tag (!) is not allowed", mark, "Remove it, or quote the value if it is text.")

    def _items(self, mark: Mark, depth: int) -> Items:
        items: list[Node] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            self._path.append(len(items))
            items.append(self._node(event, depth + 1))
            self._path.pop()
        return Items(mark, tuple(items))

    def _table(self, mark: Mark, depth: int) -> Table:
        table = Table(mark, {}, {})
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event, table)
            value_event = self._next()
            self._path.append(key)
            value = self._node(value_event, depth + 1)
            self._path.pop()
            if key not in table.entries:
                table.entries[key] = value
                table.keys[key] = _mark(event)
        return table

    def _key(self, event: yaml.Event, table: Table) -> str:
        mark = _mark(event)
        self._refuse_hostile(event, mark, 1)
        if not isinstance(event, yaml.ScalarEvent):
            advice = "Quote ${...} inside [...] and {...}, and write plain names before the colon."
            self._stop("a list or a mapping cannot be a key", mark, advice)
        key: str = event.value
        if key in table.entries:
            self._path.append(key)
            self._tell("this key stands twice", mark, f"The first is at line {table.keys[key].line}; remove one.")
            self._path.pop()
        elif key == "<<" and event.implicit[0]:
            self._tell("a merge key (<<) is not allowed", mark, "Write the fields out.")
        elif not key.strip():
            self._tell("a blank key", mark, "Write a name before the colon.")
        elif "${" in key:
            self._tell("a placeholder cannot stand in a key", mark, "Write the name out.")
        elif event.implicit[0]:
            self._check_plain_key(key, mark)
        return key

    def _check_plain_key(self, key: str, mark: Mark) -> None:
        try:
            if not isinstance(meaning(key), str):
                self._tell(f"the key {key[:40]!r} is not text", mark, "Quote it.")
        except TrapError as trap:
            self._tell(trap.wrong, mark, trap.advice)

    def _value(self, event: yaml.ScalarEvent, mark: Mark) -> Plain:
        text: str = event.value
        if not text.strip() and not (self._empty_text and not text and not event.implicit[0]):
            self._tell("blank", mark, "Write a value or remove the line.")
        elif not text.isprintable() and _UNFIT.search(text):
            self._tell("the text holds a character that cannot be seen or misleads", mark, "Remove it.")
        elif event.implicit[0]:
            try:
                return meaning(text)
            except TrapError as trap:
                self._tell(trap.wrong, mark, trap.advice)
        return text

    def _tell(self, wrong: str, mark: Mark | None = None, next_step: str = "") -> None:
        where = mark or Mark(1, 1)
        field = dotted(self._path)[:200]
        self.problems.append(
            Problem(file=self.file, line=where.line, column=where.column, field=field, wrong=wrong, next_step=next_step)
        )
        if len(self.problems) >= MOST_PROBLEMS:
            raise _StopError

    def _stop(self, wrong: str, mark: Mark | None = None, next_step: str = "") -> NoReturn:
        self._tell(wrong, mark, next_step)
        raise _StopError

    def _tell_syntax(self, error: yaml.YAMLError) -> None:
        spot = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        mark = Mark(spot.line + 1, spot.column + 1) if spot else Mark(1, 1)
        what = str(getattr(error, "problem", None) or "not valid YAML")
        advice = "Check the indentation, and quote ${...} inside [...] and {...}."
        self.problems.append(
            Problem(file=self.file, line=mark.line, column=mark.column, wrong=f"YAML: {what}", next_step=advice)
        )


def _mark(event: yaml.Event) -> Mark:
    start = event.start_mark
    return Mark(start.line + 1, start.column + 1) if start else Mark(1, 1)
