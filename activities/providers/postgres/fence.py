"""Hold the old primary off, politely, and prove it; and the undo of that.

Invariant: the fence is proven only when the server was a primary, its process is gone, `standby.signal` stands in its
data directory, and a write probe was refused by the host.
"""

import asyncio
import time
from typing import TYPE_CHECKING

import psycopg

from activities.providers.base import now
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, SeawallError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import FenceProof, Reach
from workflows.model.plan import Mode

from . import epoch, fence_file, observe, server, sql, streaming
from .fence_file import FenceFile
from .probe import probe_write
from .settings import PostgresSite
from .stopping import stop

if TYPE_CHECKING:
    from .provider import PostgresProvider

NEAR_BYTES = 16 * 1024 * 1024
_NEAREST = """
select min(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn))::bigint as behind
  from pg_stat_replication where state = 'streaming'
"""


async def fence(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """Stop the server at `target.site` and keep it from coming back as a primary."""
    name = request.target.site
    site = provider.local(name)
    if request.mode is Mode.PLANNED:
        streaming.insist(request)
    stands = fence_file.read(site.data_dir)
    if stands and stands.epoch > request.ref.epoch:
        raise epoch.stale(name, stands.epoch, request.ref.epoch)
    running = server.postmaster(site) is not None
    ours = stands is not None and stands.belongs_to(request.ref)
    if fence_file.signal_stands(site.data_dir) and not running:
        if ours:
            return await _proven(provider, request, changed=False)
        if stands and request.adopts is not None and stands.epoch <= request.adopts:
            # Fenced by the run that this one takes over: the fence becomes ours, and so does its undo.
            mine = FenceFile.of(request.ref).model_copy(update={"made_signal": stands.made_signal})
            provider.context.still_mine()
            fence_file.write(site.data_dir, mine)
            return await _proven(provider, request, changed=True)
    # Ours and down: an earlier attempt died in between. Ours and signalled: a reboot brought it back as a standby.
    if not ours or (running and not fence_file.signal_stands(site.data_dir)):
        await _must_be_primary(provider, request)
        await _calm(provider, request)
    provider.context.still_mine()
    fence_file.write(site.data_dir, FenceFile.of(request.ref))
    await stop(provider, request, site, "the old server")
    with sql.acting("the fence"):
        await asyncio.to_thread(_hold, site, request)
    return await _proven(provider, request, changed=True)


def _hold(site: PostgresSite, request: StepRequest) -> None:
    try:
        fence_file.write(site.data_dir, FenceFile.of(request.ref).model_copy(update={"made_signal": True}))
        fence_file.write_signal(site.data_dir)
    except PermanentError as error:
        # Nothing was changed is no longer true: the server has stopped.
        raise OutcomeUnknownError(error.sentence, error.next_step) from error


async def _must_be_primary(provider: "PostgresProvider", request: StepRequest) -> None:
    name = request.target.site
    role, stands = await _role(provider, request)
    if role != "primary":
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"The server at {name} is not a primary ({role}), so it is not the one to fence.",
            "Look at both sites and plan again.",
        )
    if stands is not None and stands > request.ref.epoch:
        raise epoch.stale(name, stands, request.ref.epoch)


async def _role(provider: "PostgresProvider", request: StepRequest) -> tuple[str, int | None]:
    """The role and the epoch; from the data directory when the server does not answer in an unplanned failover."""
    name = request.target.site
    site = provider.local(name)
    seen = await observe.look(provider.address(name), request.target.name, name, provider.context.here)
    if seen.facts:
        provider.same_system(request, seen.facts)
        return str(seen.facts["role"]), seen.facts["epoch"]
    if server.postmaster(site) is not None and request.mode is Mode.PLANNED:
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"The server at {name} runs but cannot be asked: {seen.detail}",
            "A planned failover wants both sites healthy: mend it, or fail over unplanned.",
        )
    with sql.looking("its control file was read"):
        facts = await server.control(site)
    provider.same_system(request, {"system_identifier": facts.get("Database system identifier")})
    state = facts.get("Database cluster state", "unknown")
    if fence_file.signal_stands(site.data_dir) or state not in server.OF_A_PRIMARY:
        return f"standby, {state}", None
    return "primary", None


async def _calm(provider: "PostgresProvider", request: StepRequest) -> None:
    """Write a checkpoint and wait for a near standby while users are still served: both shorten the outage."""
    name = request.target.site
    planned = request.mode is Mode.PLANNED
    if server.postmaster(provider.local(name)) is None:
        return
    try:
        with sql.looking("a checkpoint was written before the stop"):
            async with sql.session(provider.address(name)) as connection:
                await _checkpoint(provider, connection)
                await _near(provider, connection, name, planned)
    except SeawallError:
        if planned:
            raise


async def _checkpoint(provider: "PostgresProvider", connection: sql.Connection) -> None:
    limit = provider.settings.stop_timeout.total_seconds()
    try:
        await provider.beating("checkpoint at the old site", sql.rows(connection, "checkpoint", seconds=limit))
    except psycopg.errors.InsufficientPrivilege:
        return


async def _near(provider: "PostgresProvider", connection: sql.Connection, name: str, planned: bool) -> None:
    started = time.monotonic()
    while True:
        behind = (await sql.row(connection, _NEAREST))["behind"]
        if behind is not None and behind <= NEAR_BYTES:
            return
        limit = 3.0 if behind is None else provider.settings.catch_up_timeout.total_seconds()
        if not planned or time.monotonic() - started > limit:
            break
        provider.context.heartbeat("no standby is streaming" if behind is None else f"standby {behind} bytes behind")
        await asyncio.sleep(0.005)
    if planned:
        seen = "none is streaming" if behind is None else f"the nearest is {behind} bytes behind"
        raise PermanentError(
            Code.TARGET_UNFIT,
            f"No standby of {name} is near enough for a planned failover: {seen}.",
            "Mend replication, then ask again.",
        )


async def _proven(provider: "PostgresProvider", request: StepRequest, changed: bool) -> StepResult:
    name = request.target.site
    site = provider.local(name)
    with sql.acting("the fence"):
        facts = await server.control(site)
        probe = await probe_write(provider.address(name))
    held = server.postmaster(site) is None and fence_file.signal_stands(site.data_dir)
    proof = FenceProof(
        component=request.target.name,
        site=name,
        epoch=request.ref.epoch,
        method="stopped, standby.signal",
        proven=held and probe is Reach.REFUSED,
        write_probe=probe,
        position=server.shutdown_position(facts),
        at=now(),
        detail=f"Its process is gone, and a write there is answered: {probe.value}.",
    )
    before = request.before.facts if request.before else {}
    return StepResult(
        detail="Stopped; it cannot come back as a primary.",
        changed=changed,
        before={"role": before.get("role", "primary"), "epoch": before.get("epoch")},
        after={"running": False, "fence_epoch": request.ref.epoch, "position": proof.position},
        proof=proof,
    )
