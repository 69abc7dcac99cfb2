"""Let a fenced server serve again. Legal only before the pivot, so the other sites are asked first."""

import asyncio
import time
from typing import TYPE_CHECKING

from workflows.model.failure import Code, OutcomeUnknownError, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Reach

from . import epoch, fence_file, observe, server, sql
from .probe import probe_write
from .settings import PostgresSite

if TYPE_CHECKING:
    from .provider import PostgresProvider


async def unfence(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """Undo this run's fence. The fence of another run stays: a rejoined standby may still carry its file, and taking
    `standby.signal` away from that one would make a second primary at its next start."""
    name = request.target.site
    site = provider.local(name)
    stands = fence_file.read(site.data_dir)
    if stands and stands.epoch > request.ref.epoch:
        raise epoch.stale(name, stands.epoch, request.ref.epoch)
    if stands is None or not stands.belongs_to(request.ref):
        return StepResult(detail="No fence of this run stands here.", changed=False)
    await _nobody_else_serves(provider, request)
    if await _still_serving(provider, site, name):
        fence_file.clear(site.data_dir, stands)
        return StepResult(detail="It was never stopped; the mark is gone.", after={"role": "primary"})
    provider.context.still_mine()
    limit = provider.settings.start_timeout.total_seconds()
    if stands.made_signal:
        fence_file.drop_signal(site.data_dir)
    with sql.acting("the start of the server"):
        await server.start(site, limit)
    await _serving(provider, request, limit)
    # Last, so that an attempt that died before it knows what is left to do.
    fence_file.clear(site.data_dir, stands)
    return StepResult(detail="Started again; it accepts writes.", after={"role": "primary", "running": True})


async def _nobody_else_serves(provider: "PostgresProvider", request: StepRequest) -> None:
    for other in provider.settings.sites:
        if other == request.target.site:
            continue
        seen = await observe.look(provider.address(other), request.target.name, other, provider.context.here)
        if seen.facts.get("role") == "primary":
            raise PermanentError(
                Code.PRECONDITION_CHANGED,
                f"The server at {other} is a primary now, so {request.target.site} must stay fenced.",
                "Go forward at the new site; going home is a failback of its own.",
            )


async def _still_serving(provider: "PostgresProvider", site: PostgresSite, name: str) -> bool:
    """True when the server was never stopped. A stop that is under way is waited for; a fenced server that a reboot
    brought back as a standby is stopped, since PostgreSQL reads `standby.signal` only when it starts."""
    limit = provider.settings.stop_timeout.total_seconds()
    end = time.monotonic() + limit
    while (process := server.postmaster(site)) is not None:
        reach = await probe_write(provider.address(name))
        if reach is Reach.SERVING:
            return True
        if reach is Reach.STANDBY and fence_file.signal_stands(site.data_dir):
            provider.context.still_mine()
            with sql.acting("the stop of the fenced server"):
                await server.stop_fast(process, limit, provider.context.heartbeat)
        if time.monotonic() >= end:
            raise OutcomeUnknownError(
                f"The server at {name} neither serves nor stops.", "Look at its log, then retry the undo."
            )
        provider.context.heartbeat("waiting for the server to settle")
        await asyncio.sleep(0.01)
    return False


async def _serving(provider: "PostgresProvider", request: StepRequest, limit: float) -> None:
    name = request.target.site
    end = time.monotonic() + limit
    while await probe_write(provider.address(name)) is not Reach.SERVING:
        if time.monotonic() >= end:
            raise OutcomeUnknownError(
                f"The server at {name} was started and does not accept writes after {limit:g} s.",
                f"Read {provider.local(name).log_file}, then retry.",
            )
        provider.context.heartbeat("waiting for the server to accept writes")
        await asyncio.sleep(0.01)
