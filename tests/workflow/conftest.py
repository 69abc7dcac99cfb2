"""One set of workers for all tests of a module."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from tests.support.bed import Crew, crew
from workers.sandbox import strict_runner


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def workers(temporal: WorkflowEnvironment, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Crew]:
    """Control and both sites."""
    async with crew(temporal.client, tmp_path_factory.mktemp("workers")) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def strict(workers: Crew) -> None:
    """In Temporal's sandbox, which is most of the time of a short run; every kind of workflow is replayed in it."""
    await workers.stop("control")
    await workers.start("control", workflow_runner=strict_runner())
