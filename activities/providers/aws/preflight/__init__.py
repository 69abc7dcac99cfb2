"""Preflight: what a site lacks that a recovery there would stumble over, found while there is time to mend it.

It reads what the settings name, by the form of the identifiers, and asks AWS for each of them. Nothing is changed; the
one way to ask whether a role may do something is a dry run, which changes nothing either.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from activities.providers.aws.duties import Duty
from workflows.model.failure import SeawallError, TemporaryError
from workflows.model.observed import Finding, Reach

from . import capacity, presence, traffic
from .named import named
from .starts import starts

if TYPE_CHECKING:
    from activities.providers.aws.component import AwsProvider

__all__ = ["preflight"]


async def preflight(
    provider: "AwsProvider", component: str, site: str, rpo: timedelta | None = None
) -> tuple[Finding, ...]:
    """What is found at a site, what blocks a recovery first.

    Args:
        provider: of the component; its settings say what is looked for.
        component: by its name, for the sentences.
        site: where the component would have to live.
        rpo: of the runbook; a replica that is further behind is a finding.
    """
    try:
        found = [
            *await presence.register(provider.aws(site)),
            *await presence.of_all(provider.aws(site), named(provider.site(site))),
            *await capacity.of_all(
                provider.aws(site), provider.aws(site, duty=Duty.FAILOVER), await starts(provider, component, site)
            ),
            *await traffic.lifetimes(provider, site),
            *await _replication(provider, component, site, rpo),
        ]
    except SeawallError as error:
        code = "REGION_SILENT" if isinstance(error, TemporaryError) else error.code.value
        found = [Finding(code=code, sentence=error.sentence, next_step=error.next_step, blocking=True)]
    return tuple(sorted(found, key=lambda finding: not finding.blocking))


async def _replication(provider: "AwsProvider", component: str, site: str, rpo: timedelta | None) -> list[Finding]:
    seen = await provider.observe(component, site, provider.context.here)
    if seen.reach is Reach.SILENT:
        return [Finding(code="COMPONENT_SILENT", sentence=f"{component} at {site}: {seen.detail}", blocking=True)]
    behind = seen.facts.get("lag_seconds")
    if rpo is None or not isinstance(behind, int | float) or behind <= rpo.total_seconds():
        return []
    return [
        Finding(
            code="REPLICATION_OLD",
            sentence=f"{component} at {site} is {behind:.0f} s behind, and may lose {rpo.total_seconds():.0f} s.",
            next_step="Look at what writes so much, and at the replica's size.",
        )
    ]
