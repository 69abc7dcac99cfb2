"""Stop a server that a step holds off or sets aside."""

from typing import TYPE_CHECKING

from workflows.model.failure import OutcomeUnknownError
from workflows.model.messages import StepRequest

from . import server, sql
from .settings import PostgresSite

if TYPE_CHECKING:
    from .provider import PostgresProvider


async def stop(provider: "PostgresProvider", request: StepRequest, site: PostgresSite, what: str) -> None:
    """Stop what runs on the site's data directory; nothing where nothing does. `what` is stopped, in words.

    Raises:
        OutcomeUnknownError: it was told to stop and still runs.
    """
    process = server.postmaster(site)
    if process is None:
        return
    provider.context.still_mine()
    limit = provider.settings.stop_timeout.total_seconds()
    with sql.acting(f"the stop of {what}"):
        stopped = await server.stop_fast(process, limit, provider.context.heartbeat)
    if not stopped:
        raise OutcomeUnknownError(
            f"The server at {request.target.site} was told to stop and still runs after {limit:g} s.",
            "Look at its log; the next attempt goes on from there.",
        )
