"""What the `Application` entity knows, and what runs ask of it: lease, epoch, where it is active."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from .base import Message, Name
from .plan import Operation


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
    last_outcome: str = ""
    last_ended: datetime | None = None
    rehearsal: Lease | None = None
    """The isolated drill that runs now."""
    rehearsal_run_id: str = ""
    last_drill: DrillSummary | None = None
    last_live_drill: DrillSummary | None = None
    replication: "ReplicationState | None" = None
    """What the last `Replicate` found."""


class ReplicationState(Message):
    """How far the copy is behind, as the last `Replicate` measured it."""

    at: datetime
    healthy: bool
    lag_seconds: float | None = None
    """Of the component that is furthest behind; null where one could not be measured."""
    sentence: str
    """For people: what is well, or which component is not and why."""


for _message in (Lease, ReleaseRequest, NoteReplicationRequest, ApplicationState):
    _message.model_rebuild()
