"""What a request means, by its runbook and its mode."""

from workflows.model.messages import StepRequest
from workflows.model.plan import Mode
from workflows.model.runbook import ReplicationMode


def streams(request: StepRequest) -> bool:
    """Whether a replica runs at the other site."""
    replication = request.target.component.replication
    return replication is not None and replication.mode is ReplicationMode.CONTINUOUS


def moves_as_planned(request: StepRequest) -> bool:
    """Whether this is a step of a planned move; a replication asks in the same mode, and has not looked before."""
    return request.mode is Mode.PLANNED and request.before is not None
