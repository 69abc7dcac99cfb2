"""The way home of a component that has no standby: copies of the serving site are kept at the old one.

Invariant: the old data directory is renamed, never removed, and only once a copy of what serves stands beside it.
"""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from activities.durable import sync
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError
from workflows.model.messages import StepRequest, StepResult

from . import guard, isolated, leftovers, restore, server, snapshot, sql, wal_archive
from .settings import PostgresSite

if TYPE_CHECKING:
    from .provider import PostgresProvider

_SLOT = """
select wal_status, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint as behind
  from pg_replication_slots where slot_name = %s and slot_type = 'physical'
"""


def turned(request: StepRequest) -> StepRequest:
    """The same step as a copy sees it: from the site that serves to the old one."""
    target = request.target
    back = {"site": target.source, "source": target.target, "target": target.source}
    return request.model_copy(update={"target": target.model_copy(update=back)})


async def rebuild(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """Take the first copy of `target.target` to `target.source`, and set aside the data that the old site served."""
    site = await guard.old_site(provider, request)
    serving = await guard.serving(provider, request)
    await _stop(provider, site)
    copy = await snapshot.snapshot(provider, turned(request))
    brought = await wal_archive.pull(provider, turned(request))
    places = restore.Places(site, request.ref.epoch)
    stood = places.data.exists()
    if stood:
        provider.context.still_mine()
        with sql.acting("the old data directory was set aside"):
            await asyncio.to_thread(_set_aside, places)
    leftovers.forget(site, request, provider.context.still_mine)
    kept = f"; its old data are kept in {places.aside}" if places.aside.exists() else ""
    return StepResult(
        detail=f"{request.target.source} has a copy of {serving.site} and its log up to {brought.after['lsn']}{kept}.",
        changed=copy.changed or stood,
        after={
            "way": "copy",
            "name": copy.after["name"],
            "position": brought.after["lsn"],
            "aside": str(places.aside) if places.aside.exists() else None,
        },
        point=copy.point,
    )


async def _stop(provider: "PostgresProvider", site: PostgresSite) -> None:
    """A server that was left there as a standby of nobody is no use; `guard` has seen that it is no primary."""
    if server.postmaster(site) is not None:
        provider.context.still_mine()
        await isolated.leave(provider, site)


def _set_aside(places: restore.Places) -> None:
    if places.aside.exists():
        raise OutcomeUnknownError(
            f"{places.aside} is there already, and so is {places.data}.", "Look at both and move one away, then retry."
        )
    places.data.rename(places.aside)
    sync(Path(places.data.parent))


async def protect(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """See that the serving server holds its log for the copies at the old site, from the last pull on."""
    serving = await guard.serving(provider, request)
    name = wal_archive.slot_name(turned(request))
    with sql.looking("its slot for the copies was read"):
        async with sql.session(provider.address(serving.site)) as connection:
            found = await sql.rows(connection, _SLOT, (name,))
    if not found or found[0]["wal_status"] == "lost" or found[0]["behind"] is None:
        raise PermanentError(
            Code.NOT_PROTECTED,
            f"{serving.site} holds no log for the copies at {request.target.source}.",
            "Start a replication (seawall replicate), then retry; until then nothing is protected.",
        )
    return StepResult(
        detail=f"{request.target.source} has copies; {found[0]['behind']} bytes of log wait for the next pull.",
        changed=False,
        after={"slot": name, "behind_bytes": found[0]["behind"], "wal_status": found[0]["wal_status"]},
    )
