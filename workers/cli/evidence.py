"""`seawall evidence`: whether the reports are what was written, and the keys for it."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.session import console, show_pair, with_client

if TYPE_CHECKING:
    from temporalio.client import Client

    from activities.evidence import Flaw

ApplicationArgument = Annotated[str | None, typer.Argument(help="An application; all of them when left out.")]
KeyOption = Annotated[
    Path | None,
    typer.Option("--key", help="A file with the public key: then every line must be signed with its private half."),
]

app = typer.Typer(help="Whether the reports are what was written.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the commands to the application."""
    parent.add_typer(app, name="evidence")


@app.command()
def key() -> None:
    """Make a pair of keys: one signs reports, the other one verifies them."""
    from activities.evidence import KEY_VARIABLE

    show_pair(
        KEY_VARIABLE,
        "The first one belongs into the environment of the control workers and nowhere else; it is shown this once. "
        "Give the public one to whoever verifies, in a file.",
    )


@app.command()
def verify(
    application: ApplicationArgument = None,
    key: KeyOption = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask Temporal which runs there were.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print the flaws as JSON.")] = False,
) -> None:
    """Hold every report against the chain of evidence, and the chain against the runs that Temporal remembers.

    Exits with 1 when something was changed, added or removed.
    """
    from activities import evidence
    from activities.keys import public_key
    from activities.report_store import file_name
    from workers.settings import read_settings
    from workflows.model.failure import Code, PermanentError

    reports = read_settings().reports
    wanted = file_name(application) if application else "*"
    folders = sorted(path for path in reports.glob(wanted) if path.is_dir())
    if not folders:
        raise PermanentError(
            Code.NOT_FOUND, f"There are no reports in {reports / wanted}.", "Set SEAWALL_REPORTS to where they are."
        )
    public = public_key(key.read_text(encoding="utf-8")) if key else None
    found = {folder.name: list(evidence.verify(folder, public)) for folder in folders}
    if not offline:
        for name, flaws in _not_reported(application, folders).items():
            found.setdefault(name, []).extend(flaws)
    _tell(found, json_output, signed=public is not None)
    raise typer.Exit(1 if any(found.values()) else 0)


def _not_reported(application: str | None, folders: list[Path]) -> dict[str, list["Flaw"]]:
    """Runs that have ended and of which no line tells: the chain's newest lines may have been taken."""
    from activities import evidence
    from activities.report_store import file_name

    async def act(client: "Client") -> list[dict[str, object]]:
        from workers import control

        return await control.list_runs(client, application, limit=10_000)

    known = {run for folder in folders for run in evidence.runs(folder)}
    found: dict[str, list[Flaw]] = {}
    for row in with_client(act):
        if row["status"] == "COMPLETED" and row["application"] and row["run_id"] not in known:
            flaw = evidence.Flaw(
                where=str(row["run"]), sentence="Temporal remembers that it ended; no report is there."
            )
            found.setdefault(file_name(str(row["application"])), []).append(flaw)
    return found


def _tell(found: dict[str, list["Flaw"]], json_output: bool, *, signed: bool) -> None:
    if json_output:
        told = {name: [flaw.model_dump() for flaw in flaws] for name, flaws in found.items()}
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
        return
    screen = console()
    for name, flaws in found.items():
        if not flaws:
            screen.print(f"{name}: every report is what was written{'' if signed else ' (signatures not looked at)'}.")
        for flaw in flaws:
            screen.print(f"[bold red]{name}[/bold red]: {flaw.where}: {flaw.sentence}", soft_wrap=True)
