"""Lets the lab's own workers copy the data to the site that stands by, as a schedule would."""

import asyncio

from workers import control
from workers.connect import connect
from workers.settings import Settings
from workflows.model.entity import ReplicationState
from workflows.model.progress import ReplicationReport, StepState
from workflows.model.requests import ReplicateRequest

from .info import Grounds, LabInfo
from .layout import APPLICATION
from .postgres import LabError


def first_copy(info: LabInfo) -> str:
    """The first recovery point, by the same workflow that takes all later ones; what became of it, in words."""
    if not info.workers:
        return "There is no copy of the data yet. With workers, take one with: seawall replicate shop"
    sentence = replicate(info).sentence
    return f"First copy taken: {sentence}. Later ones: seawall replicate shop, or the schedules of seawall apply."


def replicate(info: Grounds, application: str = APPLICATION) -> ReplicationState:
    """One `Replicate`, to its end; what it found.

    Raises:
        LabError: a step of it failed, or a run holds the application.
    """
    return asyncio.run(replicated(info, application))


async def replicated(info: Grounds, application: str = APPLICATION) -> ReplicationState:
    """The same, for who runs in an event loop already."""
    client = await connect(settings_of(info))
    run = await control.start(client, ReplicateRequest(runbook=application))
    found = await control.result_of(client, run, ReplicationReport)
    failed = [step.detail for step in found.steps if step.state is StepState.FAILED]
    if found.state is None or failed:
        raise LabError(f"The data was not copied: {'; '.join(failed) or found.skipped} Mend that, then try again.")
    return found.state


def settings_of(info: Grounds) -> Settings:
    """The settings that point at this lab, whatever the environment says."""
    return Settings(
        temporal_address=info.temporal_address,
        namespace="default",
        runbooks=info.runbooks,
        reports=info.reports,
        state=info.state,
        site="control",
        origin="the lab",
    )
