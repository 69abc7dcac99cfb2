"""Commands for the day when Temporal is gone: export the page, and tell afterwards what was done by hand."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.session import console, print_json, with_client

if TYPE_CHECKING:
    from temporalio.client import Client

    from workers.outcome_import import Examined
    from workflows.model.entity import ApplicationState, FinishedByHand
    from workflows.model.hand_over import HandOver

OK, BAD_INPUT, REFUSED = 0, 2, 3
FORMATS = ("md", "html", "form")


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(export)
    app.command("import-outcome")(import_outcome)


def export(
    run: Annotated[str, typer.Argument(help="A run's id, or an application's name for its current run.")],
    form: Annotated[str, typer.Option("--format", help="md, html, or form: only the form of outcomes.")] = "md",
    output: Annotated[Path | None, typer.Option("--output", help="Write to this file.")] = None,
) -> None:
    """The page by which people finish a run without Temporal: what is left, in order, with the exact commands.

    Where Temporal does not answer, the newest page of the run's report store is taken.
    """
    if form not in FORMATS:
        typer.echo(f"There is no format {form[:20]!r} of a page. Use one of {', '.join(FORMATS)}.", err=True)
        raise typer.Exit(BAD_INPUT)
    text = _page(run, form)
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        typer.echo(f"{output} cannot be written ({error.strerror}). Name another file.", err=True)
        raise typer.Exit(1) from None
    console(to_stderr=True).print(f"Written to {output}.", soft_wrap=True)


def _page(run: str, form: str) -> str:
    from workflows.model.failure import Code, PermanentError

    try:
        facts = with_client(lambda client: _facts(client, run))
    except PermanentError as error:
        if error.code not in (Code.UNREACHABLE, Code.NOT_FOUND):
            raise
        return _stored(run, form, error)
    from activities.break_glass import render
    from activities.providers.registry import Registry

    return str(getattr(render(facts, Registry()), form))


async def _facts(client: "Client", run: str) -> "HandOver":
    from workers import control
    from workflows.model.failure import Code, PermanentError

    found = await control.find_run(client, run)
    facts = await control.hand_over(client, found)
    if facts is None:
        raise PermanentError(
            Code.INVALID_INPUT,
            f"{found} has no plan, so there is nothing to do by hand.",
            f"See: seawall watch {found}",
        )
    if facts.state.ended:
        raise PermanentError(
            Code.INVALID_INPUT, f"{found} has ended as {facts.state}; no step is left.", f"See: seawall report {found}"
        )
    return facts


def _stored(run: str, form: str, error: Exception) -> str:
    from activities.break_glass import PageStore
    from activities.providers.registry import Registry
    from activities.report_store import ReportStore
    from workers.settings import read_settings
    from workflows.model.failure import Code, PermanentError

    settings = read_settings()
    store = PageStore(settings.reports, Registry())
    page = store.find(run)
    if page is None:
        raise PermanentError(
            Code.NOT_FOUND,
            f"{error} And there is no page of {run!r} in {settings.reports}.",
            "Name the folder of reports in SEAWALL_REPORTS.",
        )
    ended = ReportStore(settings.reports).read(run) if "/" in run else None
    typer.echo(f"{error}", err=True)
    typer.echo(f"This is the page that the run itself has written: {page}. It may have gone on since.", err=True)
    if ended is not None:
        typer.echo(f"MIND: {run} has ended as {ended.end_state}, so nothing of this is left to do.", err=True)
    return store.read(page, form)


def import_outcome(
    file: Annotated[Path, typer.Argument(help="The form of outcomes, filled in.")],
    by: Annotated[str, typer.Option("--by", help="Who tells it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why the run was finished by hand; it stands in the report.")],
    yes: Annotated[bool, typer.Option("--yes", help="Tell it; without this, only show what would be told.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")] = False,
) -> None:
    """Tell Temporal, also a new and empty one, what was done by hand. Refused where the world contradicts it.

    Run it where a worker's environment is set: it looks at everything itself.
    """
    import asyncio

    from activities.providers.registry import Registry
    from workers.outcome_import import examine
    from workers.settings import read_settings

    if not by.strip() or len(reason.strip()) < 3:
        typer.echo("--by wants a name, and --reason at least three letters. Nothing was told.", err=True)
        raise typer.Exit(BAD_INPUT)
    settings = read_settings()
    found = asyncio.run(examine(file, settings, Registry(), by.strip()[:80], reason.strip()[:500]))
    if json_output:
        print_json(found)
    else:
        _show(found)
    if found.problems or found.told is None:
        raise typer.Exit(BAD_INPUT if found.problems else REFUSED)
    if yes:
        _tell(found, found.told)


def _show(found: "Examined") -> None:
    from workers.cli.validate import print_problems

    print_problems(found.problems, sys.stdout)
    out = console()
    for sentence in found.contradictions:
        out.print(f"Contradicted: {sentence}", soft_wrap=True, markup=False)
    for sentence in found.unseen:
        out.print(f"Not seen from here: {sentence}", soft_wrap=True, markup=False)
    if found.problems or found.contradictions:
        out.print("Nothing was told. Mend the form, or the world, and try again.")
    elif found.told is not None and found.report is not None:
        told = found.told
        guard = "protected" if told.protected else "UNPROTECTED"
        out.print(
            f"{told.run} is over.\n{told.application} is active at {told.active_site}, epoch {told.epoch}, {guard}.",
            soft_wrap=True,
            markup=False,
        )
        for step in found.report.steps:
            out.print(f"  {step.id}: {step.detail}", soft_wrap=True, markup=False)


def _tell(found: "Examined", told: "FinishedByHand") -> None:
    from activities.evidence import KEY_VARIABLE
    from activities.keys import signing_key
    from activities.report_store import ReportStore
    from workers.settings import read_settings

    async def act(client: "Client") -> "ApplicationState":
        from workers import lost_runs

        return await lost_runs.finish_by_hand(client, told)

    state = with_client(act)
    assert found.report is not None
    written = ReportStore(read_settings().reports, signing_key(os.environ, KEY_VARIABLE)).write(found.report)
    out = console(to_stderr=True)
    out.print(f"Told. {state.application} is active at {state.active_site}, epoch {state.epoch}.", soft_wrap=True)
    out.print(f"Report: {written.files[0]}", soft_wrap=True)
    if not state.protected:
        out.print(f"Next: seawall reprotect {state.application} --reason ...", soft_wrap=True)
