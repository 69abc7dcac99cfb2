"""Preflight: what a site lacks that a recovery there would stumble over, found while there is time to mend it.

It reads what the settings name, by the form of the identifiers, and asks AWS for each of them. Nothing is changed; the
one way to ask whether a role may do something is a dry run, which changes nothing either.
"""

import asyncio
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
    """What is found at a site, what blocks a recovery first. What is not answered hides nothing of the rest.

    Args:
        provider: of the component; its settings say what is looked for.
        component: by its name, for the sentences.
        site: where the component would have to live.
        rpo: of the runbook; a replica that is further behind is a finding.
    """
    aws = provider.aws(site)
    parts = await asyncio.gather(
        presence.register(aws),
        presence.of_all(aws, named(provider.site(site))),
        _room(provider, component, site),
        traffic.lifetimes(provider, site),
        _replication(provider, component, site, rpo),
        return_exceptions=True,
    )
    found: list[Finding] = []
    unanswered: dict[str, Finding] = {}
    for part in parts:
        if isinstance(part, SeawallError):
            code = "REGION_SILENT" if isinstance(part, TemporaryError) else part.code.value
            silent = Finding(code=code, sentence=part.sentence, next_step=part.next_step, blocking=True)
            unanswered.setdefault(code, silent)
        elif isinstance(part, BaseException):
            raise part
        else:
            found += part
    return tuple(sorted([*unanswered.values(), *found], key=lambda finding: not finding.blocking))


async def _room(provider: "AwsProvider", component: str, site: str) -> list[Finding]:
    wanted = await starts(provider, component, site)
    return await capacity.of_all(provider.aws(site), provider.aws(site, duty=Duty.FAILOVER), wanted)


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
