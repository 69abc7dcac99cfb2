"""The long-running programs that copy a cluster, with their progress told, and the folders that they work in."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg.conninfo import make_conninfo

from activities.durable import sync
from activities.providers.base import secret
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.messages import StepRequest

from . import fence_file, follow, guard, server
from .settings import PostgresSite

if TYPE_CHECKING:
    from .provider import PostgresProvider

CONFIGURATION = ("postgresql.conf", "pg_hba.conf", "pg_ident.conf")
"""What belongs to the site and not to the data: a rewind and a base backup bring the other site's."""
_PROGRESS = re.compile(r"(\d+)/(\d+) kB \((\d+)%\)")


def beside(site: PostgresSite, suffix: str) -> Path:
    """A neighbour of the data directory, on its file system."""
    data = Path(site.data_dir).resolve()
    return data.with_name(f"{data.name}.{suffix}")


async def program(
    provider: "PostgresProvider", site: PostgresSite, argv: Sequence[str], password: str, words: str
) -> int:
    """Run it to its end, telling bytes, percent and the time that is left; its exit status."""
    # A worker that is killed must take its program with it: the next attempt would find two at work.
    dies = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    env = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "PGPASSWORD": password}
    process = await asyncio.create_subprocess_exec(
        *server.command_as(site.run_as, [*dies, *argv]),
        env=env,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    began = time.monotonic()
    try:
        async with asyncio.timeout(provider.settings.copy_timeout.total_seconds()):
            while True:
                try:
                    output = await asyncio.wait_for(process.stdout.read(65536), 1.0)
                except TimeoutError:
                    provider.context.heartbeat(words)
                    continue
                if not output:
                    return await process.wait()
                words = _told(output.decode(errors="replace"), words, began)
                provider.context.heartbeat(words)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def _told(output: str, words: str, began: float) -> str:
    found = _PROGRESS.findall(output)
    if not found:
        return words
    done, total, percent = (int(number) for number in found[-1])
    name = words.partition(":")[0]
    rest = in_words((total - done) * (time.monotonic() - began) / done) if done else "unknown time"
    return f"{name}: {done} of {total} kB ({percent} %), about {rest} left"


async def rewind(provider: "PostgresProvider", request: StepRequest, site: PostgresSite) -> bool:
    """Turn the old server's data into those of the serving one; False when that cannot be done, and the directory is
    not to be trusted any more."""
    source = follow.endpoint(provider, request.target.target)
    conninfo = make_conninfo(**source | {"user": provider.settings.user}, dbname=provider.settings.database)
    await asyncio.to_thread(save_configuration, site)
    provider.context.still_mine()
    # A rewind that is killed half-way leaves a directory that neither starts nor can be rewound again.
    guard.write_note(site, request.ref, "rewind")
    argv = [str(Path(site.bin_dir) / "pg_rewind"), "-D", site.data_dir, "--source-server", conninfo]
    argv += ["--write-recovery-conf", "--progress"]
    status = await program(provider, site, argv, secret(provider.settings.password), "rewind")
    if status == 0:
        await asyncio.to_thread(restore_configuration, site, Path(site.data_dir))
    return status == 0


async def base_backup(provider: "PostgresProvider", request: StepRequest, site: PostgresSite) -> None:
    """Copy the serving server into a new directory beside the old one, then let it take that one's place.

    Raises:
        TemporaryError: UNREACHABLE; what was written is thrown away.
    """
    source = follow.endpoint(provider, request.target.target)
    new = beside(site, "new")
    await asyncio.to_thread(save_configuration, site)
    provider.context.still_mine()
    await asyncio.to_thread(shutil.rmtree, new, True)
    await asyncio.to_thread(_make, new, site)
    argv = [str(Path(site.bin_dir) / "pg_basebackup"), "-D", str(new), "-X", "stream", "-c", "fast", "-R"]
    argv += ["-d", make_conninfo(**source), "--no-password", "--progress"]
    status = await program(provider, site, argv, follow.password(provider), "base backup")
    if status != 0:
        await asyncio.to_thread(shutil.rmtree, new, True)
        raise TemporaryError(
            Code.UNREACHABLE,
            f"pg_basebackup ended with status {status}; what it wrote is thrown away, the old directory still stands.",
            "Check disk space, the REPLICATION right of the user and pg_hba.conf, then retry.",
        )
    await asyncio.to_thread(restore_configuration, site, new)
    await asyncio.to_thread((new / fence_file.FENCE).unlink, missing_ok=True)
    provider.context.still_mine()
    guard.write_note(site, request.ref, "swap")
    await asyncio.to_thread(swap, site, request.ref.epoch)


def _make(new: Path, site: PostgresSite) -> None:
    new.mkdir(mode=0o700)
    data = Path(site.data_dir)
    follow.own(new, data if data.exists() else data.parent)


def swap(site: PostgresSite, epoch: int) -> None:
    """Put the new directory in the old one's place; may be repeated after a death in between. One old directory is
    kept: the first of this epoch, which is the one with people's data in it.

    Raises:
        PermanentError: CONFIGURATION when the directory cannot be renamed (it is a mount point, say).
    """
    data, new = Path(site.data_dir).resolve(), beside(site, "new")
    kept = beside(site, f"old-{epoch}")
    try:
        if new.exists():
            if data.exists() and kept.exists():
                shutil.rmtree(data)
            elif data.exists():
                data.rename(kept)
            new.rename(data)
            sync(data.parent)
    except OSError as error:
        raise PermanentError(
            Code.CONFIGURATION,
            f"{data} cannot be replaced by the new copy beside it ({error.strerror}).",
            "Keep the data directory below a mount point, not at it, then retry.",
        ) from error
    for older in data.parent.glob(f"{data.name}.old-*"):
        if older != kept:
            shutil.rmtree(older, ignore_errors=True)


def save_configuration(site: PostgresSite) -> None:
    """Put the site's own configuration files aside, once."""
    saved, part = beside(site, "conf"), beside(site, "conf.part")
    if saved.exists() or not Path(site.data_dir).exists():
        return
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700)
    for name in CONFIGURATION:
        if (path := Path(site.data_dir) / name).exists():
            shutil.copy2(path, part / name)
    part.rename(saved)


def restore_configuration(site: PostgresSite, folder: Path) -> None:
    """Give the site's own configuration files to the copied directory."""
    saved = beside(site, "conf")
    if not saved.exists():
        return
    for path in saved.iterdir():
        fence_file.put(str(folder), path.name, path.read_bytes())


def forget_configuration(site: PostgresSite) -> None:
    """The copy follows: what was put aside is of no use any more."""
    shutil.rmtree(beside(site, "conf"), ignore_errors=True)
