"""Commands that start runs and look at them: failover, watch, report, runs, status."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.session import console, me, print_json, with_client

if TYPE_CHECKING:
    from temporalio.client import Client

    from workflows.model.messages import FailoverRequest
    from workflows.model.report import Report

JsonFlag = Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")]
RunArgument = Annotated[str, typer.Argument(help="A run's id, or an application's name for its current run.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(failover)
    app.command()(watch)
    app.command()(report)
    app.command()(runs)
    app.command()(status)


def failover(
    application: Annotated[str, typer.Argument(help="Which application: the name of its runbook.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the report.")],
    planned: Annotated[bool, typer.Option("--planned", help="Both sites healthy: no loss.")] = False,
    to: Annotated[str | None, typer.Option(help="The site to move to.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end, or until a person is needed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; start nothing.")] = False,
    requested_by: Annotated[str | None, typer.Option("--as", help="Who asks.")] = None,
    json_output: JsonFlag = False,
) -> None:
    """Move an application to the other site."""
    from workers.cli.plan import show_plan
    from workers.control import checked
    from workers.settings import read_settings
    from workflows.model.messages import FailoverRequest

    file = _known_runbook(application)
    if dry_run:
        raise typer.Exit(
            show_plan(file or read_settings().runbooks / f"{application}.yaml", "failover", planned, json_output)
        )
    request = checked(
        FailoverRequest, runbook=application, reason=reason, planned=planned, to=to, requested_by=requested_by or me()
    )

    async def act(client: "Client") -> int:
        return await _start_and_follow(client, request, wait, json_output)

    raise typer.Exit(with_client(act))


async def _start_and_follow(client: "Client", request: "FailoverRequest", wait: bool, json_output: bool) -> int:
    from workers import control

    run = await control.start_failover(client, request)
    if not wait:
        if json_output:
            typer.echo(f'{{"run": "{run}"}}')
        else:
            console().print(
                f"Started {run}\nWatch it:   seawall watch {run}\nApprove it: seawall approve {run} --as NAME"
            )
        return 0
    found = await control.wait(client, run) if json_output else await _follow(client, run)
    return _deliver(found, json_output)


def _deliver(found: "Report", json_output: bool) -> int:
    from workers.control import EXIT_CODES

    if json_output:
        print_json(found)
    else:
        console().print(found.summary, soft_wrap=True)
    return EXIT_CODES.get(found.end_state, 1)


async def _follow(client: "Client", run: str, *, past_parking: bool = False) -> "Report":
    """Show the run until it ends; or, when it parks, until then."""
    from workers import control
    from workers.cli.follow import screen_for
    from workflows.model.messages import RunState

    screen = screen_for(console())
    try:
        async for view in control.watch(client, run):
            screen.show(view)
            if view.state is RunState.PARKED and not past_parking:
                break
    finally:
        screen.close()
    return await control.report(client, run) if past_parking else await control.wait(client, run)


def watch(run: RunArgument, json_output: JsonFlag = False) -> None:
    """Follow a run live. Closing this changes nothing; start it again at any time."""

    async def act(client: "Client") -> int:
        from workers import control

        found = await control.find_run(client, run)
        if not json_output:
            return _deliver(await _follow(client, found, past_parking=True), False)
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


def _known_runbook(application: str) -> "Path | None":
    """The runbook's file, when this machine has the folder; so that a misspelt name costs no run.

    Raises:
        PermanentError: RUNBOOK_NOT_FOUND with the names that exist.
    """
    from activities.runbook_file import find_runbook
    from workers.settings import read_settings

    folder = read_settings().runbooks
    return find_runbook(folder, application) if folder.is_dir() else None
