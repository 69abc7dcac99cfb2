"""The pivot: a replica becomes an instance of its own, or a restored one is let out of its isolation."""

from datetime import datetime
from typing import TYPE_CHECKING

from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused
from activities.providers.aws.landed import landed
from activities.providers.aws.metrics import Datum
from activities.providers.aws.waiting import until
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.plan import Mode

from . import database, fence, lag
from .database import Database

if TYPE_CHECKING:
    from .provider import RdsProvider


async def catch_up(provider: "RdsProvider", request: StepRequest) -> StepResult:
    """Planned: wait until the replica is known to hold something that was committed behind the fence, and so all that
    was before it. Unplanned there is nobody to receive from; what has arrived is applied by RDS as it promotes."""
    site = request.target.site
    aws = provider.aws(site, request)
    found = await database.look(aws, provider.instance(site))
    if found is None or not found.source:
        return StepResult(detail="No replica runs here: a snapshot goes no further.", changed=False)
    fenced = next((one for one in request.proofs if one.proven and one.site == request.target.source), None)
    if request.mode is not Mode.PLANNED or fenced is None:
        return StepResult(detail="There is nobody to receive from; what has arrived is here.", changed=False)
    measured = await _in_step(provider, aws, found.name, fenced.at)
    return StepResult(
        detail=f"It holds all until {lag.held_until(measured):%H:%M:%S} UTC, which is behind the fence.",
        changed=False,
        after={"lag_seconds": measured.value, "measured": measured.at.isoformat()},
    )


async def _in_step(provider: "RdsProvider", aws: Aws, name: str, fenced: datetime) -> Datum:
    """A fenced source commits nothing but RDS's own heartbeat, at most five minutes later: that one is waited for."""

    async def seen() -> Datum | None:
        return await lag.of_replica(aws, name)

    found = await until(
        seen,
        lambda datum: datum is not None and lag.held_until(datum) >= fenced,
        lambda datum: (
            f"{name} holds all until {lag.held_until(datum):%H:%M:%S} UTC; the fence was at {fenced:%H:%M:%S}"
            if datum
            else "no lag was measured lately"
        ),
        provider.context,
        provider.patience,
    )
    assert found is not None
    return found


async def promote(provider: "RdsProvider", request: StepRequest) -> StepResult:
    """End the replication, let the application in, and read back that it is served."""
    site = request.target.site
    place, aws = provider.site(site), provider.aws(site, request)
    stands = await database.insist(aws, place.instance)
    _fits(stands)
    again = await provider.register(site, request).noted() is not None
    if not again and not stands.made_by(request.ref):
        database.as_planned(request, stands)
    before = await provider.claim(request, stands)
    changed = stands.source is not None and await _end_replication(provider, aws, stands.name, again)
    with landed("Its replication was ended"):
        found = await _alone(provider, aws, stands.name)
        if found.isolated_by(place.isolation_group):
            await fence.set_groups(provider, aws, found, place.security_groups)
            found, changed = await _alone(provider, aws, stands.name), True
    return StepResult(
        detail=f"{found.name} in {place.region} is {found.status}, follows nobody, and can be reached.",
        changed=changed,
        before=before,
        after=found.facts(),
    )


async def _end_replication(provider: "RdsProvider", aws: Aws, name: str, again: bool) -> bool:
    """Whether it was this attempt that did it."""
    stands = await _available(provider, aws, name)
    if stands.source is None:
        return False
    provider.context.still_mine()
    try:
        await aws.change(
            "rds",
            "promote_read_replica",
            DBInstanceIdentifier=name,
            BackupRetentionPeriod=max(stands.backup_days, provider.settings.backup_days),
        )
    except Refused as error:
        if not (again and error.reason == "InvalidDBInstanceState"):
            raise
        return False  # An earlier attempt's promotion is under way, and does not show yet.
    return True


def _fits(stands: Database) -> None:
    if stands.status in ("stopped", "stopping", "failed", "deleting"):
        raise PermanentError(
            Code.PROMOTE_REFUSED,
            f"{stands.name} is {stands.status}; RDS promotes only what runs.",
            "Start it, or choose another recovery point.",
        )


async def _available(provider: "RdsProvider", aws: Aws, name: str) -> Database:
    """RDS promotes no replica that is being backed up or changed."""

    async def seen() -> Database:
        return await database.insist(aws, name)

    return await until(
        seen,
        lambda one: one.status == "available",
        lambda one: f"{name} is {one.status}, and cannot be promoted yet",
        provider.context,
        provider.patience,
    )


async def _alone(provider: "RdsProvider", aws: Aws, name: str) -> Database:
    async def seen() -> Database:
        return await database.insist(aws, name)

    return await until(
        seen,
        lambda one: one.source is None and one.status == "available",
        lambda one: f"{name} is {one.status}" + (", still a replica" if one.source else ""),
        provider.context,
        provider.patience,
    )
