"""Start a data directory that was laid down, and wait until it has replayed as far as it shall."""

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psycopg

from workflows.model.failure import OutcomeUnknownError
from workflows.model.messages import StepRequest

from . import lay_down, lsn, programs, server, sql
from .catalogue import StoredPoint
from .settings import PostgresSite
from .wal_archive import Chapter, Note

if TYPE_CHECKING:
    from .provider import PostgresProvider

SETTLED_SECONDS = 0.35
_STATE = """
select pg_is_in_recovery() as standby, pg_last_wal_replay_lsn()::text as lsn,
       case when pg_is_in_recovery() then pg_is_wal_replay_paused() else false end as paused,
       pg_last_xact_replay_timestamp() as last_commit,
       (select wait_event from pg_stat_activity where backend_type = 'startup') as waits_for
"""


class Replayed(NamedTuple):
    """Where the replay came to rest."""

    standby: bool
    lsn: str | None
    paused: bool
    """At the wanted moment; otherwise at the end of the log."""
    last_commit: str | None


def quiet(site: PostgresSite) -> PostgresSite:
    """The site without start options that would make a restored server follow somebody, or replay on."""
    names = ("primary_conninfo", "primary_slot_name", "restore_command", "recovery_", "hot_standby")
    options = tuple(option for option in site.options() if not option.startswith(names))
    return site.model_copy(update={"start_options": options})


async def replay(
    provider: "PostgresProvider", request: StepRequest, stored: StoredPoint, found: tuple[Chapter, Note] | None
) -> Replayed:
    """Start the restored server where it does not run, and wait until it is ready to be promoted. `found` is the log
    that follows the copy."""
    chapter, reach = found or (None, None)
    site = quiet(provider.local(request.target.site))
    await _started(provider, site)
    rest = await _rest(provider, request, site, reach, stored.start)
    if rest.paused or not rest.standby:
        return rest
    _short(request, reach, rest)
    if not lay_down.has_target(Path(site.data_dir)):
        return rest
    # Nothing was committed at or after the moment, and PostgreSQL refuses to be promoted short of its target. So the
    # target is taken away: all that there is was committed before it.
    process = server.postmaster(site)
    provider.context.still_mine()
    with sql.acting("the second start of the restored server"):
        if process and not await server.stop_fast(process, _limit(provider), provider.context.heartbeat):
            raise OutcomeUnknownError("The restored server does not stop.", "Look at its log, then retry.")
        lay_down.write_settings(Path(site.data_dir), lay_down.settings(None, chapter))
    await _started(provider, site)
    return await _rest(provider, request, site, reach, stored.start)


def _limit(provider: "PostgresProvider") -> float:
    return provider.settings.stop_timeout.total_seconds()


async def _started(provider: "PostgresProvider", site: PostgresSite) -> None:
    if server.postmaster(site) is None:
        provider.context.still_mine()
        with sql.acting("the start of the restored server"):
            await server.start(site, provider.settings.start_timeout.total_seconds())


def _short(request: StepRequest, reach: Note | None, found: Replayed) -> None:
    if reach and found.standby and lsn.parse(found.lsn or "0/0") < lsn.parse(reach.lsn):
        raise OutcomeUnknownError(
            f"The restored server at {request.target.site} has come to {found.lsn}, and its log should lead to "
            f"{reach.lsn}: a piece of it cannot be read.",
            "Read the server's log; discard the restore and choose another recovery point.",
        )


async def _rest(
    provider: "PostgresProvider", request: StepRequest, site: PostgresSite, reach: Note | None, start: str
) -> Replayed:
    """Wait until the replay has paused at its target, or waits for log that nobody has."""
    began = moved = time.monotonic()
    last: str | None = None
    while True:
        state = await _look(provider, request, site)
        if state is not None:
            if state["lsn"] != last:
                last, moved = state["lsn"], time.monotonic()
            waits = state["waits_for"] == "RecoveryRetrieveRetryInterval"
            settled = waits and time.monotonic() - moved > SETTLED_SECONDS
            if state["paused"] or settled or not state["standby"]:
                commit = state["last_commit"].isoformat() if state["last_commit"] else None
                return Replayed(state["standby"], state["lsn"], state["paused"], commit)
        if time.monotonic() - moved > provider.settings.catch_up_timeout.total_seconds():
            raise OutcomeUnknownError(
                f"The restored server at {request.target.site} has not come further than {last} for a while.",
                f"Read {site.log_file}; the next attempt waits on.",
            )
        goal = lsn.parse(reach.lsn) - lsn.parse(start) if reach else 0
        done = lsn.parse(last) - lsn.parse(start) if last else 0
        provider.context.heartbeat(programs.progress("replaying the log", done, goal, time.monotonic() - began))
        await asyncio.sleep(0.02)


async def _look(provider: "PostgresProvider", request: StepRequest, site: PostgresSite) -> sql.Row | None:
    """What it tells; None while it lets nobody in.

    Raises:
        OutcomeUnknownError: the server has ended by itself, or does not let us in.
    """
    try:
        async with sql.session(provider.address(request.target.site)) as connection:
            return await sql.row(connection, _STATE)
    except sql.Unreachable as error:
        if error.refused_us:
            raise OutcomeUnknownError(error.sentence, "Check user, password, database and pg_hba.conf.") from None
    except (TimeoutError, psycopg.OperationalError):
        pass
    if server.postmaster(site) is None:
        await asyncio.sleep(0.3)
        if server.postmaster(site) is None:
            raise OutcomeUnknownError(
                f"The restored server at {request.target.site} has ended by itself.",
                f"Read {site.log_file}, mend the cause and retry; or discard the restore.",
            )
    return None
