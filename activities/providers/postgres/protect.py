"""From here on the application is protected again: the replica really follows, and commits may rely on it.

Invariant: commits are never left waiting for a standby that does not answer: what makes them wait is taken back
before this verb fails.
"""

import asyncio
import contextlib
import re
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql as compose

from workflows.model.base import in_words
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, SeawallError, TemporaryError
from workflows.model.messages import StepRequest, StepResult

from . import copies_only, guard, leftovers, lsn, programs, sql, streaming
from .guard import Serving

if TYPE_CHECKING:
    from .provider import PostgresProvider

_SENDER = """
select pg_current_wal_lsn()::text as lsn,
       (select state from pg_stat_replication where application_name = %s limit 1) as state,
       (select sync_state from pg_stat_replication where application_name = %s limit 1) as sync_state,
       current_setting('synchronous_standby_names') as names,
       (select reset_val from pg_settings where name = 'synchronous_commit') as level
"""
_REPLICA = """
select pg_is_in_recovery() as standby, coalesce(pg_last_wal_replay_lsn(), '0/0')::text as replayed,
       pg_is_in_recovery() and pg_get_wal_replay_pause_state() <> 'not paused' as paused,
       (select received_tli from pg_stat_wal_receiver where status = 'streaming') as timeline
"""
_SYNCHRONOUS = ("sync", "quorum")


async def protect(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """Wait for the replica at `target.source`, then make it synchronous where the runbook says so; afterwards what
    earlier runs have left at the serving site may go."""
    if streaming.streams(request):
        result = await _rely_on_replica(provider, request)
    else:
        result = await copies_only.protect(provider, request)
    if provider.context.here == request.target.target:
        site = provider.local(request.target.target)
        # The application is protected, whatever becomes of this.
        with contextlib.suppress(SeawallError, OSError):
            await programs.in_thread(leftovers.sweep, site, request, provider.context.still_mine)
    return result


async def _rely_on_replica(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    serving = await guard.serving(provider, request)
    replication = request.target.component.replication
    async with _open(provider, serving.site, "the serving server was asked") as connection:
        # Ours must not wait for the standby that they are about.
        await sql.rows(connection, "set synchronous_commit = local")
        watch = _Watch(provider, request, serving)
        await watch.follow(connection)
        changed = False
        if replication and replication.synchronous:
            changed = await _rely(provider, request, connection)
        after = await _sender(connection, request)
    return StepResult(
        detail=f"{request.target.source} follows, {in_words(watch.lag)} behind; commits "
        f"{'wait for it' if after['sync_state'] in _SYNCHRONOUS else 'do not wait for it'}.",
        changed=changed,
        after={"lag_seconds": watch.lag, "lsn": after["lsn"], "sync_state": after["sync_state"]},
    )


class _open:
    """A session whose loss is a temporary failure."""

    def __init__(self, provider: "PostgresProvider", site: str, words: str) -> None:
        self._looking = sql.looking(words)
        self._session = sql.session(provider.address(site))

    async def __aenter__(self) -> sql.Connection:
        with self._looking:
            return await self._session.__aenter__()

    async def __aexit__(self, *error: Any) -> None:
        await self._session.__aexit__(*error)


async def _sender(connection: sql.Connection, request: StepRequest) -> sql.Row:
    return await sql.row(connection, _SENDER, (request.target.source, request.target.source))


class _Watch:
    """How far the replica is behind, by positions of the serving server and one clock only: ours."""

    def __init__(self, provider: "PostgresProvider", request: StepRequest, serving: Serving) -> None:
        self._provider, self._request, self._serving = provider, request, serving
        self._goal = lsn.parse(serving.lsn)
        self._began = self._moved = time.monotonic()
        self._first: int | None = None
        self._replayed = 0
        self._seen: deque[tuple[float, int]] = deque(maxlen=5000)
        self.lag: float | None = None

    async def follow(self, connection: sql.Connection) -> None:
        """Return once it is near."""
        near = False
        while not near:
            near = await self.near(connection)
            await asyncio.sleep(0.0 if near else 0.02)

    async def near(self, connection: sql.Connection) -> bool:
        """Whether it replays our timeline past where we were at the start, and is within the limit."""
        with sql.looking("the replica caught up"):
            here = await _sender(connection, self._request)
        there, why = await self._replica()
        now = time.monotonic()
        self._seen.append((now, lsn.parse(here["lsn"])))
        replayed = lsn.parse(there["replayed"]) if there else 0
        self._first = replayed if self._first is None else self._first
        if replayed > self._replayed:
            self._replayed, self._moved = replayed, now
        newest = max((at for at, position in self._seen if position <= replayed), default=None)
        self.lag = None if newest is None else now - newest
        if there and not there["standby"]:
            raise guard.mismatch(f"The server at {self._request.target.source} is no standby.")
        follows = bool(there) and there["timeline"] == self._serving.timeline and here["state"] == "streaming"
        if follows and replayed >= self._goal and self.lag is not None and self.lag <= self._request.max_lag:
            return True
        self._beat(now, lsn.parse(here["lsn"]), why or ("its replay is paused" if there["paused"] else ""), follows)
        return False

    async def _replica(self) -> tuple[sql.Row, str]:
        try:
            async with sql.session(self._provider.address(self._request.target.source)) as connection:
                return await sql.row(connection, _REPLICA), ""
        except sql.Unreachable as error:
            return {}, error.sentence
        except (TimeoutError, psycopg.Error):
            return {}, "it does not answer"

    def _beat(self, now: float, end: int, why: str, follows: bool) -> None:
        settings, name = self._provider.settings, self._request.target.source
        missing = max(0, end - self._replayed)
        if now - self._moved > settings.stall_timeout.total_seconds() and (not follows or why or missing):
            raise PermanentError(
                Code.NOT_PROTECTED,
                f"The replica at {name} does not follow {self._serving.site}: {why or 'nothing arrives there'}, and "
                f"{missing} bytes are missing.",
                "Mend replication (or rebuild the replica), then retry; until then nothing is protected.",
            )
        if now - self._began > settings.catch_up_timeout.total_seconds():
            raise TemporaryError(
                Code.NOT_PROTECTED, f"The replica at {name} is still {missing} bytes behind.", "Wait, then retry."
            )
        gained = self._replayed - (self._first or 0)
        eta = f", about {in_words(missing * (now - self._began) / gained)} left" if gained > 0 else ""
        self._provider.context.heartbeat(f"replica at {name}: {missing} bytes to replay{eta}")


def names_of(site: str) -> str:
    """The value of `synchronous_standby_names` that relies on one site."""
    return f"FIRST 1 ({site})" if re.fullmatch(r"[a-z_][a-z0-9_]*", site) else f'FIRST 1 ("{site}")'


async def _rely(provider: "PostgresProvider", request: StepRequest, connection: sql.Connection) -> bool:
    """Let commits wait for the replica; whether that was new."""
    wanted = names_of(request.target.source)
    state = await _sender(connection, request)
    stood = state["names"] == wanted and state["level"] == "remote_apply"
    if stood and state["sync_state"] in _SYNCHRONOUS:
        return False
    provider.context.still_mine()
    try:
        if not stood:
            with sql.acting("the switch to synchronous commits"):
                await _set(connection, "synchronous_commit", "remote_apply")
                await _set(connection, "synchronous_standby_names", wanted)
                await sql.rows(connection, "select pg_reload_conf()")
        end = time.monotonic() + provider.settings.synchronous_timeout.total_seconds()
        while time.monotonic() < end:
            provider.context.heartbeat("waiting for the replica to become synchronous")
            with sql.acting("the switch to synchronous commits"):
                state = await _sender(connection, request)
            if state["names"] == wanted and state["sync_state"] in _SYNCHRONOUS:
                return True
            await asyncio.sleep(0.02)
    except BaseException:
        await asyncio.shield(_take_back(provider, request))
        raise
    await _take_back(provider, request)
    raise PermanentError(
        Code.NOT_PROTECTED,
        f"The replica at {request.target.source} did not become synchronous in time (it is shown as "
        f"{state['sync_state'] or 'not connected'}); commits do not wait for it.",
        "Look at its log and at the link, then retry.",
    )


async def _set(connection: sql.Connection, name: str, value: str) -> None:
    query = compose.SQL("alter system set {} = {}").format(compose.Identifier(name), compose.Literal(value))
    await sql.within(connection, 5.0, connection.execute(query))


async def _take_back(provider: "PostgresProvider", request: StepRequest) -> None:
    """On a session of its own: the one before may be what was lost."""
    try:
        async with sql.session(provider.address(request.target.target)) as connection:
            await sql.rows(connection, "set synchronous_commit = local")
            await _set(connection, "synchronous_standby_names", "")
            await sql.rows(connection, "select pg_reload_conf()")
            end = time.monotonic() + 5
            while time.monotonic() < end:
                if not (await _sender(connection, request))["names"]:
                    return
                await asyncio.sleep(0.02)
    except (sql.Unreachable, TimeoutError, psycopg.Error):
        pass
    raise OutcomeUnknownError(
        f"Commits at {request.target.target} may wait for a replica that does not answer.",
        "Set synchronous_standby_names to '' there and reload, unless the next attempt gets through.",
    )
