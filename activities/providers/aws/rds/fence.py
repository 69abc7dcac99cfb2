"""Fence and unfence, and what an instance would do with a write.

The fence is the isolation group in the place of every other security group, and then a restart: security groups track
connections, so that those which are open go on after the rules are gone ("Amazon EC2 security group connection
tracking"). Only the restart ends them.
"""

from typing import TYPE_CHECKING

from activities.providers.aws import isolation
from activities.providers.aws.calls import Aws
from activities.providers.aws.landed import landed
from activities.providers.aws.tags import pairs
from activities.providers.aws.waiting import until
from activities.providers.base import now
from workflows.model.failure import SeawallError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import FenceProof, Reach

from . import database
from .database import FENCED, Database
from .settings import RdsSite

if TYPE_CHECKING:
    from .provider import RdsProvider


def reach_of(place: RdsSite, found: Database | None) -> tuple[Reach, str]:
    """What an observer says of an instance."""
    if found is None:
        return Reach.REFUSED, f"There is no instance {place.instance} in {place.region}."
    if found.source:
        return Reach.STANDBY, f"It is {found.status}, a replica of {found.source}."
    if found.isolated_by(place.isolation_group):
        return Reach.STANDBY, f"It is {found.status}, and only the isolation group stands: nobody can reach it."
    if found.status in database.DOWN:
        return Reach.STANDBY, f"It is {found.status}."
    return Reach.SERVING, f"It is {found.status}, and accepts writes."


async def probe(provider: "RdsProvider", site: str) -> Reach:
    """As the control plane tells it: nothing is written."""
    place = provider.site(site)
    try:
        found = await database.look(provider.aws(site), provider.instance(site))
    except SeawallError:
        return Reach.SILENT
    if found is None or found.status == "stopped" or found.isolated_by(place.isolation_group):
        return Reach.REFUSED
    if found.source:
        return Reach.STANDBY
    # What starts or restarts outside of the fence may serve in a moment: nothing is known of it.
    return Reach.SILENT if found.status in database.DOWN else Reach.SERVING


async def fence(provider: "RdsProvider", request: StepRequest) -> StepResult:
    """Let the isolation group alone stand, and end the connections that are open."""
    site = request.target.site
    place, aws = provider.site(site), provider.aws(site, request)
    stands = await database.insist(aws, place.instance)
    mark = str(request.ref.epoch)
    done = stands.isolated_by(place.isolation_group) and stands.tags.get(FENCED) == mark
    if await provider.register(site, request).noted() is None:
        database.as_planned(request, stands)
    await isolation.insist_that_nobody_gets_in(aws, place.isolation_group)
    before = await provider.claim(request, stands)
    if not done:
        await set_groups(provider, aws, stands, (place.isolation_group,))
        with landed("Its security groups were replaced"):
            await _restart(provider, aws, place.instance)
            await aws.repeatable("rds", "add_tags_to_resource", ResourceName=stands.arn, Tags=pairs({FENCED: mark}))
    words = f"every security group of {place.instance} was replaced by {place.isolation_group}, and it was restarted"
    return StepResult(
        detail=f"{words}.",
        changed=not done,
        before=before,
        after={"groups": [place.isolation_group]},
        proof=FenceProof(
            component=request.target.name,
            site=site,
            epoch=request.ref.epoch,
            method=words,
            proven=True,
            write_probe=Reach.REFUSED,
            at=now(),
        ),
    )


async def unfence(provider: "RdsProvider", request: StepRequest) -> StepResult:
    """Put the groups back that the fence found."""
    site = request.target.site
    place, aws = provider.site(site), provider.aws(site, request)
    noted = await provider.register(site, request).noted()
    if noted is None:
        return StepResult(detail="This run did not fence it.", changed=False)
    stands = await database.insist(aws, place.instance)
    groups = tuple(noted["groups"])
    changed = stands.groups != groups
    if changed:
        provider.context.still_mine()
        await set_groups(provider, aws, stands, groups)
    if stands.tags.get(FENCED):
        await aws.repeatable("rds", "remove_tags_from_resource", ResourceName=stands.arn, TagKeys=[FENCED])
    return StepResult(
        detail=f"The security groups of {place.instance} are {', '.join(groups)} again.",
        changed=changed,
        before=stands.facts(),
        after={"groups": list(groups)},
    )


async def set_groups(provider: "RdsProvider", aws: Aws, stands: Database, groups: tuple[str, ...]) -> Database:
    """These security groups and no others, once they show. Setting them twice does no harm."""
    if set(stands.groups) != set(groups):
        provider.context.still_mine()
        await aws.change(
            "rds",
            "modify_db_instance",
            DBInstanceIdentifier=stands.name,
            VpcSecurityGroupIds=list(groups),
            ApplyImmediately=True,
        )

    async def seen() -> Database:
        return await database.insist(aws, stands.name)

    return await until(
        seen,
        lambda one: one.settled and set(one.groups) == set(groups),
        lambda one: f"the groups of {one.name} change ({one.status})",
        provider.context,
        provider.patience,
    )


async def _restart(provider: "RdsProvider", aws: Aws, name: str) -> None:
    """An instance that is stopped has no connections."""

    async def seen() -> Database:
        return await database.insist(aws, name)

    def still(one: Database) -> bool:
        return one.status in ("available", "stopped")

    def words(one: Database) -> str:
        return f"{name} is {one.status}"

    # RDS restarts what is available, and nothing else; it is `modifying` while the groups change.
    found = await until(seen, still, words, provider.context, provider.patience)
    if found.status == "available":
        provider.context.still_mine()
        await aws.change("rds", "reboot_db_instance", DBInstanceIdentifier=name)
        await until(seen, still, words, provider.context, provider.patience)
