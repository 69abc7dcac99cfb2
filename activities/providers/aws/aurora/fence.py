"""Fence and unfence.

The switchover itself makes the old writer read-only and loses nothing. The fence stands before it, so that there is a
proof: nobody gets in any more, and a restart of the writer ends the connections that security groups let go on.
"""

from typing import TYPE_CHECKING

from activities.providers.aws import isolation
from activities.providers.aws.calls import Aws
from activities.providers.aws.landed import landed
from activities.providers.aws.tags import pairs
from activities.providers.aws.waiting import until
from activities.providers.base import now
from workflows.model.failure import Code, SeawallError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import FenceProof, Reach

from . import topology
from .settings import AuroraSite
from .topology import FENCED, Look

if TYPE_CHECKING:
    from .provider import AuroraProvider


def reach_of(place: AuroraSite, found: Look) -> tuple[Reach, str]:
    """What an observer says of a cluster."""
    status = found.cluster.status
    if not found.writes:
        return Reach.STANDBY, f"It is {status}, a secondary of the global database."
    if found.cluster.isolated_by(place.isolation_group):
        return Reach.STANDBY, f"It is {status}, and only the isolation group stands: nobody can reach it."
    if found.serves(place.isolation_group):
        return Reach.SERVING, f"It is {status}, the writer of the global database."
    return Reach.STANDBY, f"It is {status}."


async def probe(provider: "AuroraProvider", site: str) -> Reach:
    """As the control plane tells it: nothing is written."""
    place = provider.site(site)
    try:
        found = await provider.look(site)
    except SeawallError as error:
        return Reach.REFUSED if error.code is Code.NOT_FOUND else Reach.SILENT
    if found.cluster.status == "stopped" or found.cluster.isolated_by(place.isolation_group):
        return Reach.REFUSED
    if not found.writes:
        return Reach.STANDBY
    return Reach.SERVING if found.serves(place.isolation_group) else Reach.SILENT


async def fence(provider: "AuroraProvider", request: StepRequest) -> StepResult:
    """Let the isolation group alone stand, and end the connections that are open."""
    site = request.target.site
    place, aws = provider.site(site), provider.aws(site, request)
    stands = await provider.look(site, request)
    mark = str(request.ref.epoch)
    done = stands.cluster.isolated_by(place.isolation_group) and stands.cluster.tags.get(FENCED) == mark
    if await provider.register(site, request).noted() is None:
        topology.as_planned(request, stands)
    await isolation.insist_that_nobody_gets_in(aws, place.isolation_group)
    before = await provider.claim(request, stands)
    if not done:
        await set_groups(provider, request, stands, (place.isolation_group,))
        with landed("Its security groups were replaced"):
            await _restart(provider, aws, stands.cluster.writer_instance)
            tags = pairs({FENCED: mark})
            await aws.repeatable("rds", "add_tags_to_resource", ResourceName=stands.cluster.arn, Tags=tags)
    words = f"every security group of {place.cluster} was replaced by {place.isolation_group}, its writer restarted"
    proof = FenceProof(
        component=request.target.name,
        site=site,
        epoch=request.ref.epoch,
        method=words,
        proven=True,
        write_probe=Reach.REFUSED,
        at=now(),
    )
    return StepResult(detail=f"{words}.", changed=not done, before=before, proof=proof)


async def unfence(provider: "AuroraProvider", request: StepRequest) -> StepResult:
    """Put the groups back that the fence found."""
    site = request.target.site
    aws = provider.aws(site, request)
    noted = await provider.register(site, request).noted()
    if noted is None:
        return StepResult(detail="This run did not fence it.", changed=False)
    stands = await provider.look(site, request)
    groups = tuple(noted["groups"])
    changed = stands.cluster.groups != groups
    if changed:
        await set_groups(provider, request, stands, groups)
    if FENCED in stands.cluster.tags:
        await aws.repeatable("rds", "remove_tags_from_resource", ResourceName=stands.cluster.arn, TagKeys=[FENCED])
    return StepResult(detail=f"The security groups are {', '.join(groups)} again.", changed=changed)


async def set_groups(provider: "AuroraProvider", request: StepRequest, stands: Look, groups: tuple[str, ...]) -> None:
    """These security groups and no others, once they show. Setting them twice does no harm."""
    site = request.target.site
    aws = provider.aws(site, request)
    if set(stands.cluster.groups) != set(groups):
        provider.context.still_mine()
        await aws.change(
            "rds",
            "modify_db_cluster",
            DBClusterIdentifier=stands.cluster.name,
            VpcSecurityGroupIds=list(groups),
            ApplyImmediately=True,
        )
    await until(
        lambda: provider.look(site, request),
        lambda one: one.cluster.settled and set(one.cluster.groups) == set(groups),
        lambda one: f"the groups of {one.cluster.name} change ({one.cluster.status})",
        provider.context,
        provider.patience,
    )


async def _restart(provider: "AuroraProvider", aws: Aws, writer: str | None) -> None:
    """A cluster without instances has no connections."""
    if writer is None:
        return

    async def status() -> str:
        found = await aws.read("rds", "describe_db_instances", DBInstanceIdentifier=writer)
        return str(found["DBInstances"][0].get("DBInstanceStatus"))

    def words(stands: str) -> str:
        return f"{writer} is {stands}"

    limits = (provider.context, provider.patience)
    await until(status, lambda stands: stands == "available", words, *limits)
    provider.context.still_mine()
    await aws.change("rds", "reboot_db_instance", DBInstanceIdentifier=writer)
    await until(status, lambda stands: stands == "available", words, *limits)
