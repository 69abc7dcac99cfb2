"""Let a standby accept writes, under a new epoch.

`pg_promote` itself is asked not to wait, since it looks only ten times a second. The configuration is not reloaded
before: that can stall the promotion for a whole `wal_retrieve_retry_interval`.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Any

import psycopg

from workflows.model.failure import Code, OutcomeUnknownError, PermanentError
from workflows.model.messages import StepRequest, StepResult

from . import epoch, lsn, restore, sql
from .epoch import Standing

if TYPE_CHECKING:
    from .provider import PostgresProvider

_STATE = """
select pg_is_in_recovery() as standby,
       (select system_identifier::text from pg_control_system()) as system_identifier,
       case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end::text as lsn,
       current_setting('synchronous_standby_names') as synchronous_standby_names
"""
_AFTER = """
select pg_current_wal_lsn()::text as lsn,
       ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int as timeline,
       current_setting('synchronous_standby_names') as synchronous_standby_names
"""
_PENDING = "select (pg_stat_file('promote', true)).size is not null as pending, pg_is_in_recovery() as standby"


async def promote(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """Promote `target.site`, write the epoch, and let commits go without the standby that is gone."""
    name = request.target.site
    with sql.looking("it was asked for its role"):
        connection = await sql.connect(provider.address(name))
    try:
        with sql.looking("it was asked for its role"):
            state = await sql.row(connection, _STATE)
            stands = await epoch.read(connection)
        _may_promote(provider, request, state, stands)
        if state["standby"]:
            provider.context.still_mine()
            await _call(request, connection)
            connection = await _wait(provider, request, connection)
        after = await _finish(provider, request, connection)
    finally:
        await connection.close()
    provider.drop_old_fence(name, request.ref.epoch)
    return StepResult(
        detail=f"Primary on timeline {after['timeline']} under epoch {request.ref.epoch}.",
        changed=bool(state["standby"]),
        before=_before(request, state, stands),
        after={"role": "primary", "epoch": request.ref.epoch} | after,
    )


def _before(request: StepRequest, state: dict[str, Any], stands: Standing | None) -> dict[str, Any]:
    seen = request.before.facts if request.before else {}
    names = state["synchronous_standby_names"] or seen.get("synchronous_standby_names", "")
    return {
        "role": "standby",
        "lsn": state["lsn"] if state["standby"] else seen.get("lsn"),
        "timeline": seen.get("timeline"),
        "epoch": seen.get("epoch", stands.epoch if stands and state["standby"] else None),
        "synchronous_standby_names": names,
    }


def _may_promote(
    provider: "PostgresProvider", request: StepRequest, state: dict[str, Any], stands: Standing | None
) -> None:
    name, ours = request.target.site, request.ref.epoch
    if stands and stands.epoch > ours:
        raise epoch.stale(name, stands.epoch, ours)
    provider.same_system(request, state)
    was = request.before.facts.get("role") if request.before else None
    if not state["standby"]:
        by_us = stands is not None and (stands.epoch, stands.run) == (ours, request.ref.key)
        # Between the promotion and its epoch row an attempt can die: then only `before` tells that it was ours, or
        # that there was nothing before we restored it.
        unfinished = (was == "standby" or _restored(provider, request)) and (stands is None or stands.epoch < ours)
        # A run that was taken over may have died between them too; nobody else held the application until now.
        taken_over = request.adopts is not None and (stands is None or stands.epoch <= request.adopts)
        if not by_us and not unfinished and not taken_over:
            raise PermanentError(
                Code.PRECONDITION_CHANGED,
                f"The server at {name} is a primary already, and not by this run.",
                "Look at both sites and plan again.",
            )
        return
    if was == "primary" or (stands and stands.epoch == ours):
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"The server at {name} is a standby now, which is not what this run saw when it planned.",
            "Look at both sites and plan again.",
        )
    if request.position and lsn.parse(state["lsn"] or "0/0") < lsn.parse(request.position):
        raise PermanentError(
            Code.TARGET_UNFIT,
            f"The data at {name} ends at {state['lsn']}, before {request.position}, where it must have come to.",
            "Catch up first; promoting now would lose what lies between.",
        )


def _restored(provider: "PostgresProvider", request: StepRequest) -> bool:
    """Whether this run has laid down what runs there."""
    name = request.target.site
    if provider.context.here != name or provider.context.bubble:
        return False
    site = provider.local(name)
    record = restore.standing(site)
    if record is None or not record.belongs_to(request.ref):
        return False
    return restore.Places(site, request.ref.epoch).swapped(request.ref)


async def _call(request: StepRequest, connection: sql.Connection) -> None:
    """Ask for the promotion. A refusal by the server is definite once it is read back that no request is pending."""
    try:
        sent = (await sql.row(connection, "select pg_promote(false) as sent"))["sent"]
        if sent:
            return
        reason = "the server could not signal itself"
    except (TimeoutError, psycopg.OperationalError) as error:
        if isinstance(error, psycopg.errors.DiskFull):
            reason = "its disk is full"
        elif connection.closed or connection.broken:
            return  # Whether it was sent is what `_wait` finds out.
        else:
            reason = f"SQLSTATE {error.sqlstate}" if isinstance(error, psycopg.Error) else "no answer"
    except psycopg.Error as error:
        reason = f"SQLSTATE {error.sqlstate}"
    with sql.acting("the promotion"):
        seen = await sql.row(connection, _PENDING)
    if seen["standby"] and not seen["pending"]:
        raise PermanentError(
            Code.PROMOTE_REFUSED,
            f"The server at {request.target.site} refused to be promoted ({reason}); it is a standby as before.",
            "Look at its log and at the rights of its data directory.",
        )


async def _wait(provider: "PostgresProvider", request: StepRequest, connection: sql.Connection) -> sql.Connection:
    """Poll until it has left recovery; the connection that still stands then. A request that is out of time stays
    pending in the server and may yet succeed, so that is never a failure."""
    limit = provider.settings.promote_timeout.total_seconds()
    end = time.monotonic() + limit
    while time.monotonic() < end:
        provider.context.heartbeat("waiting for the promotion")
        try:
            if connection.closed:
                connection = await sql.connect(provider.address(request.target.site))
            if not (await sql.row(connection, "select pg_is_in_recovery() as standby"))["standby"]:
                return connection
        except (sql.Unreachable, TimeoutError, psycopg.OperationalError):
            await connection.close()
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.002)
    await connection.close()
    raise OutcomeUnknownError(
        f"The promotion at {request.target.site} was asked for and has not ended after {limit:g} s; it may yet.",
        "Do not promote another server. Look at its log; the next attempt looks before it acts.",
    )


async def _finish(provider: "PostgresProvider", request: StepRequest, connection: sql.Connection) -> dict[str, Any]:
    """Write the epoch, which also proves that writes are accepted, then stop waiting for the old standby."""
    with sql.acting("the epoch of the promotion"):
        stands = await epoch.write(connection, request.ref.epoch, request.ref.key)
        if stands is None or (stands.epoch, stands.run) != (request.ref.epoch, request.ref.key):
            raise OutcomeUnknownError(
                f"Another epoch was written at {request.target.site} during the promotion.", "Look at both sites."
            )
        after = await sql.row(connection, _AFTER)
        if after["synchronous_standby_names"]:
            await sql.rows(connection, "alter system set synchronous_standby_names = ''")
            await sql.rows(connection, "select pg_reload_conf()")
            after = await _cleared(provider, connection, after)
    return after


async def _cleared(provider: "PostgresProvider", connection: sql.Connection, after: dict[str, Any]) -> dict[str, Any]:
    end = time.monotonic() + 2
    while after["synchronous_standby_names"] and time.monotonic() < end:
        provider.context.heartbeat("waiting for commits to go without the old standby")
        await asyncio.sleep(0.005)
        after = await sql.row(connection, _AFTER)
    if after["synchronous_standby_names"]:
        raise OutcomeUnknownError(
            "Promoted, but every commit still waits for a standby: synchronous_standby_names could not be cleared.",
            "Take it off the server's command line or include files, then retry.",
        )
    return after
