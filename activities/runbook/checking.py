"""From a path to a checked runbook: every stage runs that can, so that one reading tells all that is wrong."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path

from activities.providers.base import Provider
from activities.providers.registry import Registry
from workflows.model.failure import SeawallError
from workflows.model.proof import ProofKind
from workflows.model.runbook import Role, Runbook
from workflows.model.runbook_rules import RuleProblem, problems
from workflows.model.verbs import Verb

from .problem import MOST_PROBLEMS, Problem, closest, dotted
from .shared import parts_with_kind, spread
from .tree import Items, Mark, Node, Scalar, Table, find, place
from .validation import validate
from .values import Filling, Values
from .yaml_reader import Document

_MOST_PARTS = 200
"""A runbook with more components than this is refused: no plan of it could be read by anybody."""

_DEVICES = {
    "fence_device": (Verb.FENCE, "hold a site off", "power.http"),
    "bubble": (Verb.OPEN_BUBBLE, "open a bubble", "aws.vpc"),
}
"""What each is for, in a verb and in words, and a kind that can."""


class Reading:
    """One runbook file, read and checked. `runbook` is None when it has no valid form at all."""

    def __init__(self, path: Path, registry: Registry, *, examples: bool = False, today: date | None = None) -> None:
        """With `examples`, `<stem>.values.example.yaml` stands in for a values file that is not there."""
        self.path = path
        self.file = path.name
        self.problems: list[Problem] = []
        self.runbook: Runbook | None = None
        self.verbs: dict[str, tuple[str, ...]] = {}
        self.limits: dict[str, dict[str, timedelta]] = {}
        self.preflights: list[str] = []
        self._registry = registry
        self._roles: dict[str, Role | None] = {}
        document = Document(path)
        self.problems += document.problems
        if document.tree is not None and isinstance(document.tree, Table):
            tree = self._fill(document.tree, examples)
            assert isinstance(tree, Table)
            tree, found = spread(tree, registry.kinds, self.file)
            self.problems += found
            self._check(tree, today or datetime.now(UTC).date())
        elif document.tree is not None:
            self._tell(document.tree.mark, (), "this is not a runbook", "a mapping that begins with `application:`")
        self._sort()

    @property
    def errors(self) -> list[Problem]:
        """What makes the runbook unfit for use; the rest are warnings."""
        return [problem for problem in self.problems if not problem.warning]

    def _fill(self, tree: Table, examples: bool) -> Node:
        path = self.path.with_name(f"{self.path.stem}.values.yaml")
        example = self.path.with_name(f"{self.path.stem}.values.example.yaml")
        if not path.exists() and examples and example.exists():
            path = example
        values = Values(path if path.exists() else None)
        filling = Filling(self.file, tree, values)
        if path == example and filling.used:
            wrong = f"checked with the values of {example.name}"
            step = f"Write {self.path.stem}.values.yaml beside the runbook before it is used."
            self.problems.append(Problem(file=self.file, wrong=wrong, next_step=step, warning=True))
        self.problems += [*values.problems, *filling.problems, *values.unused(filling.used)]
        return filling.tree

    def _check(self, tree: Node, today: date) -> None:
        self.runbook, found = validate(Runbook, tree, self.file)
        self.problems += found
        components = find(tree, ("components",))
        if isinstance(components, Table) and len(components.entries) > _MOST_PARTS:
            self._tell(place(tree, ("components",)), ("components",), f"there are more than {_MOST_PARTS} components")
            return
        self._check_kinds(tree)
        self._refuse_list_of_notices(tree)
        if self.runbook is None:
            return
        if find(tree, ("approvals", "proofs")) is None:
            wanted = self.runbook.approvals.model_copy(update={"proofs": tuple(ProofKind)})
            self.runbook = self.runbook.model_copy(update={"approvals": wanted})
        for rule in problems(self.runbook, self.verbs, roles=self._roles, today=today):
            self._tell_rule(tree, rule)
        if self.runbook.application != self.path.stem:
            name = f"{self.path.stem!r}, as the file is named"
            got = f"got {self.runbook.application!r}"
            self._tell(place(tree, ("application",)), ("application",), got, name)

    def _refuse_list_of_notices(self, tree: Node) -> None:
        """The model takes a list for that of a runbook which was frozen long ago, and would silently tell nobody."""
        node = find(tree, ("notices",))
        if isinstance(node, Items):
            self._tell(node.mark, ("notices",), "got a list", "a mapping that begins with `channels:`")

    def _check_kinds(self, tree: Node) -> None:
        """The settings of each component and device, also of a runbook that has other faults."""
        for path in islice(parts_with_kind(tree), _MOST_PARTS):
            node = find(tree, (*path, "kind"))
            if not isinstance(node, Scalar) or not isinstance(node.value, str):
                continue
            provider = self._provider(node.value, node.mark, (*path, "kind"))
            if provider is None:
                continue
            self._roles[node.value] = provider.role
            self._check_device(path, provider, node.mark)
            if path[0] == "components":
                self.verbs[str(path[1])] = tuple(sorted(verb.value for verb in provider.verbs))
                if provider.preflight is not Provider.preflight:
                    self.preflights.append(str(path[1]))
                if provider.limits:
                    self.limits[str(path[1])] = {verb.value: limit for verb, limit in provider.limits.items()}
            _, found = validate(provider.Settings, tree, self.file, (*path, "settings"))
            self.problems += found

    def _check_device(self, path: tuple[str, ...], provider: type[Provider], mark: Mark) -> None:
        """A site's device is of a kind for that place. A fence device that has a role is judged by the rules."""
        if path[0] != "sites":
            return
        verb, words, example = _DEVICES[path[-1]]
        if verb not in provider.verbs and not (verb is Verb.FENCE and provider.role):
            wrong = f"the kind {provider.kind} cannot {words}"
            self._tell(mark, (*path, "kind"), wrong, next_step=f"Name one such as {example}.")

    def _provider(self, kind: str, mark: Mark, path: tuple[str | int, ...]) -> type[Provider] | None:
        known = self._registry.kinds
        if kind not in known:
            got = f"got {kind[:40]!r}"
            self._tell(mark, path, got, f"one of {', '.join(known)}", closest(kind, known))
            return None
        try:
            return self._registry.get(kind)
        except SeawallError as error:
            self._tell(mark, path, error.sentence, next_step=error.next_step)
            return None

    def _tell_rule(self, tree: Node, rule: RuleProblem) -> None:
        mark = place(tree, rule.path)
        self._tell(mark, rule.path, rule.sentence, next_step=rule.next_step, warning=rule.warning)

    def _tell(
        self,
        mark: Mark,
        path: tuple[str | int, ...],
        wrong: str,
        expected: str = "",
        suggestion: str = "",
        next_step: str = "",
        warning: bool = False,
    ) -> None:
        self.problems.append(
            Problem(
                file=self.file,
                line=mark.line,
                column=mark.column,
                field=dotted(path),
                wrong=wrong,
                expected=expected,
                suggestion=suggestion,
                next_step=next_step,
                warning=warning,
            )
        )

    def _sort(self) -> None:
        """In the order of the file. A later stage has nothing to add to a value that an earlier one refused."""
        first: dict[tuple[str, int, int, str], Problem] = {}
        refused = {(p.file, p.line, p.column) for p in self.problems if not p.warning}
        for problem in self.problems:
            place_ = (problem.file, problem.line, problem.column)
            if problem.warning and place_ in refused and problem.field:
                continue
            first.setdefault((*place_, problem.field), problem)
        ordered = sorted(first.values(), key=lambda p: (p.file != self.file, p.line, p.column))
        self.problems = ordered[:MOST_PROBLEMS]
