"""The recovery point that a running standby is: the end of what it has received."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.messages import StepRequest
from workflows.model.observed import Lag, RecoveryPoint
from workflows.model.runbook import ReplicationMode

from . import kept, ledger, lsn, observe, sql

if TYPE_CHECKING:
    from .provider import PostgresProvider


def streams(request: StepRequest) -> bool:
    """Whether the runbook wants a standby that follows all the time."""
    replication = request.target.component.replication
    return replication is None or replication.mode is ReplicationMode.CONTINUOUS


def insist(request: StepRequest) -> None:
    """Refuse what only a standby that follows can do.

    Raises:
        PermanentError: UNSUPPORTED. A server sends the last of its log, up to its own shutdown, to who is connected
            while it stops; after that only its disk has it.
    """
    replication = request.target.component.replication
    if replication is not None and not streams(request):
        raise PermanentError(
            Code.UNSUPPORTED,
            f"{request.target.name} is copied in mode {replication.mode}, and a planned move without loss wants a "
            "standby that follows.",
            "Stop its writers, bring the rest over (seawall replicate), and fail over to the recovery point that "
            "holds it, by its name; or set mode `continuous` first.",
        )


async def read(provider: "PostgresProvider", request: StepRequest) -> tuple[RecoveryPoint, dict[str, Any]]:
    """The point, and what the standby told.

    Raises:
        TemporaryError: UNREACHABLE.
        PermanentError: TARGET_UNFIT when it is no standby.
    """
    name = request.target.site
    with sql.looking("its recovery point was read"):
        async with sql.session(provider.address(name)) as connection:
            seen = await observe.facts(connection)
            if seen["role"] != "standby":
                raise PermanentError(
                    Code.TARGET_UNFIT,
                    f"The server at {name} is no standby, so there is no recovery point to choose.",
                    "Look at both sites and plan again.",
                )
            found = await kept.compare(
                connection, ledger.read(provider.ledger(request.target.name, request.target.source))
            )
    provider.same_system(request, seen)
    return _point(request, seen, found), seen


async def maybe(provider: "PostgresProvider", request: StepRequest) -> RecoveryPoint | None:
    """The point; None where no standby answers, or one that nobody keeps up to date."""
    try:
        point, seen = await read(provider, request)
    except TemporaryError:
        return None
    return point if streams(request) or seen["receiving"] else None


def _point(request: StepRequest, seen: dict[str, Any], found: kept.Kept) -> RecoveryPoint:
    ends = [lsn.parse(seen[key]) for key in ("receive_lsn", "replay_lsn") if seen[key]]
    position = lsn.text(max(ends)) if ends else "0/0"
    if found.last_acknowledged:
        loss = Lag(seconds=found.seconds, bytes=found.bytes_after(position))
    elif seen["receiving"]:
        loss = Lag(seconds=seen["lag_seconds"], bytes=seen["lag_bytes"])
    else:
        loss = Lag()
    return RecoveryPoint(
        component=request.target.name,
        site=request.target.site,
        kind="stream",
        position=position,
        timeline=seen["timeline"],
        marker=seen["marker"],
        marker_at=datetime.fromisoformat(seen["marker_at"]) if seen["marker_at"] else None,
        expected_loss=loss,
    )
