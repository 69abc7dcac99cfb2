"""Make the old server a replica of the one that serves, by the cheapest way that is safe.

Invariant: what only the old server has stands in a finished archive before its data directory is changed.
"""

import asyncio
import contextlib
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult

from . import copies_only, copying, diverged, fence_file, follow, guard, isolated, lsn, parting, server, sql, streaming
from .guard import Serving
from .parting import Parting
from .settings import PostgresSite

if TYPE_CHECKING:
    from .provider import PostgresProvider

CHECKPOINT_FIRST = 160_000
"""Servers below this version tell a rewind of their new timeline only after a checkpoint (PostgreSQL 16 mended it)."""


class Way(StrEnum):
    """How it becomes a replica."""

    FOLLOW = "followed on from where it stood"
    REWIND = "rewound"
    SWAP = "finished the swap of an earlier attempt"
    BACKUP = "copied anew"


async def rebuild(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """Follow, rewind or copy; afterwards the old server replays the timeline that serves. Without a standby, the old
    site gets its first copy instead."""
    if not streaming.streams(request):
        return await copies_only.rebuild(provider, request)
    site = await guard.old_site(provider, request)
    serving = await guard.serving(provider, request)
    name = request.target.source
    if server.postmaster(site) is not None and await follow.follows(provider, request, serving):
        note = guard.read_note(site)
        if note and note.stage == "start":
            guard.write_note(site, request.ref, "done")
        return StepResult(detail=f"{name} follows {serving.site} already.", changed=False, after=_after(serving, ""))
    await _stop_standby(provider, request, site, serving)
    way, seen = await _way(provider, request, site, serving)
    await _prepare(provider, request, site, serving, way)
    if way is Way.REWIND and not await _rewound(provider, request, site, seen):
        way = Way.BACKUP
    if way is Way.BACKUP:
        await copying.base_backup(provider, request, site)
    elif way is Way.SWAP:
        provider.context.still_mine()
        await asyncio.to_thread(copying.swap, site, request.ref.epoch)
    await _follow(provider, request, site, serving)
    return StepResult(
        detail=f"{name} {way.value}, and follows {serving.site} on timeline {serving.timeline}.",
        before={"fork": lsn.text(seen.fork)} if seen and seen.fork is not None else {},
        after=_after(serving, way.name.lower()),
    )


def _after(serving: Serving, way: str) -> dict[str, object]:
    return {"role": "standby", "timeline": serving.timeline, "epoch": serving.epoch, "way": way}


async def _stop_standby(
    provider: "PostgresProvider", request: StepRequest, site: PostgresSite, serving: Serving
) -> None:
    """Stop a standby that does not follow; one whose data hold a later epoch than serves is left alone."""
    if server.postmaster(site) is None:
        return
    stands = -1
    with contextlib.suppress(sql.Unreachable, TimeoutError, psycopg.Error):
        async with sql.session(provider.address(request.target.source)) as connection:
            stands = await guard.epoch_here(connection)
    if stands > serving.epoch:
        raise guard.mismatch(
            f"Epoch {stands} stands at {request.target.source}, above epoch {serving.epoch} at {serving.site}."
        )
    provider.context.still_mine()
    await isolated.leave(provider, site)


async def _way(
    provider: "PostgresProvider", request: StepRequest, site: PostgresSite, serving: Serving
) -> tuple[Way, Parting | None]:
    note = guard.read_note(site)
    if not guard.cluster_stands(site):
        swapping = note and note.stage == "swap" and copying.beside(site, "new").exists()
        return (Way.SWAP if swapping else Way.BACKUP), None
    if note and (note.stage == "rewind" or (note.stage in ("start", "swap") and note.key == request.ref.key)):
        # An attempt before this one touched the directory (after its archive was proved) and did not come through.
        return Way.BACKUP, None
    seen = await parting.look(provider, site, serving)
    if seen.fork is None or (seen.beyond.readable and not seen.beyond.records):
        return Way.FOLLOW, seen
    if (seen.beyond.commits or not seen.beyond.readable) and not diverged.covers(site, request, serving, seen):
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"{request.target.source} has {seen.beyond.commits} commits that {serving.site} never received, and they "
            "are not archived.",
            "Archive them first (archive_diverged); a rebuild would throw them away.",
        )
    return (Way.REWIND if seen.beyond.readable else Way.BACKUP), seen


async def _prepare(
    provider: "PostgresProvider", request: StepRequest, site: PostgresSite, serving: Serving, way: Way
) -> None:
    """What the serving server must do first: hold log for the new replica, and tell its timeline to a rewind."""
    provider.context.still_mine()
    guard.write_note(site, request.ref, (guard.read_note(site) or _NOTHING).stage if way is Way.SWAP else "begun")
    limit = provider.settings.stop_timeout.total_seconds()
    with sql.looking(f"{serving.site} was made ready for a replica"):
        async with sql.session(provider.address(serving.site)) as connection:
            # The slot and the checkpoint wait for no standby, whatever the runbook says of commits.
            await sql.rows(connection, "set synchronous_commit = local")
            await follow.make_slot(connection, request.target.source)
            if way is Way.REWIND and serving.version < CHECKPOINT_FIRST:
                words = f"checkpoint at {serving.site}, at most {in_words(limit)}"
                await provider.beating(words, sql.rows(connection, "checkpoint", seconds=limit))


_NOTHING = guard.Rebuilding(epoch=0, key="", stage="begun")


async def _rewound(
    provider: "PostgresProvider", request: StepRequest, site: PostgresSite, seen: Parting | None
) -> bool:
    """A rewind wants a cleanly stopped server, and its own recovery refuses one that is held off by `standby.signal`:
    so the log of a crashed one is replayed in isolation first."""
    if seen is not None and seen.state not in parting.CLEAN:
        try:
            end = (seen.beyond.last or seen.fork or 0) + 1
            async with isolated.started(provider, site, end, copying.beside(site, "recovery.log")):
                pass
        except isolated.NotStarted:
            return False
    return await copying.rewind(provider, request, site)


async def _follow(provider: "PostgresProvider", request: StepRequest, site: PostgresSite, serving: Serving) -> None:
    provider.context.still_mine()
    with sql.acting("the configuration of the replica"):
        await asyncio.to_thread(follow.configure, provider, site, request.target.source, serving.site)
    # The signal stays: it is what makes the server a standby.
    (Path(site.data_dir) / fence_file.FENCE).unlink(missing_ok=True)
    guard.write_note(site, request.ref, "start")
    await follow.start(provider, request, site, serving)
    copying.forget_configuration(site)
