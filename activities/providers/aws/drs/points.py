"""What can be recovered at a site: the newest data, and the snapshots that DRS has taken.

DRS takes the snapshots of each server by itself, and promises no common moment. A point is the snapshot of one server,
the first by name, together with the newest of every other that is not younger. It is named by the first one's.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from activities.providers.aws import storage_points
from activities.providers.aws.calls import Aws
from activities.providers.aws.parallel import all_of
from activities.providers.base import now
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Lag, RecoveryPoint

from . import launching
from .look import Standing

if TYPE_CHECKING:
    from .provider import DrsProvider


class Snapshot(NamedTuple):
    """Of one server."""

    taken: datetime
    id: str


Set = dict[str, Snapshot]
"""By the names of the servers."""


async def list_points(provider: "DrsProvider", request: StepRequest) -> StepResult:
    """The newest data, and every snapshot."""
    stands = await provider.stands_at(request.target.site, request)
    found = storage_points.listed(await _kept(provider, request, stands))
    newest = _newest(request, stands)
    return found.model_copy(update={"points": (newest, *found.points)})


async def choose(provider: "DrsProvider", request: StepRequest) -> StepResult:
    """The newest data, or the snapshot that `request.choice` says."""
    stands = await provider.stands_at(request.target.site, request)
    launching.fits(provider.settings.names, stands)
    if request.choice != "latest":
        return storage_points.chosen(request, await _kept(provider, request, stands))
    point = _newest(request, stands)
    return StepResult(
        detail=f"What has arrived, {point.position}; expected loss: {in_words(point.expected_loss.seconds)}.",
        changed=False,
        after={"position": point.position},
        point=point,
        points=(point,),
    )


async def restore(provider: "DrsProvider", request: StepRequest) -> StepResult:
    """See that the chosen snapshots are kept. They lie where they are launched: nothing has to be laid down."""
    stands = await provider.stands_at(request.target.site, request)
    launching.fits(provider.settings.names, stands)
    found = await chosen(provider, request, stands)
    return StepResult(
        detail=f"{len(found)} snapshots are kept by DRS; the promote launches them.",
        changed=False,
        after={"snapshots": found},
        point=request.point,
    )


async def chosen(provider: "DrsProvider", request: StepRequest, stands: Standing) -> dict[str, str]:
    """The snapshot of each server that belongs to `request.point`; none where that is the newest data.

    Raises:
        PermanentError: NOT_FOUND, when DRS does not keep it any more.
    """
    point = request.point
    if point is None or point.kind == "stream":
        return {}
    for one in await _sets(provider, provider.aws(request.target.site, request), stands):
        if _name(one) == point.name:
            return {name: snapshot.id for name, snapshot in one.items()}
    raise PermanentError(
        Code.NOT_FOUND, f"DRS does not keep the recovery point {point.name} any more.", "Choose another one."
    )


def _newest(request: StepRequest, stands: Standing) -> RecoveryPoint:
    states = sorted({one.state for one in stands.servers.values()})
    return RecoveryPoint(
        component=request.target.name,
        site=request.target.site,
        kind="stream",
        position=", ".join(states),
        expected_loss=Lag(seconds=stands.lag),
    )


async def _kept(provider: "DrsProvider", request: StepRequest, stands: Standing) -> list[RecoveryPoint]:
    aws = provider.aws(request.target.site, request)
    return [_point(request, one) for one in await _sets(provider, aws, stands)]


async def _sets(provider: "DrsProvider", aws: Aws, stands: Standing) -> list[Set]:
    if stands.servers.keys() < set(provider.settings.names):
        return []
    first, *others = provider.settings.names
    every = await all_of({name: partial(_snapshots, aws, stands.servers[name].id) for name in (first, *others)})
    found = []
    for anchor in every[first]:
        older = {name: [one for one in every[name] if one.taken <= anchor.taken] for name in others}
        if all(older.values()):
            found.append({first: anchor, **{name: max(one) for name, one in older.items()}})
    return found


async def _snapshots(aws: Aws, server: str) -> list[Snapshot]:
    """Those that were taken; of one that is being taken only the expected time is known."""
    listed = await aws.pages("drs", "describe_recovery_snapshots", "items", sourceServerID=server, order="DESC")
    return [
        Snapshot(datetime.fromisoformat(one["timestamp"]), one["snapshotID"]) for one in listed if "timestamp" in one
    ]


def _name(found: Mapping[str, Snapshot]) -> str:
    return found[min(found)].id


def _point(request: StepRequest, found: Set) -> RecoveryPoint:
    taken, last = min(found.values()).taken, max(found.values()).taken
    apart = f", taken within {in_words((last - taken).total_seconds())}" if len(found) > 1 else ""
    return RecoveryPoint(
        component=request.target.name,
        site=request.target.site,
        kind="snapshot",
        position=taken.isoformat(),
        expected_loss=Lag(seconds=max(0.0, (now() - taken).total_seconds())),
        name=_name(found),
        taken=taken,
        covers_until=taken,
        proof=f"DRS keeps {len(found)} snapshots{apart}; each is crash-consistent by itself",
    )
