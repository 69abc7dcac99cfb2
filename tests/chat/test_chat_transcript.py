"""The transcript in the documents is what the gateway says today."""

import pytest

from tests.chat.transcript import PAGE, made

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_transcript_is_fresh() -> None:
    assert await made() == PAGE.read_text(encoding="utf-8"), "python -m tests.chat.transcript"
