"""Lay a recovery point down where the site's server lives, and the undo of that.

What stood there is renamed, never removed. The record beside the data directory is written before anything moves and
taken away last by the undo; which step was reached is read from the folders themselves:

    DATA.new-EPOCH      the copy, until it is whole (its mark says so) and takes the place
    DATA.aside-EPOCH    what stood there
"""

import asyncio
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from activities.durable import sync
from workflows.model.base import Message, in_words
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError
from workflows.model.messages import Ref, StepRequest, StepResult
from workflows.model.observed import Reach, RecoveryPoint

from . import catalogue, epoch, fence_file, observe, programs, server, sql, wal_archive
from .catalogue import Store
from .lay_down import find, laid
from .lay_down import lay_down as lay_down
from .replay import Replayed, replay
from .settings import PostgresSite
from .stopping import stop

if TYPE_CHECKING:
    from .provider import PostgresProvider


class Record(Message):
    """Whose restore stands at a data directory, and what was there before."""

    workflow_id: str
    epoch: int
    point: RecoveryPoint
    had_data: bool
    was_running: bool

    def belongs_to(self, ref: Ref) -> bool:
        """Whether the run of `ref` made it."""
        return (self.workflow_id, self.epoch) == (ref.workflow_id, ref.epoch)


class Places:
    """The folders of one restore."""

    def __init__(self, site: PostgresSite, at: int) -> None:
        self.data = Path(site.data_dir)
        self.record = self.data.with_name(f"{self.data.name}.restore.json")
        self.new = self.data.with_name(f"{self.data.name}.new-{at}")
        self.aside = self.data.with_name(f"{self.data.name}.aside-{at}")

    def swapped(self, ref: Ref) -> bool:
        """Whether what this run laid down is in its place."""
        mark = laid(self.data)
        return mark is not None and (mark.workflow_id, mark.epoch) == (ref.workflow_id, ref.epoch)


def standing(site: PostgresSite) -> Record | None:
    """The restore that stands; None when there is none.

    Raises:
        PermanentError: CONFIGURATION when it is there and cannot be understood.
    """
    path = Places(site, 0).record
    try:
        return Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise PermanentError(
            Code.CONFIGURATION, f"{path} cannot be read.", "Look at it by hand: it says which run restored this server."
        ) from error


async def restore(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """Bring `request.point` to `target.site` and start it, paused, as a standby of nobody."""
    point, name = request.point, request.target.site
    site = provider.local(name)
    if point is None:
        raise PermanentError(Code.INVALID_INPUT, "No recovery point was given to restore.", "Choose one first.")
    if point.kind == "stream":
        return StepResult(detail="The standby is there already; there is nothing to restore.", changed=False)
    started = time.monotonic()
    record = await _recorded(provider, request, site, point)
    places = Places(site, request.ref.epoch)
    store = Store(site, name, request.target.name)
    stored = find(store, point)
    changed = not places.swapped(request.ref) or server.postmaster(site) is None
    if not places.swapped(request.ref):
        await lay_down(provider, request, point, places.new)
        await stop(provider, request, site, "the standby")
        provider.context.still_mine()
        _swap(places, record)
    rest = await replay(provider, request, stored, wal_archive.best(store, stored))
    return StepResult(
        detail=f"{point.name} is restored up to {rest.lsn} in {in_words(time.monotonic() - started)}.",
        changed=changed,
        before={"running": record.was_running, "had_data": record.had_data},
        after=_after(places, record, rest),
        point=point.model_copy(update={"position": rest.lsn or point.position}),
    )


def _after(places: Places, record: Record, rest: Replayed) -> dict[str, object]:
    return {
        "role": "standby" if rest.standby else "primary",
        "lsn": rest.lsn,
        "at_the_moment": rest.paused,
        "last_commit": rest.last_commit,
        "aside": str(places.aside) if record.had_data else None,
    }


async def _recorded(
    provider: "PostgresProvider", request: StepRequest, site: PostgresSite, point: RecoveryPoint
) -> Record:
    """The record of this run's restore: found, or written after every reason against it was looked for."""
    name, places = request.target.site, Places(site, request.ref.epoch)
    stands = standing(site)
    if stands and stands.epoch > request.ref.epoch:
        raise epoch.stale(name, stands.epoch, request.ref.epoch)
    if stands and stands.belongs_to(request.ref):
        if (stands.point.name, stands.point.until) != (point.name, point.until):
            raise PermanentError(
                Code.PRECONDITION_CHANGED,
                f"This run has restored {stands.point.name} at {name}, and is now asked for {point.name}.",
                "Discard the first restore, then ask again.",
            )
        return stands
    stored = find(Store(site, name, request.target.name), point)
    await _may(provider, request, site, stored.system)
    record = Record(
        workflow_id=request.ref.workflow_id,
        epoch=request.ref.epoch,
        point=point,
        had_data=places.data.exists(),
        was_running=server.postmaster(site) is not None,
    )
    provider.context.still_mine()
    places.data.parent.mkdir(parents=True, exist_ok=True)
    catalogue.write(places.record, record)
    return record


async def _may(provider: "PostgresProvider", request: StepRequest, site: PostgresSite, system: str) -> None:
    """Refuse where a primary, a later run's work or another cluster would be set aside."""
    name = request.target.site
    provider.same_system(request, {"system_identifier": system})
    if not (Path(site.data_dir) / "PG_VERSION").exists():
        return
    fence = fence_file.read(site.data_dir)
    seen = await observe.look(provider.address(name), request.target.name, name, provider.context.here)
    stood = max(fence.epoch if fence else 0, seen.facts.get("epoch") or 0)
    if stood > request.ref.epoch:
        raise epoch.stale(name, stood, request.ref.epoch)
    running = server.postmaster(site) is not None
    if seen.facts.get("role") == "primary" or (
        running and not seen.facts and not fence_file.signal_stands(site.data_dir)
    ):
        raise PermanentError(
            Code.ROLE_MISMATCH,
            f"The server at {name} is a primary, and what serves is never set aside.",
            "Look at both sites and plan again.",
        )
    with sql.looking("its control file was read"):
        stands = (await server.control(site)).get("Database system identifier")
    if stands != system:
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"The data at {name} is of another cluster than the recovery point.",
            "Move it away by hand if it may go, then retry.",
        )


def _swap(places: Places, record: Record) -> None:
    """The old directory aside, the new one in its place. Each rename is one instant; between them there is none."""
    with sql.acting("the exchange of the data directories"):
        if places.data.exists():
            if places.aside.exists() or not record.had_data:
                raise OutcomeUnknownError(
                    f"Something else has appeared at {places.data} during the restore.",
                    "Look at it and move it away, then retry.",
                )
            places.data.rename(places.aside)
        places.new.rename(places.data)
        sync(places.data.parent)


async def discard(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """Put back what this run's restore set aside, running if it ran. Legal only while nothing was promoted."""
    name = request.target.site
    site = provider.local(name)
    record = standing(site)
    if record and record.epoch > request.ref.epoch:
        raise epoch.stale(name, record.epoch, request.ref.epoch)
    if record is None or not record.belongs_to(request.ref):
        return StepResult(detail="No restore of this run stands here.", changed=False)
    places = Places(site, request.ref.epoch)
    if places.swapped(request.ref):
        await _not_promoted(provider, request, site)
        await stop(provider, request, site, "the standby")
        provider.context.still_mine()
        with sql.acting("the return of the data directory"):
            await programs.in_thread(shutil.rmtree, places.new, True)
            places.data.rename(places.new)
    if places.aside.exists() and not places.data.exists():
        provider.context.still_mine()
        with sql.acting("the return of the data directory"):
            places.aside.rename(places.data)
            sync(places.data.parent)
    await _as_it_was(provider, request, site, record)
    await programs.in_thread(shutil.rmtree, places.new, True)
    # Last, so that an attempt that died before it knows what is left to do.
    places.record.unlink()
    sync(places.record.parent)
    return StepResult(
        detail="What was set aside is back." if record.had_data else "What was restored is gone.",
        after={"running": record.was_running, "had_data": record.had_data},
    )


async def _not_promoted(provider: "PostgresProvider", request: StepRequest, site: PostgresSite) -> None:
    running = server.postmaster(site) is not None
    if running:
        seen = await observe.look(provider.address(request.target.site), request.target.name, site.host, "")
        primary = seen.facts.get("role") == "primary"
    else:
        primary = not fence_file.signal_stands(site.data_dir)
    if primary:
        raise PermanentError(
            Code.ROLE_MISMATCH,
            f"The restored server at {request.target.site} was promoted, so it is not thrown away.",
            "Go forward at this site; going home is a failback of its own.",
        )


async def _as_it_was(provider: "PostgresProvider", request: StepRequest, site: PostgresSite, record: Record) -> None:
    if not record.was_running:
        return
    limit = provider.settings.start_timeout.total_seconds()
    if server.postmaster(site) is None:
        provider.context.still_mine()
        with sql.acting("the start of the server"):
            await server.start(site, limit)
    end = time.monotonic() + limit
    while True:
        seen = await observe.look(
            provider.address(request.target.site), request.target.name, request.target.site, provider.context.here
        )
        if seen.reach is Reach.STANDBY and seen.facts:
            return
        if time.monotonic() >= end:
            raise OutcomeUnknownError(
                f"The server at {request.target.site} was put back and does not answer after {limit:g} s.",
                f"Read {site.log_file}, then retry.",
            )
        provider.context.heartbeat("waiting for the server that was put back")
        await asyncio.sleep(0.02)
