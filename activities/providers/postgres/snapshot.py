"""A base backup that can be restored: taken, verified, and only then given its name."""

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import RecoveryPoint

from . import epoch, server, sql
from .settings import PostgresSite

if TYPE_CHECKING:
    from .provider import PostgresProvider

VERIFY_SECONDS = 3600.0


async def snapshot(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """Take the backup of this step once; asked again, verify the one that is there."""
    site = provider.local(request.target.site)
    if site.snapshot_dir is None:
        raise PermanentError(
            Code.CONFIGURATION,
            f"No `snapshot_dir` is set for {request.target.site}, so there is no place for a base backup.",
            "Set it in the runbook.",
        )
    final = Path(site.snapshot_dir) / _folder(request)
    changed = not final.exists()
    started = time.monotonic()
    if changed:
        await _may(provider, request)
        await _take(provider, request, site, final)
    point = _point(request, final)
    return StepResult(
        detail=f"Base backup up to {point.position}, verified, in {in_words(time.monotonic() - started)}.",
        changed=changed,
        after={"folder": str(final), "position": point.position, "timeline": point.timeline},
        point=point,
    )


def _folder(request: StepRequest) -> str:
    digest = hashlib.sha256(request.ref.key.encode()).hexdigest()[:16]
    return f"{request.target.name}-{request.ref.epoch}-{digest}"


async def _may(provider: "PostgresProvider", request: StepRequest) -> None:
    name = request.target.site
    with sql.looking("its epoch was read"):
        async with sql.session(provider.address(name)) as connection:
            stands = await epoch.read(connection)
    if stands and stands.epoch > request.ref.epoch:
        raise epoch.stale(name, stands.epoch, request.ref.epoch)


async def _take(provider: "PostgresProvider", request: StepRequest, site: PostgresSite, final: Path) -> None:
    part = final.with_name(f"{final.name}.part")
    provider.context.still_mine()
    # Left behind by an attempt that died; its name is of this step alone.
    await asyncio.to_thread(shutil.rmtree, part, True)
    try:
        await _backup(provider, request, site, part)
        status, _ = await provider.beating(
            "verifying the backup", server.run(site, "pg_verifybackup", str(part), seconds=VERIFY_SECONDS)
        )
        if status != 0:
            raise PermanentError(
                Code.CHECK_FAILED, "The base backup does not verify and was thrown away.", "Check the disk, then retry."
            )
        provider.context.still_mine()
        part.rename(final)
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, part, True)
        raise


async def _backup(provider: "PostgresProvider", request: StepRequest, site: PostgresSite, part: Path) -> None:
    address = provider.address(request.target.site)
    argv = [str(Path(site.bin_dir) / "pg_basebackup"), "-D", str(part), "-X", "stream", "-c", "fast", "--progress"]
    argv += ["-h", address.host, "-p", str(address.port), "-U", provider.settings.user, "--no-password"]
    # The password goes by the environment: an argument could be read by every user of the machine.
    env = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"} | address.secret_environment()
    process = await asyncio.create_subprocess_exec(
        *server.command_as(site.run_as, argv),
        env=env,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        while words := await process.stderr.read(4096):
            line = words.decode(errors="replace").replace("\r", "\n").strip().rpartition("\n")[2]
            provider.context.heartbeat(f"base backup: {line[:80]}")
        status = await process.wait()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    if status != 0:
        raise TemporaryError(
            Code.UNREACHABLE,
            f"pg_basebackup ended with status {status}; what it wrote is thrown away.",
            "Check disk space, the REPLICATION right of the user and pg_hba.conf, then retry.",
        )


def _point(request: StepRequest, final: Path) -> RecoveryPoint:
    manifest = json.loads((final / "backup_manifest").read_bytes())
    ends = manifest["WAL-Ranges"][-1]
    return RecoveryPoint(
        component=request.target.name,
        site=request.target.site,
        kind="snapshot",
        position=ends["End-LSN"],
        timeline=ends["Timeline"],
    )
