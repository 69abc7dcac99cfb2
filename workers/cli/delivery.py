"""How a command shows a run until its end, and delivers its report."""

from typing import TYPE_CHECKING

import typer

from workers.cli.session import console, print_json

if TYPE_CHECKING:
    from pydantic import BaseModel
    from temporalio.client import Client

    from workers.cli.proofs import Asker
    from workflows.model.report import Report


async def start_and_follow(
    client: "Client", request: "BaseModel", asker: "Asker", wait: bool, json_output: bool
) -> int:
    """Start a run, and prove who asks; with `wait` follow it to its end, or until it needs a person. The exit code."""
    from activities.policy import read_policy
    from workers import control
    from workers.settings import read_settings

    run = await control.start(client, request)
    if asker.otp or asker.sign or read_policy(read_settings().runbooks):
        await asker.prove(client, run)
    if not wait:
        if json_output:
            typer.echo(f'{{"run": "{run}"}}')
        else:
            console().print(
                f"Started {run}\nWatch it:   seawall watch {run}\nApprove it: seawall approve {run} --as NAME"
            )
        return 0
    found = await control.wait(client, run) if json_output else await follow(client, run)
    return deliver(found, json_output)


def deliver(found: "Report", json_output: bool) -> int:
    """Show the report; the exit code that its end state stands for."""
    from workers.control import EXIT_CODES

    if json_output:
        print_json(found)
    else:
        console().print(found.summary, soft_wrap=True)
    return EXIT_CODES.get(found.end_state, 1)


async def follow(client: "Client", run: str, *, past_parking: bool = False) -> "Report":
    """Show the run until it ends; or, when it parks, until then."""
    from workers import control
    from workers.cli.follow import screen_for
    from workflows.model.progress import RunState

    screen = screen_for(console())
    try:
        async for view in control.watch(client, run):
            screen.show(view)
            if view.state is RunState.PARKED and not past_parking:
                break
    finally:
        screen.close()
    return await control.report(client, run) if past_parking else await control.wait(client, run)
