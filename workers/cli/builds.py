"""`seawall builds`: which builds of the workflows are there, which one takes new runs, and which may be retired."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.session import console, with_client

if TYPE_CHECKING:
    from temporalio.client import Client

    from workers.builds import Build

app = typer.Typer(help="Builds that runs are pinned to: list them, make one current.", rich_markup_mode=None)

JsonFlag = Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")]


@app.callback(invoke_without_command=True)
def list_(context: typer.Context, json_output: JsonFlag = False) -> None:
    """The builds, newest first, and how many open runs each one holds."""
    if context.invoked_subcommand is not None:
        return
    deployment = _deployment()

    async def act(client: "Client") -> "list[Build]":
        from workers.builds import list_builds

        return await list_builds(client, deployment)

    found = with_client(act)
    if json_output:
        sys.stdout.write(f"{json.dumps([build.model_dump() for build in found], indent=2)}\n")
        return
    for build in found:
        console().print(f"{build.build:<32} {_words(build)}", markup=False)
    if not found:
        typer.echo(f"No worker of {deployment} has asked for work yet. Start one: seawall worker --site control")


@app.command()
def use(build: Annotated[str, typer.Argument(help="A build that `seawall builds` lists.")]) -> None:
    """Let new runs begin on this build. Runs that are open stay on theirs."""
    deployment = _deployment()

    async def act(client: "Client") -> "list[Build]":
        from workers.builds import list_builds, make_current

        await make_current(client, deployment, build)
        return await list_builds(client, deployment)

    others = [f"{other.build} ({other.runs} open)" for other in with_client(act) if other.runs and not other.current]
    typer.echo(f"New runs begin on {build}.")
    if others:
        typer.echo(f"Keep the workers of {', '.join(others)} until their runs have ended; `seawall builds` tells when.")


def _words(build: "Build") -> str:
    runs = f"{build.runs} open run{'' if build.runs == 1 else 's'}"
    if build.current:
        return f"current, {runs}"
    return f"{runs}: keep its worker" if build.runs else "no open run: its worker may be stopped"


def _deployment() -> str:
    from workers.settings import read_settings
    from workflows.model.failure import Code, PermanentError

    deployment = read_settings().deployment
    if not deployment:
        raise PermanentError(
            Code.CONFIGURATION,
            "Runs are not pinned to builds here: SEAWALL_DEPLOYMENT is not set.",
            "Set it as it is set for the control workers, for example SEAWALL_DEPLOYMENT=seawall.",
        )
    return deployment
