"""A copy of the data in a bubble, running as a standby that follows nobody, ready for the ordinary promotion.

The component itself is only read: a base backup of the standby that runs at the site, or a recovery point of it.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg

from workflows.model.base import Message, in_words
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, TemporaryError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import RecoveryPoint

from . import clone_source, epoch, observe, server, sql
from .clone_site import CloneSite

if TYPE_CHECKING:
    from .provider import PostgresProvider

SPARE_BYTES = 256 << 20
"""What must stay free beside the copy: the clone writes too."""

GRACE_SECONDS = 3.0
"""`pg_ctl` comes back before the server has written its pid."""
REFUSALS = 20


class Done(Message):
    """The note beside the copy once it is whole."""

    key: str
    epoch: int
    kind: str
    name: str
    position: str


async def clone(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """Lay the copy down once, and let it run; see `Provider.clone_data`."""
    bubble, point = request.target.bubble, request.point
    if bubble is None or point is None:
        raise PermanentError(
            Code.INVALID_INPUT, "A clone wants a bubble and a recovery point.", "This is a defect of the plan."
        )
    site = provider.local(request.target.site)
    assert isinstance(site, CloneSite)
    started = time.monotonic()
    site.place.insist_on_open()
    folder = Path(site.data_dir).parent
    with _alone(folder, site):
        done = _read(folder)
        _may(request, point, done)
        copied = done is None
        if done is None:
            await _copy(provider, request, point, site, folder)
        started_now = server.postmaster(site) is None
        if started_now and point.kind == "stream":
            await _start(provider, site)
        elif point.kind != "stream":
            site.place.make_sockets(site.owner())
            await clone_source.replay_point(provider, request, point)
        seen = await _ready(provider, request, site)
    return StepResult(
        detail=f"Cloned up to {seen['lsn']} and started in {in_words(time.monotonic() - started)}.",
        changed=copied or started_now,
        after={"folder": str(folder), "size": await asyncio.to_thread(_size, folder)}
        | {key: seen[key] for key in ("role", "lsn", "timeline", "system_identifier", "epoch")},
        point=point,
    )


@contextlib.contextmanager
def _alone(folder: Path, site: CloneSite) -> Iterator[None]:
    """Two attempts of one step can overlap; the second is told to come again."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)  # Without parents: a bubble that was closed meanwhile must not come back.
    os.chown(folder, site.owner(), -1)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise TemporaryError(
            Code.UNREACHABLE, "Another attempt is at work on this clone.", "Wait, then retry.", delay=1.0
        ) from None
    finally:
        os.close(handle)


def _read(folder: Path) -> Done | None:
    with contextlib.suppress(FileNotFoundError, ValueError):
        return Done.model_validate_json((folder / "clone.json").read_bytes())
    return None


def _may(request: StepRequest, point: RecoveryPoint, done: Done | None) -> None:
    if done and done.epoch > request.ref.epoch:
        raise epoch.stale(request.target.site, done.epoch, request.ref.epoch)
    if done and (done.kind, done.name) != (point.kind, point.name):
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"The clone that is there was made from another recovery point ({done.kind} {done.name}).",
            "Close the bubble, and drill again.",
        )


async def _copy(
    provider: "PostgresProvider", request: StepRequest, point: RecoveryPoint, site: CloneSite, folder: Path
) -> None:
    data = Path(site.data_dir)
    source = await clone_source.look(provider, request, point)
    _insist_on_room(folder, source.size)
    provider.context.still_mine()
    # Left behind by an attempt that died.
    await asyncio.to_thread(shutil.rmtree, data, True)
    await asyncio.to_thread(shutil.rmtree, folder / "tablespaces", True)
    if point.kind == "stream":
        await clone_source.base_backup(provider, site, source, data)
    else:
        await clone_source.lay_down(provider, request, point, data)
    _freeze_ledger(provider, request)
    clone_source.write_access(provider, source, folder, site.owner())
    site.place.make_sockets(site.owner())
    done = Done(key=request.ref.key, epoch=request.ref.epoch, kind=point.kind, name=point.name, position=point.position)
    part = folder / "clone.part"
    part.write_text(done.model_dump_json(), encoding="utf-8")
    part.replace(folder / "clone.json")


def _insist_on_room(folder: Path, size: int) -> None:
    free = psutil.disk_usage(str(folder)).free
    wanted = size + SPARE_BYTES
    if free < wanted:
        raise PermanentError(
            Code.TARGET_UNFIT,
            f"The clone needs {wanted >> 20} MiB, and {free >> 20} MiB are free in {folder}.",
            "Make room there, or give the worker another state folder, then retry.",
        )


def _freeze_ledger(provider: "PostgresProvider", request: StepRequest) -> None:
    """The moment of the copy is the drill's disaster: what is acknowledged later is not lost by it."""
    clones = provider.ledger(request.target.name, request.target.source)
    real = provider.context.state_dir / clones.name
    with contextlib.suppress(FileNotFoundError):
        shutil.copyfile(real, clones)


async def _start(provider: "PostgresProvider", site: CloneSite) -> None:
    provider.context.still_mine()
    site.place.make_sockets(site.owner())
    words = "starting the clone"
    try:
        await provider.beating(words, server.start(site, provider.settings.start_timeout.total_seconds()))
    except TimeoutError as error:
        raise OutcomeUnknownError("It is not known whether the clone was started.", "Retry; it looks first.") from error


async def _ready(provider: "PostgresProvider", request: StepRequest, site: CloneSite) -> dict[str, Any]:
    """What the clone tells once it lets us in."""
    limit = provider.settings.start_timeout.total_seconds()
    refused = 0
    seen_at = time.monotonic()
    end = seen_at + limit
    address = provider.address(request.target.site)
    while time.monotonic() < end:
        provider.context.heartbeat("waiting for the clone to answer")
        with contextlib.suppress(TimeoutError, psycopg.OperationalError):
            try:
                async with sql.session(address) as connection:
                    seen = await observe.facts(connection)
                provider.same_system(request, seen)
                return seen
            except sql.Unreachable as error:
                # Once is no proof: it may have become ready between the refusal and the question why.
                refused = refused + 1 if error.refused_us else 0
                if refused >= REFUSALS:
                    raise error.error() from None
        if server.postmaster(site) is not None:
            seen_at = time.monotonic()
        elif time.monotonic() - seen_at > GRACE_SECONDS:
            raise PermanentError(
                Code.TARGET_UNFIT, "The clone does not stay up.", f"Read {site.log_file}, close the bubble, retry."
            )
        await asyncio.sleep(0.02)
    raise OutcomeUnknownError(
        f"The clone was started and does not answer after {limit:g} s.", f"Read {site.log_file}; retry looks first."
    )


def _size(folder: Path) -> int:
    total = 0
    for root, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(root, name)).st_size
    return total
