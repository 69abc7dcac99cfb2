"""The instances of one component at one site as they stand, whichever form the runbook gives them."""

from collections.abc import Mapping, Sequence
from typing import Any

from activities.providers.aws.calls import Aws
from activities.providers.aws.tags import PREFIX
from workflows.model.failure import Code, PermanentError

from .look import ABANDONED, ABSENT, EXISTS, Machine, by_id, by_tags
from .settings import Ec2Site, Launch

NAMED = 10
"""So many are named in a sentence."""


class Fleet:
    """Machines by what the runbook calls them: their identifier, or the name under which they are launched."""

    def __init__(self, keys: Sequence[str], machines: Sequence[Machine], named: bool) -> None:
        """`named` says that the keys are names; `machines` are all that the tags find, listed or not."""
        self.keys, self.found, self._named = tuple(keys), tuple(machines), named
        self.machines = {self.key(one): one for one in machines if self.key(one) in keys and not one.tag("abandoned")}

    def key(self, machine: Machine) -> str:
        """What the runbook calls it."""
        return machine.name if self._named else machine.id

    @property
    def states(self) -> dict[str, str]:
        """A state for each key."""
        return {key: self.machines[key].state if key in self.machines else ABSENT for key in self.keys}

    @property
    def facts(self) -> dict[str, Any]:
        """As JSON values."""
        return {"states": self.states, "ids": {key: one.id for key, one in self.machines.items()}}

    @property
    def gone(self) -> list[str]:
        """Listed instances that are terminated, or that AWS does not know. A name that is launched cannot be gone."""
        return [key for key, state in self.states.items() if state not in EXISTS and not self._named]

    @property
    def touched(self) -> list[Machine]:
        """All that a stop of the component would stop."""
        return [one for one in self.found if not one.tag("abandoned")]

    def in_state(self, *states: str) -> list[Machine]:
        """Those of the listed ones."""
        return [one for one in self.machines.values() if one.state in states]

    def insist_on_one_each(self) -> None:
        """Nothing is started where it is not clear what: one that is gone, or two under one name.

        Raises:
            PermanentError: NOT_FOUND or PRECONDITION_CHANGED, naming them.
        """
        if self.gone:
            raise PermanentError(
                Code.NOT_FOUND, f"Terminated, or unknown to AWS: {some(self.gone)}.", "Name others in the runbook."
            )
        keys = [self.key(one) for one in self.touched]
        twice = sorted({key for key in keys if key in self.keys and keys.count(key) > 1})
        if twice:
            raise PermanentError(
                Code.PRECONDITION_CHANGED,
                f"There is more than one instance under {some(twice)}.",
                f"Find out which is the right one, and tag the others {ABANDONED}.",
            )

    def insist_on_plan(self, planned: Mapping[str, str], wanted: Sequence[str]) -> None:
        """Each is as the plan saw it, or as it is wanted.

        Raises:
            PermanentError: PRECONDITION_CHANGED, naming the others.
        """
        changed = [
            f"{key} ({planned[key]}, now {state})"
            for key, state in self.states.items()
            if key in planned and state not in (planned[key], *wanted)
        ]
        if changed:
            raise PermanentError(
                Code.PRECONDITION_CHANGED,
                f"Since the run was planned, somebody changed {some(changed)}.",
                "Look who did, and plan again.",
            )


async def look(aws: Aws, place: Ec2Site, marks: dict[str, str], launches: Sequence[Launch]) -> Fleet:
    """Ask AWS. `marks` are the tags of what the component's steps make there."""
    if place.instances:
        return Fleet(place.instances, list((await by_id(aws, place.instances)).values()), named=False)
    by = [name for name in ("application", "component", "site") if f"{PREFIX}{name}" in marks]
    found = await by_tags(aws, marks, *by)
    # A drill's clones carry the tags of the component too: its bubble tells them apart.
    bubble = marks.get(f"{PREFIX}bubble", "")
    return Fleet([one.name for one in launches], [one for one in found if one.tag("bubble") == bubble], named=True)


def some(names: Sequence[str]) -> str:
    """The first of them, for a sentence."""
    return ", ".join(names[:NAMED]) + (" and others" if len(names) > NAMED else "")
