"""How far behind the replica is, told by a marker that is seen to arrive; what a replica says of itself proves
nothing."""

import asyncio
import contextlib
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from activities.providers.base import now
from activities.providers.volume import capacity
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError, SeawallError
from workflows.model.messages import StepRequest, StepResult

from . import marker, observe, sides, sql

if TYPE_CHECKING:
    from .provider import PostgresProvider

ORIGIN = "lag-probe"
_INSERT = """
insert into seawall.marker (number, at, origin)
select coalesce(max(number), 0) + 1, %s, %s from seawall.marker returning number
"""
_SEEN = """
select exists (select from seawall.marker where number = %s and at = %s) as seen,
       pg_wal_lsn_diff(%s::pg_lsn, pg_last_wal_replay_lsn())::bigint as missing
"""
_RECEIVED = "select pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')::bigint as received"
_TRIES = 20


async def measure(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """Write one marker where the data serve, and wait for it at the replica."""
    found = await sides.find(provider, request)
    number, at, position = await _mark(provider, found.primary)
    began = time.monotonic()
    limit = provider.settings.freshness_timeout.total_seconds()
    missing: int | None = None
    while time.monotonic() - began < limit:
        with contextlib.suppress(sql.Unreachable, TimeoutError, psycopg.OperationalError):
            async with sql.session(provider.address(found.standby)) as connection:
                while time.monotonic() - began < limit:
                    seen = await sql.row(connection, _SEEN, (number, at, position))
                    missing = seen["missing"] if missing is None else missing
                    if seen["seen"]:
                        return await _fresh(provider, found, number, time.monotonic() - began, missing)
                    provider.context.heartbeat(f"waiting for marker {number} at {found.standby}")
                    await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)
    raise await _frozen(provider, request, found, number, limit)


async def capacity_of(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """Room on the volume of the data directory, and how far the log has come in."""
    name = request.target.target
    site = provider.local(name)
    received: int | None = None
    # A copy that is not running (warm, cold) has a volume all the same.
    with contextlib.suppress(sql.Unreachable, TimeoutError, psycopg.Error):
        async with sql.session(provider.address(name)) as connection:
            received = (await sql.row(connection, _RECEIVED))["received"]
    return await asyncio.to_thread(capacity, Path(site.data_dir), received)


async def _mark(provider: "PostgresProvider", primary: str) -> tuple[int, datetime, str]:
    """The marker's number and time, and where the log stood after it. Its commit waits for no standby: a frozen one is
    what is looked for."""
    provider.context.still_mine()
    with sql.looking("a marker was written"):
        async with sql.session(provider.address(primary)) as connection:
            await sql.rows(connection, "set synchronous_commit = local")
            for _ in range(_TRIES):
                at = now()
                try:
                    number = (await sql.row(connection, _INSERT, (at, ORIGIN)))["number"]
                except psycopg.errors.UniqueViolation:
                    # The prober took the number in the same instant.
                    await asyncio.sleep(0.01)
                except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
                    await sql.rows(connection, marker.SCHEMA)
                    await sql.rows(connection, marker.TABLE)
                else:
                    position = (await sql.row(connection, "select pg_current_wal_lsn()::text as lsn"))["lsn"]
                    return number, at, position
    raise PermanentError(
        Code.CHECK_FAILED, f"No marker could be written at {primary}.", "Look at who writes into seawall.marker."
    )


async def _fresh(
    provider: "PostgresProvider", found: sides.Sides, number: int, seconds: float, missing: int | None
) -> StepResult:
    claims = await _claims(provider, found.standby)
    behind = max(0, missing or 0)
    return StepResult(
        detail=f"Marker {number} of {found.primary} was seen at {found.standby} after {in_words(seconds)}.",
        changed=False,
        after={"lag_seconds": seconds, "lag_bytes": behind, "marker": number, "replica_claims": claims},
    )


async def _claims(provider: "PostgresProvider", standby: str) -> dict[str, Any]:
    """What the replica says of itself; empty when it says nothing."""
    try:
        async with sql.session(provider.address(standby)) as connection:
            facts = await observe.facts(connection)
    except (sql.Unreachable, TimeoutError, psycopg.Error, SeawallError):
        return {}
    names = ("receiving", "replay_paused", "lag_seconds", "lag_bytes", "replay_lsn", "marker", "marker_at")
    return {name: facts.get(name) for name in names}


async def _frozen(
    provider: "PostgresProvider", request: StepRequest, found: sides.Sides, number: int, limit: float
) -> PermanentError:
    claims = await _claims(provider, found.standby)
    if not claims:
        newest, says = "it does not answer", "nothing"
    else:
        age = (now() - datetime.fromisoformat(claims["marker_at"])).total_seconds() if claims["marker_at"] else None
        marked = f"the newest there is {claims['marker']}, {in_words(age)} old"
        newest = marked if claims["marker"] is not None else "there is none at all there"
        says = "streaming" if claims["receiving"] else "not receiving"
        says += ", replay paused" if claims["replay_paused"] else ""
    return PermanentError(
        Code.REPLICA_FROZEN,
        f"The replica of {request.target.name} at {found.standby} has not shown marker {number} within "
        f"{in_words(limit)}: {newest}, and it says of itself: {says}.",
        "Resume its replay or rebuild it; do not move to it.",
    )
