"""Terminate the clones of drills whose time is over, and nothing else.

Snapshots are kept and removed by DRS itself. What a failover has launched is never terminated here, also when users
went home again: it may be the only copy of something.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from activities.providers.aws.tags import PREFIX, tags
from activities.providers.base import now
from workflows.model.messages import StepRequest, StepResult

from . import jobs
from .jobs import Job
from .look import Launched

if TYPE_CHECKING:
    from .provider import DrsProvider


async def prune(provider: "DrsProvider", request: StepRequest) -> StepResult:
    """At `target.site`: where drills take place."""
    site = request.target.site
    stands, aws = await provider.stands_at(site, request), provider.aws(site, request)
    drills = [one for one in stands.launched.values() if one.drill]
    begun = await jobs.named(aws, {one.job for one in drills}) if drills else {}
    going = sorted(one.id for one in drills if _over(request, site, one, begun))
    provider.within("instances", len(going), provider.settings.prune_cap)
    provider.context.still_mine()
    await provider.register(site, request).claim({"instances": going})
    if going:
        provider.context.still_mine()
        await aws.change("drs", "terminate_recovery_instances", recoveryInstanceIDs=going)
    return StepResult(
        detail=f"{len(going)} clones of drills are being terminated." if going else "No clone of a drill is left.",
        changed=bool(going),
        after={"removed": going},
    )


def _over(request: StepRequest, site: str, one: Launched, begun: Mapping[str, Job]) -> bool:
    """Whether a drill of this component has launched it, and is over."""
    found = begun[one.job].tags if one.job in begun else {}
    mine = {mark: value for mark, value in tags(request, site).items() if mark in _PLACE}
    expires = found.get(f"{PREFIX}expires")
    return mine.items() <= found.items() and expires is not None and datetime.fromisoformat(expires) < now()


_PLACE = frozenset(PREFIX + name for name in ("application", "component", "site"))
