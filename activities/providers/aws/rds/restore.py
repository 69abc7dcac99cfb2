"""Lay a snapshot down in an instance's place, and put back what stood there.

The copy is made beside the instance under a name of its own, with nobody let in; only when it is whole do the two
change names. Until then whatever stands there goes on, and a restore that fails has touched nothing.
"""

from typing import TYPE_CHECKING, Any

from activities.providers.aws.calls import Aws
from activities.providers.aws.landed import landed
from activities.providers.aws.tags import PREFIX, pairs, tags
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult

from . import database, names
from .database import Database

if TYPE_CHECKING:
    from .provider import RdsProvider


async def restore(provider: "RdsProvider", request: StepRequest) -> StepResult:
    """Restore `request.point` as the instance of `target.site`, isolated until it is promoted."""
    site = request.target.site
    place, aws = provider.site(site), provider.aws(site, request)
    snapshot = _wanted(request)
    beside, aside = _beside(request, place.instance), _aside(request, place.instance)
    stands, made = await database.look(aws, place.instance), await database.look(aws, beside)
    there = stands is not None and stands.made_by(request.ref)
    before = await _claim(provider, request, stands, made, there)
    if not there:
        if made is None:
            await _make(provider, request, aws, snapshot, beside)
        with landed(f"{beside} was restored"):
            fresh = await names.available(provider, aws, beside)
            if stands is not None:
                await names.abandon(provider, request, aws, stands, served=not stands.source)
                await names.rename(provider, aws, stands, aside)
            await names.rename(provider, aws, fresh, place.instance)
    found = await names.available(provider, aws, place.instance)
    kept = f"; what stood there is {aside}" if before.get("name") else ""
    return StepResult(
        detail=f"{snapshot} is {found.name} in {place.region}, and nobody can reach it yet{kept}.",
        changed=not there,
        before=before,
        after=found.facts(),
    )


async def _claim(
    provider: "RdsProvider", request: StepRequest, stands: Database | None, made: Database | None, there: bool
) -> dict[str, Any]:
    again = await provider.register(request.target.site, request).noted() is not None
    if made is not None and not made.made_by(request.ref):
        raise names.taken(made.name)
    if stands is not None and not there:
        if stands.serves(provider.site(request.target.site).isolation_group):
            raise PermanentError(
                Code.ROLE_MISMATCH,
                f"{stands.name} at {request.target.site} accepts writes; nothing is restored in its place.",
                "Fence it first, or choose the other site.",
            )
        if not again:
            database.as_planned(request, stands)
    return await provider.claim(request, stands)


async def discard(provider: "RdsProvider", request: StepRequest) -> StepResult:
    """Give what stood there its name back; what was restored is set aside for a prune."""
    site = request.target.site
    place, aws = provider.site(site), provider.aws(site, request)
    if await provider.register(site, request).noted() is None:
        return StepResult(detail="This run did not restore anything.", changed=False)
    beside, aside = _beside(request, place.instance), _aside(request, place.instance)
    stands, made = await database.look(aws, place.instance), await database.look(aws, beside)
    changed = False
    if stands is not None and stands.made_by(request.ref):
        made, changed = await names.rename(provider, aws, stands, beside), True
    with landed(f"{beside} was moved out of the way"):
        if old := await database.look(aws, aside):
            await names.rename(provider, aws, old, place.instance)
            changed = True
        await names.wanted(provider, aws, place.instance)
        if made is not None:
            changed = changed or database.ABANDONED not in made.tags
            await names.abandon(provider, request, aws, made)
    return StepResult(detail=f"{place.instance} is what it was.", changed=changed)


def _wanted(request: StepRequest) -> str:
    point = request.point
    if point is None or point.kind != "snapshot":
        raise PermanentError(
            Code.INVALID_INPUT, "A restore wants a snapshot.", "Choose one by its name, or `latest-verified`."
        )
    return point.name


def _beside(request: StepRequest, instance: str) -> str:
    return database.name_of(instance, f"new-{request.ref.epoch}")


def _aside(request: StepRequest, instance: str) -> str:
    return database.name_of(instance, f"aside-{request.ref.epoch}")


async def _make(provider: "RdsProvider", request: StepRequest, aws: Aws, snapshot: str, name: str) -> None:
    site = request.target.site
    place = provider.site(site)
    more = {"DBParameterGroupName": place.parameter_group} if place.parameter_group else {}
    provider.context.still_mine()
    await aws.change(
        "rds",
        "restore_db_instance_from_db_snapshot",
        DBInstanceIdentifier=name,
        DBSnapshotIdentifier=snapshot,
        DBInstanceClass=place.instance_class,
        DBSubnetGroupName=place.subnet_group,
        VpcSecurityGroupIds=[place.isolation_group],
        PubliclyAccessible=False,
        Tags=pairs(tags(request, site) | {f"{PREFIX}point": snapshot}),
        **more,
    )
