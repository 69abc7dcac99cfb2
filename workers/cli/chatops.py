"""`seawall chatops`: the gateway between Slack and Seawall."""

from types import ModuleType
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(chatops)


def chatops(
    host: Annotated[str, typer.Option(help="Address to listen on for Slack, without an app token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on for Slack, without an app token.")] = 8089,
) -> None:
    """Let people drive and follow runs in Slack. Its settings stand in the environment: docs/chatops.md."""
    import asyncio
    import logging

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("seawall.chat.socket").setLevel(logging.ERROR)
    asyncio.run(_serve(_parts(), host, port))


async def _serve(gateway: ModuleType, host: str, port: int) -> None:
    import asyncio
    import os
    import signal

    from activities import keys
    from workers.chat.settings import read_chat_settings
    from workers.cli.session import console
    from workers.connect import connect
    from workers.door import KEY_VARIABLE, Door
    from workers.settings import read_settings

    chat, settings = read_chat_settings(), read_settings()
    key = keys.signing_key(os.environ, KEY_VARIABLE)
    # It comes up without Temporal too, and says so in chat.
    client = await connect(settings, lazy=True)
    served = gateway.Gateway(Door(client, settings.runbooks, chat.gateway, key), settings.runbooks, chat)
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with served.open(host, port) as at:
        where = f"at http://{host}:{at}/slack/events" if at else "in socket mode"
        console(to_stderr=True).print(f"The chat gateway {chat.gateway} serves Slack {where}.")
        if key is None:
            console(to_stderr=True).print(f"{KEY_VARIABLE} is not set: it can vouch for nobody.")
        await stop.wait()


def _parts() -> ModuleType:
    """What the gateway is made of.

    Raises:
        PermanentError: CONFIGURATION, when its packages are not installed.
    """
    from activities.optional import load

    return load("workers.chat.gateway", "The chat gateway", "chat")
