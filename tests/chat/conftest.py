"""One set of workers for all tests of a module."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from tests.support.bed import Crew, crew


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def workers(temporal: WorkflowEnvironment, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Crew]:
    """Control and both sites."""
    async with crew(temporal.client, tmp_path_factory.mktemp("workers")) as made:
        yield made
