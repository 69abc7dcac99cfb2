"""The way home: the old instance is kept under another name, and a new replica takes its place.

RDS cannot make a replica of an instance that was a primary. Nothing of the old one is overwritten: a snapshot of it is
taken, then it is renamed and tagged `seawall:abandoned`.
"""

import contextlib
from typing import TYPE_CHECKING

from activities.providers.aws.calls import Aws
from activities.providers.aws.landed import landed
from activities.providers.aws.tags import pairs, tags
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Divergence

from . import database, names, snapshot
from .database import Database
from .wanted import streams

if TYPE_CHECKING:
    from .provider import RdsProvider


async def archive(provider: "RdsProvider", request: StepRequest) -> StepResult:
    """Keep what the old site has in a snapshot of its own. Which rows only it has, RDS cannot tell."""
    site = request.target.source
    old = await provider.look(request, site)
    if old is None or old.source:
        return _archived(request, False, "", "there is no former primary, so nothing is only here", changed=False)
    if old.serves(provider.site(site).isolation_group):
        raise _serves(old, site)
    name = snapshot.name_of(request.ref, request.target.name, "archive")
    if old.status == "stopped" and await snapshot.look(provider.aws(site, request), name) is None:
        detail = f"{old.name} is stopped, of which RDS takes no snapshot; it is kept itself, and set aside"
        return _archived(request, True, old.arn, detail, changed=False)
    kept, changed = await snapshot.take(provider, request, name, site, archive=True)
    detail = f"{kept.name} holds all of {old.name}; RDS cannot tell which rows only it has"
    return _archived(request, True, kept.arn, detail, changed)


def _archived(request: StepRequest, diverged: bool, where: str, detail: str, changed: bool) -> StepResult:
    found = Divergence(
        component=request.target.name,
        site=request.target.source,
        diverged=diverged,
        folder=where,
        complete=not diverged,
        detail=detail,
    )
    return StepResult(detail=f"{detail[:1].upper()}{detail[1:]}.", changed=changed, divergence=found)


async def rebuild(provider: "RdsProvider", request: StepRequest) -> StepResult:
    """Make `target.source` follow `target.target`; without streaming it gets its first copy instead."""
    if not streams(request):
        return await _first_copy(provider, request)
    site, other = request.target.source, request.target.target
    place, aws = provider.site(site), provider.aws(site, request)
    serving = await _serving(provider, request, other)
    old = await database.look(aws, place.instance)
    follows = old is not None and database.replicates(old, serving)
    again = await provider.register(site, request).noted() is not None
    aside = database.name_of(place.instance, f"was-{request.ref.epoch}")
    if old is not None and not follows:
        if old.serves(place.isolation_group) or (serving.source and database.replicates(serving, old)):
            raise _serves(old, site)
        if await database.look(aws, aside):
            raise names.taken(aside)
        if not again:
            database.as_planned(request, old)
    before = await provider.claim(request, old)
    if old is not None and not follows:
        kept = await names.rename(provider, aws, old, aside)
        with landed(f"{aside} was set aside"):
            await names.abandon(provider, request, aws, kept, served=not kept.source)
    if not follows:
        with landed(f"What stood there is {aside}") if before else contextlib.nullcontext():
            await _make(provider, request, aws, serving)
    with landed("The replica was asked for"):
        found = await names.available(provider, aws, place.instance)
    return StepResult(
        detail=f"{found.name} in {place.region} is a replica of {serving.name} in {provider.site(other).region}.",
        changed=not follows,
        before=before,
        after=found.facts(),
    )


async def _serving(provider: "RdsProvider", request: StepRequest, site: str) -> Database:
    found = await database.insist(provider.aws(site, request), provider.instance(site))
    if not found.serves(provider.site(site).isolation_group):
        raise PermanentError(
            Code.ROLE_MISMATCH,
            f"{found.name} at {site} does not serve ({found.status}); there is nothing to follow.",
            "Look which site serves, and ask again.",
        )
    if not found.backup_days:
        raise PermanentError(
            Code.TARGET_UNFIT,
            f"{found.name} at {site} keeps no backups, and RDS makes a replica only of what does.",
            "Set its backup retention to a day or more, then retry.",
        )
    return found


async def _make(provider: "RdsProvider", request: StepRequest, aws: Aws, serving: Database) -> None:
    site, other = request.target.source, request.target.target
    place = provider.site(site)
    more = {"KmsKeyId": place.kms_key} if place.kms_key and serving.encrypted else {}
    more |= {"DBParameterGroupName": place.parameter_group} if place.parameter_group else {}
    provider.context.still_mine()
    await aws.change(
        "rds",
        "create_db_instance_read_replica",
        DBInstanceIdentifier=place.instance,
        SourceDBInstanceIdentifier=serving.arn,
        SourceRegion=provider.site(other).region,
        DBInstanceClass=place.instance_class,
        DBSubnetGroupName=place.subnet_group,
        VpcSecurityGroupIds=list(place.security_groups),
        PubliclyAccessible=False,
        Tags=pairs(tags(request, site)),
        **more,
    )


async def _first_copy(provider: "RdsProvider", request: StepRequest) -> StepResult:
    """A snapshot of the serving side at the old site; the instance that stands there is left alone until a restore."""
    target = request.target
    turned = target.model_copy(update={"site": target.source, "source": target.target, "target": target.source})
    return await snapshot.snapshot(provider, request.model_copy(update={"target": turned}))


def _serves(old: Database, site: str) -> PermanentError:
    return PermanentError(
        Code.ROLE_MISMATCH,
        f"{old.name} at {site} is {old.status} and may accept writes, or others follow it; it is not set aside.",
        "Fence it first: only the isolation group may stand. Then retry.",
    )
