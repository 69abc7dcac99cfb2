"""A new build is deployed while a run is open: the run ends on the build on which it began."""

import dataclasses
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

import workflows
from tests.conftest import temporal_binary
from tests.support.bed import Bed, bed, eventually
from tests.support.changed import ChangedFailover
from tests.support.flow import dead_primary
from workers import control
from workers import worker as product
from workers.builds import Build, deployment_of, list_builds, make_current, own_build
from workers.converter import DATA_CONVERTER
from workers.settings import Settings, read_settings
from workflows.engine.attributes import ALL
from workflows.failover import Failover
from workflows.model.failure import Code, PermanentError
from workflows.model.progress import RunState

DEPLOYMENT = "seawall"
Run = WorkflowHandle[Any, Any]


def changed(found: tuple[type, ...]) -> list[type]:
    """The next release: one workflow has another order of commands."""
    return [ChangedFailover if workflow is Failover else workflow for workflow in found]


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    """A server of its own: the current build of a queue is everybody's on it."""
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=temporal_binary(),
        ui=False,
        search_attributes=list(ALL),
        data_converter=DATA_CONVERTER,
        dev_server_log_level="never",
        dev_server_extra_args=[
            part
            for limit in ("transfer", "timer", "visibility")
            for part in ("--dynamic-config-value", f"history.{limit}ProcessorMaxPollRPS=2000")
        ],
    ) as server:
        yield server.client


def settings(build: str) -> Settings:
    return dataclasses.replace(read_settings(), deployment=DEPLOYMENT, build=build)


async def deploy(b: Bed, build: str, found: list[type]) -> None:
    """Start a control worker of that build beside what runs, and let new runs begin on it."""
    await b.crew.start("control", build, workflows=found, deployment_config=deployment_of(settings(build)))
    await make_current(b.client, DEPLOYMENT, build)


async def waits(b: Bed) -> Run:
    """A failover that waits for its approval."""
    run = await b.start()
    await b.until(run, RunState.AWAITING_APPROVAL)
    return run


async def builds_of(run: Run) -> set[str]:
    """The builds that did the run's workflow tasks."""
    done = [
        event.workflow_task_completed_event_attributes.deployment_version.build_id
        for event in (await run.fetch_history()).events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]
    return set(done)


async def failed_tasks(run: Run) -> list[int]:
    """Why workflow tasks of the run failed."""
    return [
        event.workflow_task_failed_event_attributes.cause
        for event in (await run.fetch_history()).events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    ]


async def test_a_run_ends_on_its_build_and_the_next_one_takes_the_new_build(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, dead_primary()) as b:
        await b.crew.stop("control")
        await deploy(b, "1", list(product.PINNED_WORKFLOWS))
        run = await waits(b)
        await deploy(b, "2", changed(product.PINNED_WORKFLOWS))
        both = {Build(build="1", current=False, runs=1), Build(build="2", current=True, runs=0)}

        async def counted() -> bool:
            return set(await list_builds(client, DEPLOYMENT)) == both

        await eventually(counted)
        await b.approve(run)
        assert (await run.result()).end_state is RunState.RECOVERED
        assert (await builds_of(run), await failed_tasks(run)) == ({"1"}, [])

        entity = client.get_workflow_handle(f"application/{b.runbook.application}")
        assert await builds_of(entity) == {"1", "2"}, "the entity outlives the builds"
        later = await b.start()
        assert (await later.result()).end_state is RunState.REFUSED, "it is at the other site already"
        assert await builds_of(later) == {"2"}

        await b.crew.stop("1")
        report = await control.report(client, run.id)
        assert report.end_state is RunState.RECOVERED, "it is read though its build is retired"


@pytest.mark.slow
async def test_without_a_deployment_the_same_release_jams_a_run_in_flight(client: Client, tmp_path: Path) -> None:
    """What pinning is for. The run is not lost: the old build, put back, goes on with it."""
    async with bed(client, tmp_path, dead_primary()) as b:
        run = await waits(b)
        await b.crew.stop("control")
        await b.crew.start("control", workflows=changed(product.WORKFLOWS))
        handle = client.get_workflow_handle(run.id)

        async def jammed() -> list[int]:
            return await failed_tasks(handle)

        await run.signal("nothing")
        causes = await eventually(jammed)
        assert set(causes) == {WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR}
        await b.crew.stop("control")
        await b.crew.start("control")
        await b.approve(run)
        assert (await run.result()).end_state is RunState.RECOVERED


async def test_a_build_without_a_worker_is_not_made_current(client: Client) -> None:
    with pytest.raises(PermanentError, match="No worker of the build 'nosuch' asks") as refused:
        await make_current(client, DEPLOYMENT, "nosuch", within=0)
    assert refused.value.code is Code.NOT_FOUND


def test_a_build_is_named_after_the_source_of_the_workflows(tmp_path: Path) -> None:
    copy = tmp_path / "workflows"
    shutil.copytree(Path(workflows.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    assert own_build(copy) == own_build()
    with (copy / "failover.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert own_build(copy) != own_build()
