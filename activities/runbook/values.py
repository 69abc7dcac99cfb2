"""Fills `${name}` from the values file beside a runbook, so that one runbook serves several environments.

There are no expressions and no second round: a value that holds `${` is refused. Text that came from a value is
therefore never looked at again, and a values file cannot reach another value, the environment or a file.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from .problem import MOST_PROBLEMS, Problem, closest
from .tree import Items, Mark, Node, Plain, Scalar, Table, scalars
from .yaml_reader import Document

_PLACEHOLDER = re.compile(r"\$\{([^{}]{0,60})\}?")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_LONGEST_TEXT = 8000
_MOST_FILLED = 512 * 1024
"""Characters that all placeholders together may grow to: a list of lists would otherwise square the file's size."""


class Values:
    """What a values file holds: a flat mapping of names to single values or lists of them."""

    def __init__(self, path: Path | None) -> None:
        """None stands for no file at all."""
        self.file = path.name if path else ""
        self.found: dict[str, Scalar | Items] = {}
        self.problems: list[Problem] = []
        self._keys: Mapping[str, Mark] = {}
        if path is None:
            return
        # Settings may give the empty text a meaning (the worker's own user); whether they do is for their model to say.
        document = Document(path, empty_text=True)
        self.problems += document.problems
        if isinstance(document.tree, Table):
            self._take(document.tree)
        elif document.tree is not None:
            self._tell(
                document.tree.mark, "", "this is not a mapping of names to values", "Write one `name: value` a line."
            )

    def unused(self, used: set[str]) -> list[Problem]:
        """Warnings for the names that the runbook never asks for."""
        return [
            Problem(
                file=self.file,
                line=self._keys[name].line,
                column=self._keys[name].column,
                field=name,
                wrong="the runbook does not use this value",
                next_step="Remove the line, or use it.",
                warning=True,
            )
            for name in self.found
            if name not in used
        ]

    def _take(self, tree: Table) -> None:
        self._keys = tree.keys
        for name, node in tree.entries.items():
            mark = tree.keys[name]
            if not _NAME.fullmatch(name):
                self._tell(mark, name, "not a name for a value", "Use lower-case letters, digits and underscores.")
            elif isinstance(node, Table) or (
                isinstance(node, Items) and not all(isinstance(item, Scalar) for item in node.items)
            ):
                self._tell(mark, name, "values are single ones or lists of single ones", "Make the file flat.")
            elif any(isinstance(part.value, str) and "${" in part.value for part in scalars(node)):
                self._tell(mark, name, "a value cannot hold another placeholder", "Write the value out.")
            else:
                self.found[name] = node

    def _tell(self, mark: Mark, field: str, wrong: str, next_step: str) -> None:
        if len(self.problems) >= MOST_PROBLEMS:
            return
        self.problems.append(
            Problem(
                file=self.file, line=mark.line, column=mark.column, field=field[:80], wrong=wrong, next_step=next_step
            )
        )


class Filling:
    """One runbook's tree with its placeholders replaced; what could not be is a problem and stays as it is."""

    def __init__(self, file: str, tree: Node, values: Values) -> None:
        self.used: set[str] = set()
        self.problems: list[Problem] = []
        self._file = file
        self._values = values
        self._room = _MOST_FILLED
        self.tree = self._node(tree, "")

    def _node(self, node: Node, field: str) -> Node:
        if isinstance(node, Table):
            entries = {
                key: self._node(child, f"{field}.{key}" if field else key) for key, child in node.entries.items()
            }
            return Table(node.mark, entries, node.keys)
        if isinstance(node, Items):
            return Items(node.mark, tuple(self._node(child, f"{field}[{at}]") for at, child in enumerate(node.items)))
        if isinstance(node.value, str) and "${" in node.value:
            return self._scalar(node, node.value, field)
        return node

    def _scalar(self, node: Scalar, text: str, field: str) -> Node:
        whole = _PLACEHOLDER.fullmatch(text.strip())
        if whole and whole.group().endswith("}"):
            found = self._value(node.mark, field, whole.group(1))
            if found is None or not self._fits(node.mark, field, found):
                return node
            if isinstance(found, Items):
                items = (Scalar(node.mark, item.value, whole.group(1)) for item in scalars(found))
                return Items(node.mark, tuple(items))
            return Scalar(node.mark, found.value, whole.group(1))
        filled = _PLACEHOLDER.sub(lambda match: self._part(node.mark, field, match), text)
        if len(filled) > _LONGEST_TEXT:
            self._tell(node.mark, field, "the text is too long once its placeholders are filled", "Shorten it.")
            return node
        return Scalar(node.mark, filled, "...")

    def _fits(self, mark: Mark, field: str, node: Node) -> bool:
        if self._room >= 0:
            self._room -= sum(len(str(part.value)) + 20 for part in scalars(node))
            if self._room < 0:
                self._tell(mark, field, "the values that are filled in are too large together", "Use fewer of them.")
        return self._room >= 0

    def _part(self, mark: Mark, field: str, match: re.Match[str]) -> str:
        if not match.group().endswith("}"):
            self._tell(mark, field, "a placeholder is not closed", "Write ${name}.")
            return match.group()
        found = self._value(mark, field, match.group(1))
        if found is None:
            return match.group()
        value: Plain | None = found.value if isinstance(found, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            wrong = f"only text and whole numbers fit inside a longer text, and {match.group(1)} is neither"
            self._tell(mark, field, wrong, f"Change it in {self._values.file}.")
            return match.group()
        return str(value) if self._fits(mark, field, found) else match.group()

    def _value(self, mark: Mark, field: str, name: str) -> Scalar | Items | None:
        if not _NAME.fullmatch(name):
            self._tell(mark, field, "not a placeholder", "Write ${name}, with lower-case letters, digits, underscores.")
            return None
        self.used.add(name)
        found = self._values.found.get(name)
        if found is None and self._values.file:
            wrong = f"there is no value {name!r} in {self._values.file}"
            meant = closest(name, self._values.found) if len(self.problems) < MOST_PROBLEMS else ""
            self._tell(mark, field, wrong, "Add it there.", meant)
        elif found is None:
            wrong = f"the value {name!r} is wanted, and there is no values file beside the runbook"
            values_name = f"{self._file.removesuffix('.yaml')}.values.yaml"
            self._tell(mark, field, wrong, f"Write {values_name} with a line `{name}: ...`.")
        return found

    def _tell(self, mark: Mark, field: str, wrong: str, next_step: str, suggestion: str = "") -> None:
        if len(self.problems) >= MOST_PROBLEMS:
            return
        self.problems.append(
            Problem(
                file=self._file,
                line=mark.line,
                column=mark.column,
                field=field,
                wrong=wrong,
                next_step=next_step,
                suggestion=suggestion,
            )
        )
