"""The `seawall` command. Only wiring: what a command does lives in `workers.control` and beside this file.

Imports are lazy, since `seawall --help` is typed at night too: nothing heavy is loaded before it is needed.

Exit codes: 0 recovered (or done), 1 the command could not do its work (Temporal not reachable, a port taken), 2 bad
input, 3 refused, 4 compensated, 5 parked, 6 recovered degraded.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from workers.cli import (
    answers,
    approvers,
    break_glass,
    builds,
    chatops,
    codec,
    evidence,
    gateway,
    hooks,
    labs,
    notices,
    orphans,
    runs,
    schedules,
    starts,
)

app = typer.Typer(
    name="seawall",
    help="Disaster recovery as durable workflows: failover, failback and drills that end well or loudly.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # boxes around the help would double the time until it shows
    epilog="Exit codes: 0 recovered, 1 could not work, 2 bad input, 3 refused, 4 compensated, 5 parked, 6 degraded.",
)
starts.register(app)
runs.register(app)
answers.register(app)
approvers.register(app)
chatops.register(app)
codec.register(app)
hooks.register(app)
evidence.register(app)
gateway.register(app)
notices.register(app)
orphans.register(app)
schedules.register(app)
break_glass.register(app)
app.add_typer(labs.app, name="lab")
app.add_typer(builds.app, name="builds")

JsonFlag = Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"seawall {version('seawall')}")
        raise typer.Exit


@app.callback()
def _root(
    _version_flag: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def validate(
    files: Annotated[list[Path], typer.Argument(help="Runbooks, or folders of them.")], json_output: JsonFlag = False
) -> None:
    """Check runbooks: every problem with file, line, field and what was expected."""
    from workers.cli.validate import validate as run

    raise typer.Exit(run(files, json_output))


@app.command()
def plan(
    file: Annotated[Path, typer.Argument(help="A runbook.")],
    operation: Annotated[str, typer.Option(help="Which operation.")] = "failover",
    planned: Annotated[bool, typer.Option("--planned", help="Both sites healthy.")] = False,
    json_output: JsonFlag = False,
) -> None:
    """Show what a run would do: steps, approval, point of no return, undo, critical path."""
    from workers.cli.plan import show_plan

    raise typer.Exit(show_plan(file, operation, planned, json_output))


@app.command()
def worker(
    site: Annotated[str | None, typer.Option(help="A site's name, or `control`.")] = None,
) -> None:
    """Run a worker: workflows and bookkeeping for `control`, the verbs of one site otherwise."""
    import asyncio
    import dataclasses
    import logging

    from workers.guard import check_package_names
    from workers.settings import read_settings
    from workers.worker import run_worker

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    check_package_names()
    settings = read_settings()
    asyncio.run(run_worker(dataclasses.replace(settings, site=site or settings.site)))


@app.command()
def doctor(
    application: Annotated[
        str | None, typer.Argument(help="Ask its sites too: would a recovery find all it needs?")
    ] = None,
    json_output: JsonFlag = False,
) -> None:
    """What is missing on this machine or in this configuration, with the command that mends it."""
    from workers.cli.doctor import run_doctor

    raise typer.Exit(run_doctor(json_output, application))


@app.command()
def demo(
    scenario: Annotated[
        str,
        typer.Option(
            help="failover, planned, async, diverge, compensate, split-brain, roundtrip, drill or live-drill."
        ),
    ] = "failover",
    yes: Annotated[bool, typer.Option("--yes", help="Approve without asking.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the outcome to this file.")] = None,
    cycles: Annotated[int | None, typer.Option(min=1, max=1000, help="How many times.")] = None,
    seed: Annotated[int, typer.Option(help="Varies the moment of the disaster.")] = 0,
    rate: Annotated[float, typer.Option(min=1, max=1000, help="Orders a second, of all clients together.")] = 50,
) -> None:
    """Zero to report: start a lab, break it for real, recover it, and compare with what the clients saw."""
    from workers.demo.run import run_demo

    raise typer.Exit(run_demo(scenario, yes, json_file, cycles, seed, rate))


def main() -> None:
    """The entry point: errors become one sentence, and an exit code that scripts can rely on."""
    code = _run()
    sys.stdout.flush()
    sys.stderr.flush()
    if "temporalio" in sys.modules:
        # The SDK's core can abort at interpreter exit (seen: 5 of 20 short scripts), which would spoil the exit code.
        os._exit(code)
    sys.exit(code)


def _run() -> int:
    from workflows.model.failure import Code, SeawallError

    try:
        result = app(standalone_mode=False)
    except typer.Exit as done:
        return done.exit_code
    except (typer.Abort, KeyboardInterrupt):
        typer.echo("Stopped. A run that was started goes on; `seawall runs` shows it.", err=True)
        return 1
    except SeawallError as error:
        typer.echo(str(error), err=True)
        return 1 if error.code in (Code.UNREACHABLE, Code.CONFIGURATION, Code.INTERNAL) else _code(error.code)
    except Exception as error:
        if type(error).__module__.startswith(("click", "typer")) and hasattr(error, "format_message"):
            typer.echo(f"{error.format_message()} `seawall --help` lists what there is.", err=True)
            return 2
        raise
    return result if isinstance(result, int) else 0


def _code(code: str) -> int:
    from workflows.model.failure import Code

    refused = {Code.REJECTED, Code.APPLICATION_BUSY, Code.ALREADY_ACTIVE, Code.LEASE_LOST}
    return 3 if code in refused else 2


if __name__ == "__main__":
    main()
