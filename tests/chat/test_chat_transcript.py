"""The transcript in the documents is what the gateway says today."""

from pathlib import Path

import pytest
from temporalio.client import Client

from tests.chat.transcript import PAGE, written

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("workers")]


async def test_the_transcript_is_fresh(client: Client, tmp_path: Path) -> None:
    assert await written(client, tmp_path) == PAGE.read_text(encoding="utf-8"), "python -m tests.chat.transcript"
