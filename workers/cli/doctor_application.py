"""What `seawall doctor APP` adds: would a recovery of the application find at each site all that it needs?

The providers are asked from here, with the credentials of whoever types the command, and change nothing.
"""

import asyncio
import tempfile
from pathlib import Path

from activities.providers.base import Context, Provider
from activities.providers.registry import Registry
from activities.runbook_file import find_runbook, read_runbook
from workers.cli.tables import DoctorRow
from workers.settings import Settings
from workflows.model.failure import SeawallError
from workflows.model.observed import Finding
from workflows.model.runbook import Component, Runbook


def application_rows(settings: Settings, application: str) -> list[DoctorRow]:
    """A row for each finding, and one for each site where a component lacks nothing."""
    try:
        runbook = read_runbook(find_runbook(settings.runbooks, application), Registry()).runbook
    except SeawallError as error:
        return [DoctorRow(application, False, error.sentence, error.next_step)]
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_ask(runbook, Path(folder)))


async def _ask(runbook: Runbook, folder: Path) -> list[DoctorRow]:
    places = [(name, part, site) for name, part in runbook.components.items() for site in runbook.sites]
    asked = await asyncio.gather(*(_at(runbook, name, part, site, folder) for name, part, site in places))
    return [row for rows in asked for row in rows]


async def _at(runbook: Runbook, name: str, component: Component, site: str, folder: Path) -> list[DoctorRow]:
    found = Registry().get(component.kind)
    if found.preflight is Provider.preflight:
        return []
    provider = found(found.Settings.model_validate(component.settings), Context("control", folder))
    title = f"{name} at {site}"
    try:
        await provider.prepare((site,))
    except SeawallError as error:
        return [DoctorRow(title, False, error.sentence, error.next_step)]
    findings = await provider.preflight(name, site, runbook.objectives.rpo)
    return [_row(title, one) for one in findings] or [DoctorRow(title, True, "nothing is lacking")]


def _row(title: str, finding: Finding) -> DoctorRow:
    good = False if finding.blocking else None
    return DoctorRow(title, good, f"{finding.code}: {finding.sentence}", finding.next_step)
