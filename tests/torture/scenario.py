"""What one seed tries: the same seed gives the same scenario, for ever.

A scenario is data: which runs follow each other, in what world, what goes wrong where, what people and the platform do
to it meanwhile, and what each run must come to. `driver.py` plays it.
"""

from typing import Any, Literal

from workflows.model.base import Strict
from workflows.model.progress import RunState

Wrong = Literal["code", "stranger", "requester", "twice", "old-code", "figure"]
Deed = Literal[
    "cancel",
    "cancel-twice",
    "abort",
    "terminate",
    "reset",
    "pause",
    "rival",
    "junk",
    "flood",
    "write",
    "stop-control",
    "stop-primary",
    "stop-recovery",
    "kill-primary",
    "drill",
]

RECOVERED = (RunState.RECOVERED.value,)
UNDONE = (RunState.COMPENSATED.value,)
REFUSED = (RunState.REFUSED.value,)
STOPPED = (*UNDONE, *REFUSED)
FORWARD = (RunState.RECOVERED.value, RunState.RECOVERED_DEGRADED.value)
ANY = (*FORWARD, *STOPPED)

BEFORE_THE_ANSWER = -1.0
"""A reset to the last moment before anybody answered."""


class Trouble(Strict):
    """A fault of the world; see `tests.support.sim_world.Fault`."""

    at: str
    """A verb, or the id of a step."""
    how: str
    times: int = 1
    then: str = ""
    """What goes wrong after that, for good."""


class Act(Strict):
    """What people or the platform do, at a moment that the run itself brings about."""

    deed: Deed
    at: str
    """A verb or a step; `gate`, when people are asked; `parked`; `frozen`, when a call hangs; or `end`, when the run
    is over."""
    when: Literal["before", "after"] = "before"
    where: float = 0.5
    """Of a reset: how far into the history, 0 to 1; or `BEFORE_THE_ANSWER`."""


class Leg(Strict):
    """One run, from its start to its end."""

    workflow: str
    fields: dict[str, Any] = {}
    ends: tuple[str, ...]
    codes: tuple[str, ...] = ()
    refusal: bool = False
    """Whether this run must be refused, and would be a disaster if it were not."""
    before: tuple[str, ...] = ()
    """What becomes of the world before it; names of `worlds.py`."""
    troubles: tuple[Trouble, ...] = ()
    acts: tuple[Act, ...] = ()
    wrong: tuple[Wrong, ...] = ()
    """Answers that must be refused, given before the right ones."""
    people: Literal["approve", "reject", "silent"] = "approve"
    parked: Literal["retry", "abort", "degrade", "skip", "risk", "leave"] = "retry"
    mend: bool = True
    """Whether people mend what is broken before they answer a parked step."""
    starts: int = 1
    """How many are started at once; one of them may act."""
    repeats: bool = False
    """Whether the id of the leg before is used again."""


class Scenario(Strict):
    """What one seed tries."""

    seed: int
    name: str
    kind: str
    story: str = ""
    world: tuple[str, ...] = ()
    hot: bool = False
    forgetful: bool = False
    """The workflow worker keeps nothing in memory: as if it were killed after each record."""
    required: int = 1
    proofs: bool = False
    """Whether the runbook wants an answer to be proved. People try what is no proof first."""
    told: bool = False
    """Whether the runbook tells people, by a chat that is dead and a mail that is not set up."""
    changes: dict[str, Any] = {}
    """Fields of the runbook that are not as usual."""
    legs: tuple[Leg, ...]

    @property
    def refusals(self) -> int:
        """How many refusals it asserts."""
        wanted = sum(1 for leg in self.legs if leg.refusal or leg.starts > 1)
        answers = sum(len(leg.wrong) for leg in self.legs)
        deeds = sum(1 for leg in self.legs for act in leg.acts if act.deed in ("rival", "terminate", "junk"))
        return wanted + answers + deeds
