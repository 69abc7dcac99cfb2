"""Which recovery point is meant, what taking it would lose, and bringing the data as far as it can come."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from activities.providers.base import now
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Lag, RecoveryPoint
from workflows.model.plan import Mode
from workflows.model.point_choice import Choice, Way, parse_choice, pick

from . import lsn, points, restore, sql, streaming, wal_archive
from .catalogue import Store

if TYPE_CHECKING:
    from .provider import PostgresProvider

ARCHIVE = "archive"
"""The choice by which a replication asks that only the log beside the copies is brought up to date."""
_PROGRESS = """
select pg_is_in_recovery() as standby,
       case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end::text as replayed,
       case when pg_is_in_recovery() then greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) end::text
           as received,
       case when pg_is_in_recovery() then pg_is_wal_replay_paused() else false end as paused
"""


async def choose(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """The point that `request.choice` means, among all that there are at `target.site`."""
    if request.mode is Mode.PLANNED and request.before is not None:
        # Who moves has looked; a replication, which asks the same question in the same mode, has not.
        streaming.insist(request)
    choice = _understood(request.choice)
    site, here = provider.site(request.target.site), provider.context.here == request.target.site
    found = await asyncio.to_thread(points.copies, provider, request) if here else []
    cluster = not here or (Path(site.data_dir) / "PG_VERSION").exists()
    after: dict[str, Any] = {}
    # A standby that should be there and does not answer for a moment must not turn a promotion into a restore.
    if choice.way is Way.LATEST and streaming.streams(request) and (cluster or not found):
        stream, seen = await streaming.read(provider, request)
        after = {key: seen[key] for key in ("receive_lsn", "replay_lsn", "timeline", "receiving", "lag_bytes")}
    else:
        maybe = await streaming.maybe(provider, request)
        if maybe is None:
            return _chosen(request, choice, found, after)
        stream = maybe
    return _chosen(request, choice, [stream, *found], after)


def _understood(text: str) -> Choice:
    try:
        return parse_choice(text)
    except ValueError as error:
        raise PermanentError(
            Code.INVALID_INPUT, "The wanted recovery point cannot be understood.", f"Say it otherwise: {error}."
        ) from None


def _chosen(request: StepRequest, choice: Choice, found: Sequence[RecoveryPoint], after: dict[str, Any]) -> StepResult:
    point = pick(choice, found)
    if point is None:
        raise _nothing(request, choice, found)
    if point.until is not None:
        behind = max(0.0, (now() - point.until).total_seconds())
        point = point.model_copy(update={"expected_loss": Lag(seconds=behind)})
    what = "Stream" if point.kind == "stream" else point.name
    to = f"until {point.until:%Y-%m-%dT%H:%M:%SZ}" if point.until else f"up to {point.position}"
    return StepResult(
        detail=f"{what} {to}; expected loss: {in_words(point.expected_loss.seconds)}.",
        changed=False,
        after=after or {"name": point.name, "position": point.position},
        point=point,
        points=tuple(found),
    )


def _nothing(request: StepRequest, choice: Choice, found: Sequence[RecoveryPoint]) -> PermanentError:
    site, there_are = request.target.site, points.words(found)
    if choice.way is Way.BEFORE:
        return PermanentError(
            Code.TARGET_UNFIT,
            f"No recovery point at {site} can be brought to {choice.before:%Y-%m-%dT%H:%M:%SZ}.",
            f"Choose a moment that one covers, or one by its name. {there_are}",
        )
    what = f"named {choice.name!r}" if choice.way is Way.NAMED else f"that is {choice.way}"
    return PermanentError(Code.NOT_FOUND, f"There is no recovery point {what} at {site}.", there_are)


async def catch_up(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """Bring `target.site` up to `request.position`, or to the end of what there is, in the way of its replication."""
    if request.choice == ARCHIVE:
        return await _archive(provider, request)
    here = provider.context.here == request.target.site
    record = restore.standing(provider.site(request.target.site)) if here else None
    if record and record.belongs_to(request.ref):
        return await _restored(provider, request, record)
    if streaming.streams(request):
        return await _follow(provider, request)
    return await _bring(provider, request, moving=request.position is not None)


async def _archive(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """Bring the log that follows the copies, where it is kept at all."""
    if wal_archive.wanted(provider, request):
        return await wal_archive.pull(provider, request)
    return StepResult(detail="`archive_wal` is off: no log is kept with the copies.", changed=False)


async def _restored(provider: "PostgresProvider", request: StepRequest, record: restore.Record) -> StepResult:
    """What this run has restored shall go no further than its moment, or as far as the log that is here."""
    if record.point.until is not None:
        until = f"{record.point.until:%Y-%m-%dT%H:%M:%SZ}"
        return StepResult(detail=f"Restored until {until}; nothing later is wanted.", changed=False)
    if streaming.streams(request):
        return await _follow(provider, request.model_copy(update={"position": None}))
    brought = await _bring(provider, request, moving=True)
    replayed = await _follow(provider, request.model_copy(update={"position": brought.after["lsn"]}))
    return replayed.model_copy(update={"after": brought.after | replayed.after})


async def _bring(provider: "PostgresProvider", request: StepRequest, moving: bool) -> StepResult:
    """Pull the log when the source can be asked; what is here must do when it cannot, if it is enough."""
    fenced = any(proof.proven and proof.site == request.target.source for proof in request.proofs)
    result: StepResult | None = None
    lost = None
    if not fenced:
        try:
            result = await wal_archive.pull(provider, request)
        except TemporaryError as error:
            if not moving:
                raise
            lost = error
    if result is None:
        result = await asyncio.to_thread(_here, provider, request)
    missing = lsn.parse(request.position) - lsn.parse(result.after["lsn"]) if request.position else 0
    if missing > 0:
        raise PermanentError(
            Code.TARGET_UNFIT,
            f"The log at {request.target.site} ends {missing} bytes before {request.position}, and the server at "
            f"{request.target.source} {'could not be asked' if lost else 'cannot be asked'} for the rest.",
            "Let the old site serve again, synchronise, then move; or fail over unplanned and accept the loss.",
        )
    return result


def _here(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """How far the log that is here goes, nothing being brought."""
    name = request.target.site
    found = wal_archive.chapters(Store(provider.local(name), name, request.target.name))
    notes = found[-1].notes() if found else []
    ends = [snapshot.end for snapshot in Store(provider.local(name), name, request.target.name).all()]
    if not notes and not ends:
        raise PermanentError(
            Code.NOT_FOUND, f"There is neither a copy nor any log at {name}.", "Choose another way of recovery."
        )
    end = notes[-1].lsn if notes else ends[0]
    return StepResult(detail=f"Log up to {end} is here.", changed=False, after={"lsn": end})


async def _follow(provider: "PostgresProvider", request: StepRequest) -> StepResult:
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
