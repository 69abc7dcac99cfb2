"""Remove what runs have launched and taken back again: it lies stopped, and its volumes are still paid for.

Ended is what carries our tags of this component at this site, and has been abandoned for as long as the settings say;
never what the runbook names, what runs (somebody uses it), or what AWS protects.
"""

import functools
from datetime import datetime
from typing import TYPE_CHECKING

from activities.providers.aws import tags
from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused
from activities.providers.aws.parallel import all_of
from activities.providers.base import Context, now
from workflows.model.failure import SeawallError
from workflows.model.messages import StepRequest, StepResult

from .look import Machine, by_tags

if TYPE_CHECKING:
    from .provider import Ec2Provider

_LEFT = frozenset({"OperationNotPermitted", "InvalidInstanceID.NotFound"})
"""AWS's words for an instance that is protected against being ended, and for one that somebody ended meanwhile."""


async def prune(provider: "Ec2Provider", request: StepRequest) -> StepResult:
    """At `target.site`, and at the other site as far as it lets itself be asked."""
    removed, left = await _at(provider, request, request.target.site)
    told = ""
    for site in sorted(provider.settings.sites.keys() - {request.target.site}):
        try:
            more, kept = await _at(provider, request, site)
            removed, left = removed + more, left + kept
        except SeawallError as error:
            # What was removed here stands, so that the step has not failed; the next one tries again.
            told += f" {site} is left for another time: {error.sentence}"
    words = f"{len(removed)} instances that runs had left behind were ended"
    return StepResult(
        detail=f"{words}, {left} are left.{told}" if left else f"{words}.{told}",
        changed=bool(removed),
        after={"removed": removed, "left": left},
    )


async def _at(provider: "Ec2Provider", request: StepRequest, site: str) -> tuple[list[str], int]:
    """Those that were ended, and how many more have lain there for long enough."""
    aws, register = provider.aws(site, request), provider.register(site, request)
    await register.noted()  # A later run may stand there: then this one has nothing to look for any more.
    over = await _over(provider, aws, request, site)
    going = [one.id for one in over if one.state == "stopped"][: provider.settings.prune_at_most]
    if not going:
        return [], len(over)
    provider.context.still_mine()
    await register.claim({"abandoned": going})
    # One by one: a call that names one which is protected ends none of its zone.
    ended = await all_of({one: functools.partial(_end, aws, provider.context, one) for one in going})
    removed = [one for one in going if ended[one]]
    return removed, len(over) - len(removed)


async def _over(provider: "Ec2Provider", aws: Aws, request: StepRequest, site: str) -> list[Machine]:
    """Whose time is over, the longest abandoned first."""
    found = await by_tags(aws, tags.tags(request, site), "application", "component", "site")
    named, latest = provider.settings.sites[site].instances, now() - provider.settings.keep_abandoned
    since = {one.id: when for one in found if one.id not in named and (when := _when(one)) and when < latest}
    return sorted((one for one in found if one.id in since), key=lambda one: since[one.id])


def _when(one: Machine) -> datetime | None:
    """Since when it is abandoned; None where nobody has said so in our form. Without a zone it is none of ours."""
    try:
        found = datetime.fromisoformat(one.tag("abandoned"))
    except ValueError:
        return None
    return found if found.tzinfo else None


async def _end(aws: Aws, context: Context, instance: str) -> bool:
    context.heartbeat(f"ending {instance}")
    context.still_mine()
    try:
        await aws.change("ec2", "terminate_instances", InstanceIds=[instance])
    except Refused as error:
        if error.reason not in _LEFT:
            raise
        return False
    return True
