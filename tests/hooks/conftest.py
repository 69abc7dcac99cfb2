"""One set of workers for all tests of a module, and a desk over them: the whole server, as others call it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from tests.hooks.kit import Desk, desk
from tests.support.bed import Crew, crew


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def workers(temporal: WorkflowEnvironment, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Crew]:
    """Control and both sites."""
    async with crew(temporal.client, tmp_path_factory.mktemp("workers")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def d(workers: Crew) -> AsyncIterator[Desk]:
    """A server, and an application of whose sites the first is lost."""
    async with desk(workers) as made:
        yield made
