"""The server as a process."""

import os
from pathlib import Path

import uvicorn

from activities.keys import signing_key
from workers.connect import connect
from workers.door import KEY_VARIABLE, Door
from workers.hooks.app import make_app
from workers.hooks.gate import MOST_BYTES
from workers.hooks.run_ids import RunIds
from workers.hooks.settings import read_hook_settings
from workers.settings import read_settings


async def serve(host: str, port: int, certificate: Path | None, private_key: Path | None) -> None:
    """Serve until a signal comes.

    Raises:
        PermanentError: CONFIGURATION, or UNREACHABLE when Temporal does not answer.
    """
    settings = read_settings()
    hooks = read_hook_settings(settings.state)
    key = signing_key(os.environ, KEY_VARIABLE)
    door = Door(await connect(settings), settings.runbooks, hooks.gateway, key)
    config = uvicorn.Config(
        make_app(door, hooks, settings.runbooks, RunIds(key)),
        host=host,
        port=port,
        ssl_certfile=certificate,
        ssl_keyfile=private_key,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=200,
        timeout_keep_alive=15,
        h11_max_incomplete_event_size=MOST_BYTES,
        timeout_graceful_shutdown=20,
    )
    await uvicorn.Server(config).serve()
