"""Commands that look at runs: watch, report, runs, status."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.delivery import deliver, follow
from workers.cli.session import console, with_client

if TYPE_CHECKING:
    from temporalio.client import Client

    from workflows.model.report import Report

JsonFlag = Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")]
RunArgument = Annotated[str, typer.Argument(help="A run's id, or an application's name for its current run.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(watch)
    app.command()(report)
    app.command()(runs)
    app.command()(status)


def watch(run: RunArgument, json_output: JsonFlag = False) -> None:
    """Follow a run live. Closing this changes nothing; start it again at any time."""

    async def act(client: "Client") -> int:
        from workers import control

        found = await control.find_run(client, run)
        if not json_output:
            return deliver(await follow(client, found, past_parking=True), False)
        async for view in control.watch(client, found):
            sys.stdout.write(f"{view.model_dump_json()}\n")
            sys.stdout.flush()
        return 0

    raise typer.Exit(with_client(act))


def report(
    run: RunArgument,
    form: Annotated[str, typer.Option("--format", help="md, html or json.")] = "md",
) -> None:
    """The report of a run, as it stands."""
    if form not in ("md", "html", "json"):
        typer.echo(f"There is no report format {form!r}. Use md, html or json.", err=True)
        raise typer.Exit(2)

    async def act(client: "Client") -> "Report":
        from workers import control

        return await control.report(client, await control.find_run(client, run))

    found = _stored(run) or with_client(act)
    sys.stdout.write(_rendered(found, form))


def _stored(run: str) -> "Report | None":
    """A finished run's report outlives Temporal's retention in the report store."""
    from activities.report_store import ReportStore
    from workers.settings import read_settings

    return ReportStore(read_settings().reports).read(run) if "/" in run else None


def _rendered(found: "Report", form: str) -> str:
    from activities.report_render import to_html, to_json, to_markdown

    return {"md": to_markdown, "html": to_html, "json": to_json}[form](found)


def runs(
    application: Annotated[str | None, typer.Argument(help="Only of this application.")] = None,
    json_output: JsonFlag = False,
) -> None:
    """Every run, the newest first."""
    import json

    async def act(client: "Client") -> int:
        from workers import control
        from workers.cli.tables import RunRow, runs_table

        found = await control.list_runs(client, application)
        if json_output:
            sys.stdout.write(f"{json.dumps(found, default=str, indent=2)}\n")
            return 0
        rows = [
            RunRow(
                workflow_id=row["run"],
                application=row["application"],
                state=row["state"],
                started=row["started"],
                ended=row["ended"],
            )
            for row in found
        ]
        console().print(runs_table(rows) if rows else "There was no run yet.")
        return 0

    raise typer.Exit(with_client(act))


def status(
    application: Annotated[str | None, typer.Argument(help="Only this application.")] = None,
    json_output: JsonFlag = False,
) -> None:
    """Where each application is active, and who holds it."""
    import json

    async def act(client: "Client") -> int:
        from workers import control
        from workers.cli.tables import status_table
        from workflows.model.failure import Code, PermanentError

        if application is None:
            states = await control.application_states(client)
        else:
            one = await control.application_state(client, application)
            if one is None:
                raise PermanentError(
                    Code.NOT_FOUND,
                    f"{application!r} had no run yet, so nothing is known of it.",
                    "Its first run starts its record; `seawall plan` shows what that would do.",
                )
            states = [one]
        if json_output:
            sys.stdout.write(f"{json.dumps([state.model_dump(mode='json') for state in states], indent=2)}\n")
        else:
            console().print(status_table(states) if states else "No application had a run yet.")
        return 0

    raise typer.Exit(with_client(act))
