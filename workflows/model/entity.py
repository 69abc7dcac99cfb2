"""What the `Application` entity knows, and what runs ask of it: lease, epoch, where it is active."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from .base import Message, Name
from .plan import Mode, Operation
from .proof import SpentProof


def application_workflow_id(application: str) -> str:
    """The id of the one `Application` workflow of an application."""
    return f"application/{application}"


PREEMPTION = "a real run has begun"
"""The reason with which the entity cancels a rehearsal; the server puts words of its own before it."""


class Lease(Message):
    """The right to change an application, and the epoch that every change under it carries."""

    application: str
    epoch: int
    holder: str
    operation: Operation
    active_site: str
    since: datetime
    protected: bool = True
    """Whether replication ran away from the active site when the lease was given."""
    last_drill: "DrillSummary | None" = None
    """The drill of the same sort before this one."""
    adopted: "Orphan | None" = None
    """The run from which this lease was taken over, and what stands of it."""
    last_failover: datetime | None = None
    """When the last failover that moved the application ended."""
    others: tuple[str, ...] | None = None
    """Runs of other applications that were open when the lease was asked for; null where nobody could tell."""
    used_codes: tuple[str, ...] = ()
    """Approval codes of other runs: a new one must not look like one of them."""


class UsedApproval(Message):
    """A code with which somebody let a run pass its gate. It is kept outside the run, which a reset rewinds."""

    code: str
    approver: str
    holder: str
    run_id: str
    step: str
    at: datetime


class Ending(Message):
    """How a run that was watched ended, as far as the server and its last progress tell."""

    how: str
    """`terminated`, `reset`, `completed`, `failed`, `timed out`, `cancelled` or `not found`."""
    by: str = ""
    """Who ended it, as their client claimed; empty when that is not told."""
    reason: str = ""
    at: datetime | None = None
    mode: Mode | None = None
    target: str = ""
    standing: tuple[str, ...] | None = None
    """Effects that stand, or may, in words; null when the run could not be asked any more."""
    moving: bool = True
    """Whether anything that users notice had been begun and not undone, as far as known."""


class Orphan(Message):
    """A lease whose run has ended without giving it back. What that run did may stand."""

    holder: str
    epoch: int
    operation: Operation
    noticed: datetime
    ending: Ending

    @property
    def told(self) -> str:
        """One sentence: which run ended, how, when, by whom and why."""
        ending = self.ending
        at = f" at {ending.at:%Y-%m-%d %H:%M:%S} UTC" if ending.at else ""
        by = f" by {ending.by}" if ending.by else ""
        why = f": {ending.reason}" if ending.reason else ""
        how = {"not found": "is not known to the server", "completed": "ended", "failed": "failed"}
        return (
            f"{self.holder} (epoch {self.epoch}) {how.get(ending.how, f'was {ending.how}')}{at}{by}{why}, and did not "
            "give the lease back."
        )

    @property
    def left(self) -> str:
        """What that run did and nobody has undone, as far as known."""
        standing = self.ending.standing
        if standing is None:
            return "What it did is not known: look at both sites."
        return f"What it did stands: {'; '.join(standing)}." if standing else "It had changed nothing yet."


class WatchRequest(Message):
    """Wait until this execution is not running any more."""

    holder: str
    run_id: str


class AcquireRequest(Message):
    """Ask for the lease. Asking again with the same holder and run gives the same lease."""

    application: str
    holder: str
    holder_run_id: str
    operation: Operation
    home: str
    sites: tuple[str, ...]
    rehearsal: bool = False
    """An isolated drill: it changes nothing of the application, gives way to every real run, and never runs beside
    one."""
    floor: int = 0
    """The highest epoch that was seen standing in the world: the lease's epoch is above it, even where the entity
    itself has lost its memory."""
    adopts: int | None = None
    """The epoch of the orphaned lease that is taken over; null to take a free one."""
    approvals: tuple[UsedApproval, ...] = ()
    """With which people have just let the run pass its gate."""


class ReleaseRequest(Message):
    """Give the lease back, and say where the application is active now."""

    application: str
    holder: str
    epoch: int
    active_site: str
    outcome: str
    protected: bool | None = None
    """Whether replication runs away from the active site now; null leaves it as it was."""
    drill: "DrillSummary | None" = None
    """Of a drill: what the next one is compared with."""


class FinishedByHand(Message):
    """A person tells what became of a run that was lost, after the world was looked at."""

    application: str
    run: str
    epoch: Annotated[int, Field(ge=1)]
    active_site: Name
    protected: bool
    by: Annotated[str, Field(min_length=1, max_length=80)]
    reason: Annotated[str, Field(min_length=3, max_length=500)]


class DrillSummary(Message):
    """What is remembered of a drill."""

    workflow_id: str
    live: bool = False
    ended: datetime
    end_state: str
    rta_seconds: float | None = None
    rpa_seconds: float | None = None
    fidelity: float | None = None
    """Share of the steps that were done for real, 0 to 1."""


class NoteDrillRequest(Message):
    """Let an application remember a drill."""

    application: str
    drill: DrillSummary


class ParentRequest(Message):
    """Which workflow started this one."""

    workflow_id: str
    run_id: str


class NoteReplicationRequest(Message):
    """Let an application know how far its copy is behind."""

    application: str
    found: "ReplicationState"


class ApplicationState(Message):
    """What the `Application` workflow knows; also its own input when it continues as new."""

    application: str
    active_site: str = ""
    epoch: int = 0
    lease: Lease | None = None
    holder_run_id: str = ""
    protected: bool = True
    """False after a failover until replication runs in the new direction."""
    last_run: str = ""
    last_run_id: str = ""
    ended_runs: dict[str, str] = {}
    """The runs that held the lease before, and the execution of each: an id is not used again."""
    last_outcome: str = ""
    last_ended: datetime | None = None
    rehearsal: Lease | None = None
    """The isolated drill that runs now."""
    rehearsal_run_id: str = ""
    last_drill: DrillSummary | None = None
    last_live_drill: DrillSummary | None = None
    replication: "ReplicationState | None" = None
    """What the last `Replicate` found."""
    orphan: Orphan | None = None
    """Set while the lease's run is known to have ended without giving it back."""
    used_approvals: tuple[UsedApproval, ...] = ()
    """The newest last."""
    spent_proofs: tuple[SpentProof, ...] = ()
    """The newest last."""
    spent_seals: tuple[SpentProof, ...] = ()
    """Pairs of sealed codes that were used: never forgotten."""
    wrong_proofs: dict[str, tuple[datetime, ...]] = {}
    """By person: when the last wrong ones were tried."""
    last_failover: datetime | None = None
    """When the last failover that moved the application ended."""
    schedules_held_for: str = ""
    """The run for which the application's schedules are paused; empty when they are on."""
    schedules_settled: bool = True
    """Whether the schedules are known to stand so."""


class ReplicationState(Message):
    """How far the copy is behind, as the last `Replicate` measured it."""

    at: datetime
    healthy: bool
    lag_seconds: float | None = None
    """Of the component that is furthest behind; null where one could not be measured."""
    sentence: str
    """For people: what is well, or which component is not and why."""
    copies: tuple["CopyState", ...] = ()
    """One for each data component."""


class CopyState(Message):
    """One component's copy, as the last `Replicate` found it; null is not measured."""

    component: str
    lag_seconds: float | None = None
    free_bytes: int | None = None
    """On the volume that holds the copy."""
    volume_bytes: int | None = None
    received_bytes: int | None = None
    """A counter of what has come in, where it streams: its rise from one turn to the next is the throughput."""
    bytes_per_second: float | None = None
    """What came in, on the average since the last turn; of a copy that is made now and then, while it was made."""


for _message in (ReplicationState, Lease, AcquireRequest, ReleaseRequest, NoteReplicationRequest, ApplicationState):
    _message.model_rebuild()
