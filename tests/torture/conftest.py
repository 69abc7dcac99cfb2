"""One lane for all tests of a module."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from temporalio.client import Client

from tests.torture.run import lane_crew, server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lane() -> AsyncIterator[tuple[Client, Path]]:
    """A server, workers out of the sandbox, and a folder."""
    async with server(1) as address, lane_crew(address, 0, forgetful=False) as made:
        yield made
