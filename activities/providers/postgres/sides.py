"""Which of the two sites serves now, and which is the replica: asked, since a verb may be called before a move or
after it."""

from typing import TYPE_CHECKING, NamedTuple

from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest

from . import sql, streaming

if TYPE_CHECKING:
    from .provider import PostgresProvider

_ROLE = "select pg_is_in_recovery() as standby"


class Sides(NamedTuple):
    """Names of sites."""

    primary: str
    standby: str


async def find(provider: "PostgresProvider", request: StepRequest) -> Sides:
    """Ask both.

    Raises:
        PermanentError: ROLE_MISMATCH when they are not one primary and one replica; UNSUPPORTED where none follows.
        TemporaryError: UNREACHABLE.
    """
    streaming.insist(request)
    names = (request.target.source, request.target.target)
    standby = []
    for name in names:
        with sql.looking(f"{name} was asked for its role"):
            async with sql.session(provider.address(name)) as connection:
                standby.append(bool((await sql.row(connection, _ROLE))["standby"]))
    if standby == [False, True]:
        return Sides(*names)
    if standby == [True, False]:
        return Sides(*reversed(names))
    raise PermanentError(
        Code.ROLE_MISMATCH,
        f"{names[0]} and {names[1]} are both {'replicas' if standby[0] else 'primaries'}.",
        "Look at both sites: exactly one of them must serve.",
    )
