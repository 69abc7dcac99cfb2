"""`seawall notices test`: whether the channels of a runbook reach anybody, before the day on which they must."""

from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.session import console, me
from workers.cli.starts import ApplicationArgument, JsonFlag

if TYPE_CHECKING:
    from workflows.model.notices import Notices, NoticeText

_SECONDS = 10.0

app = typer.Typer(help="The channels by which people are told.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the commands to the application."""
    parent.add_typer(app, name="notices")


@app.callback()
def _root() -> None:
    pass


@app.command("test")
def send_test(
    application: ApplicationArgument,
    channel: Annotated[list[str] | None, typer.Option("--channel", help="Only this one; may be given again.")] = None,
    json_output: JsonFlag = False,
) -> None:
    """Send a message, marked as a test, by each channel of the runbook. Run it where the control worker runs: the
    channels' secrets are read from this environment.

    Exits with 1 when one of them did not take it.
    """
    import asyncio
    import json

    from activities.providers.registry import Registry
    from activities.runbook_file import find_runbook, read_runbook
    from workers.settings import read_settings
    from workflows.model.failure import Code, PermanentError

    notices = read_runbook(find_runbook(read_settings().runbooks, application), Registry()).runbook.notices
    names = channel or [*notices.channels]
    if unknown := [name for name in names if name not in notices.channels]:
        known = ", ".join(notices.channels) or "none"
        raise PermanentError(Code.INVALID_INPUT, f"There is no channel {unknown[0][:40]!r}.", f"There are: {known}.")
    if not names:
        raise PermanentError(Code.CONFIGURATION, f"{application} has no channels.", "docs/notices.md says how.")
    found = asyncio.run(_sent(notices, names, application))
    if json_output:
        typer.echo(json.dumps([{"channel": name, "taken": not why, "detail": why} for name, why in found.items()]))
    else:
        for name, why in found.items():
            console().print(f"{name}: {why or 'taken'}", soft_wrap=True, markup=False)
    raise typer.Exit(1 if any(found.values()) else 0)


async def _sent(notices: "Notices", names: list[str], application: str) -> dict[str, str]:
    """For each channel why it did not take the message; empty where it did."""
    import asyncio

    from workflows.model.notices import NoticeText

    message = NoticeText(
        subject=f"TEST: {application}: can you read this?",
        body=f"This is a test of the channel, sent by {me()}. Nothing has happened, and nothing is asked of you.",
    )
    said = await asyncio.gather(*(_send(notices, name, message) for name in names))
    return dict(zip(names, said, strict=True))


async def _send(notices: "Notices", name: str, message: "NoticeText") -> str:
    from activities.apprise_box import send
    from activities.providers.base import secret
    from workflows.model.failure import SeawallError

    try:
        await send(secret(notices.channels[name].url), message, _SECONDS)
    except SeawallError as error:
        return str(error)
    return ""
