"""The plan: a directed graph of steps, compiled from a runbook and from what was observed."""

import hashlib
from datetime import datetime, timedelta
from enum import StrEnum

from .base import Duration, Message
from .verbs import Verb


class Operation(StrEnum):
    """What a run does."""

    FAILOVER = "failover"
    SWITCHOVER = "switchover"
    FAILBACK = "failback"
    REPROTECT = "reprotect"
    DRILL = "drill"
    REPLICATE = "replicate"


class Mode(StrEnum):
    """How a failover treats the site that it leaves."""

    UNPLANNED = "unplanned"
    PLANNED = "planned"


class Phase(StrEnum):
    """Where a step stands to the two lines of a run: the consent of people, and the point of no return."""

    PREPARE = "prepare"
    """Reversible, and unnoticed by users: runs while people decide."""
    COMMIT = "commit"
    """Reversible, but users may notice it: waits for the gate."""
    PIVOT = "pivot"
    """The promote. Once accepted, the run only goes forward."""
    FORWARD = "forward"
    """After the pivot: retried, or parked; never undone."""


class Step(Message):
    """The smallest unit that is shown, timed, retried, skipped or undone."""

    id: str
    """`component.verb`, unique in the plan, and part of the idempotency key."""
    verb: Verb
    words: str
    """At most 50 characters without Markdown: what the Web UI's timeline shows."""
    component: str | None = None
    site: str
    """The site on which the step acts."""
    worker: str
    """Whose worker runs it: a site's name, or `control`."""
    needs: tuple[str, ...] = ()
    phase: Phase
    undo: Verb | None = None
    undo_words: str = ""
    timeout: Duration = timedelta(minutes=2)
    """After which the step, with all its retries, counts as failed or unknown."""
    expected: float = 1.0
    """Seconds that it is likely to take: for the critical path and the forecast."""
    critical: bool = True


class Plan(Message):
    """What a run will do. Steps stand in an order in which each comes after all that it needs."""

    operation: Operation
    mode: Mode
    application: str
    source: str
    target: str
    steps: tuple[Step, ...]
    at: datetime | None = None
    """The agreed time of the cutover; at once when null."""

    def step(self, step_id: str) -> Step:
        """The step of that id; KeyError when there is none."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)

    @property
    def hash(self) -> str:
        """SHA-256 of the plan's canonical JSON: what an approval is bound to."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()
