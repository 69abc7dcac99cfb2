"""`seawall apply` and `seawall schedules`: Temporal Schedules that follow the runbooks."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.session import console, with_client

if TYPE_CHECKING:
    from temporalio.client import Client

    from workers.schedule_diff import Entry
    from workflows.model.runbook import Runbook

JsonFlag = Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")]

_OK, _BAD_INPUT, _REFUSED = 0, 2, 3


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(apply)
    app.command()(schedules)


def apply(
    folder: Annotated[Path | None, typer.Argument(help="The runbooks; the configured folder when left out.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")] = False,
    json_output: JsonFlag = False,
) -> None:
    """Make the schedules of replication, drills and reviews match the runbooks. Shows a difference first."""
    from workers.settings import read_settings

    runbooks = _checked(folder or read_settings().runbooks)
    if runbooks is None:
        raise typer.Exit(_BAD_INPUT)
    found = runbooks

    async def act(client: "Client") -> int:
        return await _apply(client, found, yes, dry_run, json_output)

    raise typer.Exit(with_client(act))


def schedules(
    application: Annotated[str | None, typer.Argument(help="Only of this application.")] = None,
    json_output: JsonFlag = False,
) -> None:
    """Every schedule: what, how often, next and last run, paused or edited by hand."""

    async def act(client: "Client") -> int:
        import json
        from datetime import UTC, datetime

        from workers.cli.schedule_words import schedules_table
        from workers.schedules import overview

        found = await overview(client, application)
        if json_output:
            sys.stdout.write(f"{json.dumps([status.model_dump(mode='json') for status in found], indent=2)}\n")
        else:
            console().print(schedules_table(found, datetime.now(UTC)))
        return _OK

    raise typer.Exit(with_client(act))


def _checked(folder: Path) -> "list[Runbook] | None":
    """The runbooks, when all of them are right: half a folder would remove the schedules of the other half."""
    from activities.providers.registry import Registry
    from workers.cli.validate import print_problems, problems_of
    from workers.schedules import read_folder

    registry = Registry()
    runbooks, wrong = read_folder(folder, registry)
    if not wrong:
        files = [folder / f"{runbook.application}.yaml" for runbook in runbooks]
        wrong = [problem for file in files for problem in problems_of(file, registry) if not problem.warning]
    if not wrong:
        return runbooks
    print_problems(wrong, sys.stderr)
    typer.echo("Nothing was applied. Correct the runbooks, and apply again.", err=True)
    return None


async def _apply(client: "Client", runbooks: "list[Runbook]", yes: bool, dry_run: bool, json_output: bool) -> int:
    from workers.cli.schedule_words import difference
    from workers.schedule_diff import Action
    from workers.schedules import apply, compare

    entries = await compare(client, runbooks)
    if not json_output:
        console().print(difference(entries), soft_wrap=True)
    todo = any(entry.action is not Action.UNCHANGED for entry in entries)
    agreed = todo and not dry_run and (yes or _agreed(json_output))
    done: list[str] = []
    try:
        async for entry in apply(client, entries if agreed else ()):
            done.append(entry.id)
            if not json_output:
                console().print(f"{_DONE[entry.action]} {entry.id}", markup=False)
    finally:
        if json_output:
            _print_json(entries, done)
    return _REFUSED if todo and not (agreed or dry_run) else _OK


_DONE = {"create": "created", "change": "changed", "remove": "removed"}


def _agreed(json_output: bool) -> bool:
    """Whether a person at the terminal agrees; where nobody can be asked, nobody does."""
    if not json_output and sys.stdin.isatty():
        agreed = typer.confirm("Do this?", default=False)
        if not agreed:
            typer.echo("Nothing was applied.", err=True)
        return agreed
    typer.echo("Nothing was applied, since nobody can be asked here. Add --yes, or --dry-run to only look.", err=True)
    return False


def _print_json(entries: "list[Entry]", done: list[str]) -> None:
    import json

    told = [
        {
            "id": entry.id,
            "action": entry.action.value,
            "done": entry.id in done,
            "drift": entry.drift,
            "paused": bool(entry.live and entry.live.paused),
            "changes": [change.model_dump(mode="json") for change in entry.changes],
        }
        for entry in entries
    ]
    sys.stdout.write(f"{json.dumps(told, indent=2)}\n")
