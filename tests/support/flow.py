"""What the tests of workflows share: worlds to begin with, waits, and what must hold after every run."""

from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle

from tests.support.bed import Bed, eventually
from tests.support.sim import Fault, World
from workflows.model.progress import ProgressView
from workflows.model.report import Report

Run = WorkflowHandle[Any, Report]


def dead_primary(**faults: Fault) -> World:
    """Primary is lost."""
    world = World.healthy()
    world.kill("primary")
    world.faults.update(faults)
    return world


def healthy(**faults: Fault) -> World:
    """Primary serves, recovery follows."""
    world = World.healthy()
    world.faults.update(faults)
    return world


def hot(**faults: Fault) -> World:
    """As `healthy`, with the application running at both sites."""
    world = World.healthy(hot=True)
    world.faults.update(faults)
    return world


async def parked_with(b: Bed, run: Run, *actions: str) -> ProgressView:
    """Wait until something is parked that may be answered so, and not otherwise."""

    async def found() -> ProgressView | None:
        view = await b.progress(run)
        return view if view.parked and view.parked[0].actions == actions else None

    view: ProgressView = await eventually(found)
    return view


async def cancelled(run: Run) -> None:
    """The run ends as cancelled."""
    with pytest.raises(WorkflowFailureError) as ended:
        await run.result()
    assert "cancelled" in str(ended.value.cause).lower()


def kept(world: World) -> None:
    """What holds after every run, whatever went wrong."""
    assert max(world.writers_seen) <= 1
    assert not world.doubled
    assert world.route in ("primary", "recovery")
    assert world.wiped == []
    assert world.bubbles == {}


def serves(world: World, site: str) -> None:
    """The application is used at that site, and the other one follows it."""
    other = "recovery" if site == "primary" else "primary"
    assert world.serving == {("db", site)}
    assert world.standby == {("db", other)}
    assert world.relied == {("db", other)}
    assert world.rows[("db", site)] == world.rows[("db", other)]
    assert ("app", site) in world.running
    assert world.route == site
