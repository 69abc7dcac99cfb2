"""The clones of a drill: DRS launches them beside its replication, in the subnets of the bubble.

DRS has one launch template for drills and for recoveries. Whether a drill would be launched into the bubble is a
property of the template, and is looked at before: into any other subnet nothing is launched. And as DRS ends what it
has launched of a server before, a drill is refused while something else stands there.
"""

from functools import partial
from typing import TYPE_CHECKING

from activities.providers.aws.calls import Aws
from activities.providers.aws.landed import landed
from activities.providers.aws.parallel import all_of
from activities.providers.aws.tags import tags
from activities.providers.base import now
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult

from . import launching, points
from .launching import Progress
from .look import Launched, Standing
from .promote import since

if TYPE_CHECKING:
    from .provider import DrsProvider


async def clone(provider: "DrsProvider", request: StepRequest) -> StepResult:
    """Launch a clone of each server; they bear the bubble's tags, and the drill's end."""
    site = request.target.site
    if request.target.bubble is None:
        raise PermanentError(Code.INVALID_INPUT, "A clone is made in the bubble of a drill only.", "Start a drill.")
    aws, register = provider.aws(site, request), provider.register(site, request)
    stands = await provider.stands_at(site, request)
    launching.fits(provider.settings.names, stands)
    noted = await register.noted()
    progress = await launching.mine(provider, request, stands, since(noted))
    _nothing_else(stands, progress)
    await _insist_on_the_bubble(provider, request, stands)
    snapshots = await points.chosen(provider, request, stands)
    provider.context.still_mine()
    before = await register.claim(stands.facts() | {"since": now().isoformat()})
    found, changed = await launching.launch(provider, request, stands, progress, snapshots, since(before))
    with landed("The clones were launched"):
        # Closing the bubble finds the machines by these, and clean-up may terminate nothing without them.
        await launching.mark(aws, request, found)
        await all_of({name: partial(_mark, aws, request, one) for name, one in found.items()})
    return StepResult(
        detail=f"{len(found)} clones run in {provider.site(site).region}.",
        changed=changed,
        before=before,
        after={"machines": {name: one.instance for name, one in found.items()}},
    )


async def _mark(aws: Aws, request: StepRequest, one: Launched) -> None:
    await aws.repeatable("drs", "tag_resource", resourceArn=one.arn, tags=tags(request, request.target.site))


async def ready(provider: "DrsProvider", request: StepRequest) -> StepResult:
    """A clone is launched as a server of its own: there is nothing to promote."""
    found = await provider.clones(request.target.site, request)
    if found.keys() < set(provider.settings.names) or any(one.state != "running" for one in found.values()):
        raise PermanentError(
            Code.TARGET_UNFIT,
            f"{len(found)} of {len(provider.settings.names)} clones stand, and not all of them run.",
            "Start another drill.",
        )
    return StepResult(detail=f"{len(found)} clones run.", changed=False)


def _nothing_else(stands: Standing, progress: Progress) -> None:
    own = progress.done()
    if strange := [name for name, one in stands.launched.items() if one.there and name not in own]:
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"Of {', '.join(strange)} something was launched before, and DRS would terminate it.",
            "Find out what it is. While it is needed there is no drill; else terminate it in DRS, then retry.",
        )


async def _insist_on_the_bubble(provider: "DrsProvider", request: StepRequest, stands: Standing) -> None:
    site = request.target.site
    aws, allowed = provider.aws(site, request), set(provider.site(site).drill_subnets)
    asked = {name: partial(_subnets, aws, stands.servers[name].id) for name in provider.settings.names}
    found = await all_of(asked)
    if outside := sorted(name for name, subnets in found.items() if not subnets or not subnets <= allowed):
        raise PermanentError(
            Code.ISOLATION_UNPROVEN,
            f"The launch template of {', '.join(outside)} does not lead into `drill_subnets`.",
            "DRS launches drills where it launches recoveries: change the template, or set `drill: {simulate: true}`.",
        )


async def _subnets(aws: Aws, server: str) -> set[str]:
    """Those of the server's launch template; none where it leaves them to AWS."""
    told = await aws.read("drs", "get_launch_configuration", sourceServerID=server)
    template = told.get("ec2LaunchTemplateID", "")
    found = await aws.read("ec2", "describe_launch_template_versions", LaunchTemplateId=template, Versions=["$Default"])
    interfaces = [
        one
        for version in found["LaunchTemplateVersions"]
        for one in version["LaunchTemplateData"].get("NetworkInterfaces", [])
    ]
    return {one.get("SubnetId", "") for one in interfaces}
