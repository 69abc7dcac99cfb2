"""What is at the standby, what taking it would lose, and bringing it as far as it can come."""

import asyncio
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Lag, RecoveryPoint

from . import kept, ledger, lsn, observe, sql

if TYPE_CHECKING:
    from .provider import PostgresProvider

_PROGRESS = """
select pg_is_in_recovery() as standby,
       case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end::text as replayed,
       case when pg_is_in_recovery() then greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) end::text
           as received,
       case when pg_is_in_recovery() then pg_is_wal_replay_paused() else false end as paused
"""


async def choose(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """The end of what the standby has received, and what of the acknowledged writes is not in it."""
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
    point = _point(request, seen, found)
    loss = point.expected_loss.seconds
    return StepResult(
        detail=f"Stream up to {point.position}; expected loss: {in_words(loss)}.",
        changed=False,
        after={key: seen[key] for key in ("receive_lsn", "replay_lsn", "timeline", "receiving", "lag_bytes")},
        point=point,
    )


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


async def catch_up(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """Wait until the standby has replayed up to `request.position`, or all that it has received."""
    name = request.target.site
    started = time.monotonic()
    watch = _Watch(provider, request)
    with sql.looking("it caught up"):
        async with sql.session(provider.address(name)) as connection:
            first = state = await sql.row(connection, _PROGRESS)
            while not watch.there(state):
                watch.beat(state)
                await asyncio.sleep(0.003)
                state = await sql.row(connection, _PROGRESS)
    return StepResult(
        detail=f"Replayed up to {state['replayed']} in {in_words(time.monotonic() - started)}.",
        changed=first["replayed"] != state["replayed"],
        before={"lsn": first["replayed"], "receive_lsn": first["received"]},
        after={"lsn": state["replayed"], "receive_lsn": state["received"]},
    )


class _Watch:
    """Progress of one catch-up: how much is missing, how fast it shrinks, and whether it stands still."""

    def __init__(self, provider: "PostgresProvider", request: StepRequest) -> None:
        self._provider = provider
        self._site = request.target.site
        self._position = lsn.parse(request.position) if request.position else None
        self._began = self._moved = time.monotonic()
        self._start: int | None = None
        self._last = (0, 0)
        self._goal = 0

    def there(self, state: dict[str, Any]) -> bool:
        """Whether it is where it must be. A server that was promoted has replayed all that it had."""
        replayed = lsn.parse(state["replayed"] or "0/0")
        received = lsn.parse(state["received"] or "0/0")
        self._goal = received if self._position is None else self._position
        if (replayed, received) != self._last:
            self._last, self._moved = (replayed, received), time.monotonic()
        if self._start is None:
            self._start = replayed
        return replayed >= self._goal

    def beat(self, state: dict[str, Any]) -> None:
        """Tell progress, or give up.

        Raises:
            PermanentError: TARGET_UNFIT, when it stands still short of the goal, or was promoted short of it.
            TemporaryError: UNREACHABLE, when it moves but not fast enough for this attempt.
        """
        settings, now = self._provider.settings, time.monotonic()
        missing = self._goal - self._last[0]
        if not state["standby"] or now - self._moved > settings.stall_timeout.total_seconds():
            why = "its replay is paused" if state["paused"] else "nothing more arrives"
            raise PermanentError(
                Code.TARGET_UNFIT,
                f"The standby at {self._site} stands still {missing} bytes short of {lsn.text(self._goal)}: "
                f"{why if state['standby'] else 'it is no standby any more'}.",
                "Mend replication (or resume replay), then retry.",
            )
        if now - self._began > settings.catch_up_timeout.total_seconds():
            raise TemporaryError(
                Code.UNREACHABLE, f"The standby at {self._site} is still {missing} bytes short.", "Wait, then retry."
            )
        gained = self._last[0] - (self._start or 0)
        eta = f", about {in_words(missing * (now - self._began) / gained)} left" if gained > 0 else ""
        self._provider.context.heartbeat(f"{missing} bytes to replay{eta}")
