"""Keeps markers flowing into the data of the other sites, so that a loss can be measured from what survives.

A site's worker marks the *other* sites: the ledger of acknowledged markers must outlive the site that may be lost.
"""

import asyncio
import logging
from collections.abc import Iterator

from activities.providers.base import Context, Provider
from activities.providers.registry import Registry
from activities.runbook_file import find_runbook, list_runbooks, read_runbook
from workers.settings import Settings
from workflows.model.failure import PermanentError
from workflows.model.runbook import Component, Marker, Runbook

log = logging.getLogger("seawall.marking")


async def keep_marking(settings: Settings, registry: Registry) -> None:
    """Mark every data component of every runbook, for ever; a runbook that cannot be read is logged and left out."""
    await asyncio.gather(
        *(
            _mark(settings, registry, name, component, component.marker, site)
            for runbook in readable_runbooks(settings, registry)
            for name, component in runbook.components.items()
            if component.marker is not None
            for site in runbook.other_sites(settings.site)
        )
    )


def readable_runbooks(settings: Settings, registry: Registry) -> Iterator[Runbook]:
    """Every runbook that can be read; the others are named in the log."""
    for name in list_runbooks(settings.runbooks):
        try:
            yield read_runbook(find_runbook(settings.runbooks, name), registry).runbook
        except PermanentError as error:
            log.warning("the runbook %s is left out: %s", name, error)


async def _mark(
    settings: Settings, registry: Registry, name: str, component: Component, marker: Marker, site: str
) -> None:
    found = registry.get(component.kind)
    context = Context(here=settings.site, state_dir=settings.state)
    provider: Provider = found(found.Settings.model_validate(component.settings), context)
    try:
        await provider.keep_marking(name, marker, site)
    except PermanentError as error:
        log.warning("the loss of %s will not be measured: %s", name, error)
