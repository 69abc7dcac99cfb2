"""A rig for each test: nothing that one test did to its world may help the next."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from .rig import Rig, running_lab


@pytest_asyncio.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """Users order, the watcher watches, all is well."""
    with running_lab(tmp_path / "lab") as info:
        made = await Rig.make(info)
        try:
            yield made
        finally:
            await asyncio.to_thread(made.stop)
