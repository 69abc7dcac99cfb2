"""The command as people run it: a process of its own, whose settings stand in the environment."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from activities import keys
from tests.chat.kit import KEY, POLICY
from tests.provider.support import free_port
from tests.support.bed import eventually
from tests.support.slack_fake import APP_TOKEN, BOT_TOKEN, CHANNEL, slack_fake
from tests.support.slack_people import Person
from workers.door import KEY_VARIABLE
from workflows.model.policy import POLICY_FILE

COMMAND = (sys.executable, "-m", "workers.cli.main", "chatops")


async def test_it_comes_up_without_temporal_answers_and_ends_when_it_is_told(tmp_path: Path) -> None:
    (tmp_path / POLICY_FILE).write_text(POLICY)
    async with slack_fake() as slack:
        environment = os.environ | {
            "SEAWALL_SLACK_API": slack.api,
            "SEAWALL_SLACK_BOT_TOKEN": BOT_TOKEN,
            "SEAWALL_SLACK_APP_TOKEN": APP_TOKEN,
            "SEAWALL_SLACK_CHANNEL": CHANNEL,
            "SEAWALL_RUNBOOKS": str(tmp_path),
            "SEAWALL_TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}",
            KEY_VARIABLE: keys.write(KEY.private_bytes_raw()),
        }
        process = await asyncio.create_subprocess_exec(*COMMAND, env=environment, stderr=asyncio.subprocess.PIPE)
        try:
            await eventually(lambda: slack.sockets, 60.0)
            olga = Person(slack, "U0OLGA")
            assert "/dr failover" in await olga.asks("/dr help")
            assert "Temporal does not answer here" in await olga.asks("/dr status")
        finally:
            process.send_signal(signal.SIGTERM)
        _, said = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0, said.decode()
        assert BOT_TOKEN not in said.decode()
        assert APP_TOKEN not in said.decode()


async def test_without_settings_it_says_which_are_wanted() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEAWALL_")}
    process = await asyncio.create_subprocess_exec(*COMMAND, env=environment, stderr=asyncio.subprocess.PIPE)
    _, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert "SEAWALL_SLACK_BOT_TOKEN" in said.decode()
