"""Keep, and name, what only the old site has, before anything there is overwritten.

Invariant: an archive folder has its final name only when all of it is written; its manifest says what it holds.
"""

import asyncio
import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from activities.durable import sync
from workflows.model.base import Message
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import DivergedTable, Divergence

from . import fence_file, follow, guard, isolated, lost, lsn, parting, server, sql, walscan
from .guard import Serving
from .parting import Parting
from .settings import PostgresSite

if TYPE_CHECKING:
    from .provider import PostgresProvider

MANIFEST = "manifest.json"


class Manifest(Message):
    """What an archive holds, and of which cluster it is."""

    system_identifier: str
    key: str
    epoch: int
    divergence: Divergence


async def archive(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """Look for commits beyond the point where the serving server's history began to differ; keep their log, and tell
    them as rows."""
    site = await guard.old_site(provider, request)
    folder = base(site, request) / _folder(request)
    if found := _read(folder):
        return _answer(found.divergence, changed=False)
    serving = await guard.serving(provider, request)
    if not guard.cluster_stands(site):
        return _answer(_none(request, "There is no cluster in the data directory.", complete=False), changed=False)
    note = guard.read_note(site)
    if note and note.stage in ("rewind", "swap"):
        words = "A rebuild was begun here, after its archive; what is left cannot be read as a database."
        return _answer(_none(request, words), changed=False)
    if server.postmaster(site) is not None:
        if await follow.follows(provider, request, serving):
            return _answer(_none(request, "It follows the serving server."), changed=False)
        provider.context.still_mine()
        await isolated.leave(provider, site)
    seen = await parting.look(provider, site, serving)
    if seen.fork is None or (seen.beyond.readable and not seen.beyond.commits):
        return _answer(_none(request, _nothing(seen), seen), changed=False)
    provider.context.still_mine()
    return _answer(await _keep(provider, request, site, serving, seen, folder), changed=True)


def base(site: PostgresSite, request: StepRequest) -> Path:
    """Where the archives of a component stand at its old site."""
    beside = Path(site.data_dir).parent / f"diverged-{request.target.name}"
    return Path(site.archive_dir) if site.archive_dir else beside


def covers(site: PostgresSite, request: StepRequest, serving: Serving, seen: Parting) -> bool:
    """Whether a finished archive holds everything of the old server beyond the fork."""
    for path in base(site, request).glob(f"*/{MANIFEST}"):
        found = _read(path.parent)
        if found is None or found.system_identifier != serving.system_identifier or seen.fork is None:
            continue
        one = found.divergence
        if lsn.parse(one.since) <= seen.fork and lsn.parse(one.until) >= seen.beyond.end:
            return True
    return False


def _folder(request: StepRequest) -> str:
    return f"{request.ref.epoch}-{hashlib.sha256(request.ref.key.encode()).hexdigest()[:16]}"


def _read(folder: Path) -> Manifest | None:
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise PermanentError(
            Code.CONFIGURATION, f"The archive {folder} cannot be read.", "Look at it by hand, then retry."
        ) from error


def _none(request: StepRequest, words: str, seen: Parting | None = None, complete: bool = True) -> Divergence:
    return Divergence(
        component=request.target.name,
        site=request.target.source,
        diverged=False,
        since=lsn.text(seen.fork) if seen and seen.fork is not None else "",
        until=lsn.text(seen.beyond.end) if seen and seen.fork is not None else "",
        complete=complete,
        detail=words,
    )


def _nothing(seen: Parting) -> str:
    if seen.fork is None or not seen.beyond.records:
        return "Its log ends where the serving server's goes on."
    return f"Its log goes on for {seen.beyond.records} records, without a commit among them."


def _answer(found: Divergence, changed: bool) -> StepResult:
    rows = sum(table.rows for table in found.tables)
    words = f"{rows} rows only here, in {len(found.tables)} tables; kept in {found.folder}." if found.diverged else ""
    return StepResult(
        detail=f"{words} {found.detail}".strip(),
        changed=changed,
        after={"diverged": found.diverged, "rows": rows, "folder": found.folder, "complete": found.complete},
        divergence=found,
    )


async def _keep(
    provider: "PostgresProvider",
    request: StepRequest,
    site: PostgresSite,
    serving: Serving,
    seen: Parting,
    folder: Path,
) -> Divergence:
    assert seen.fork is not None
    part = folder.with_name(f"{folder.name}.part")
    # Left behind by an attempt that died; its name is of this step alone.
    await asyncio.to_thread(shutil.rmtree, part, True)
    await asyncio.to_thread(_make, part)
    files = [
        path
        for timeline in {seen.fork_timeline, seen.timeline}
        for path in walscan.segments(site.data_dir, timeline, seen.fork, seen.beyond.end, seen.segment_bytes)
    ]
    words = f"copying {len(set(files))} files of the log"
    await provider.beating(words, asyncio.to_thread(walscan.keep, sorted(set(files)), part / "wal"))
    rows, why = await _rows(provider, request, site, serving, seen, part)
    found = Divergence(
        component=request.target.name,
        site=request.target.source,
        diverged=True,
        since=lsn.text(seen.fork),
        until=lsn.text(seen.beyond.end),
        bytes=seen.beyond.bytes,
        tables=tuple(rows),
        folder=str(folder),
        complete=not why,
        detail=why,
    )
    manifest = Manifest(
        system_identifier=serving.system_identifier, key=request.ref.key, epoch=request.ref.epoch, divergence=found
    )
    provider.context.still_mine()
    await asyncio.to_thread(_finish, part, folder, manifest)
    return found


def _make(part: Path) -> None:
    part.parent.mkdir(parents=True, exist_ok=True)
    part.mkdir(mode=0o700)


def _finish(part: Path, folder: Path, manifest: Manifest) -> None:
    fence_file.put(str(part), MANIFEST, manifest.model_dump_json(indent=2).encode())
    part.rename(folder)
    sync(folder.parent)


async def _rows(
    provider: "PostgresProvider",
    request: StepRequest,
    site: PostgresSite,
    serving: Serving,
    seen: Parting,
    part: Path,
) -> tuple[list[DivergedTable], str]:
    """The lost rows, and in words what could not be told as rows."""
    if not seen.beyond.readable:
        return [], "The log right after the fork is not there any more, so what was lost cannot be told as rows."
    made_signal = not parting.holds_signal(site)
    log_file = folder_log(part)
    end = (seen.beyond.last or seen.fork or 0) + 1
    try:
        async with isolated.started(provider, site, end, log_file) as old:
            stands = await guard.epoch_here(old)
            if stands <= serving.epoch:
                with sql.looking("the rows of both sites were compared"):
                    async with sql.session(provider.address(serving.site)) as other:
                        rows = await lost.rows(provider, old, other, seen.beyond.transactions, part)
                return rows, _deletions(seen)
    except isolated.NotStarted as error:
        return [], f"It is kept as a log only: {error}."
    if made_signal:
        fence_file.drop_signal(site.data_dir)
    raise guard.mismatch(
        f"Epoch {stands} stands at {request.target.source}, above epoch {serving.epoch} at {serving.site}."
    )


def folder_log(part: Path) -> Path:
    """The log of the isolated server. Beside the archive: the server's user may not enter that."""
    return part.with_name(f"{part.stem}.log")


def _deletions(seen: Parting) -> str:
    count = len(seen.beyond.deletions & seen.beyond.transactions)
    return f"Deletions by {count} of its transactions are kept as a log only." if count else ""
