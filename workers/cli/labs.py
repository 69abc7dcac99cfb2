"""`seawall lab`: two real sites on this machine, to try everything on."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.settings import LAB_FOLDER

if TYPE_CHECKING:
    from infra.lab.info import LabInfo

app = typer.Typer(
    help="Two real sites on this machine: start, look, break, repair, end.", no_args_is_help=True, rich_markup_mode=None
)


class TierName(StrEnum):
    """The runbook's tiers; the model's own enumeration would load its libraries for every `--help`."""

    HOT = "hot"
    WARM = "warm"
    COLD = "cold"


FolderOption = Annotated[Path, typer.Option("--folder", help="Where the lab lives.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")]
TierOption = Annotated[TierName, typer.Option(help="How much of the recovery site runs before the disaster.")]
PortOption = Annotated[int | None, typer.Option(help="A port of your choice; a free one otherwise.")]


@app.command()
def up(
    folder: FolderOption = LAB_FOLDER,
    asynchronous: Annotated[bool, typer.Option("--async", help="Replicate without waiting for the standby.")] = False,
    tier: TierOption = TierName.HOT,
    detach: Annotated[bool, typer.Option("--detach", help="Return when it runs.")] = False,
    temporal_port: Annotated[int | None, typer.Option(help="Where Temporal listens; any free port otherwise.")] = None,
    ui_port: Annotated[int | None, typer.Option(help="Where its Web UI listens.")] = None,
    json_output: JsonFlag = False,
) -> None:
    """Start the lab. Without --detach it ends with Ctrl-C."""
    from infra.lab import lab
    from infra.lab.layout import WantedPorts
    from workers.cli.session import console, print_json
    from workflows.model.runbook import Tier

    screen = console(to_stderr=json_output)
    wanted = WantedPorts(temporal_port, ui_port)
    info = lab.up(folder, synchronous=not asynchronous, tier=Tier(tier), wanted=wanted, say=screen.print)
    if json_output:
        print_json(info)
    else:
        _describe(info)
    if not detach:
        _hold(folder)


def _hold(folder: Path) -> None:
    import time

    from infra.lab import lab

    typer.echo("Ctrl-C ends the lab.", err=True)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        lab.down(folder, say=typer.echo)


def _describe(info: "LabInfo") -> None:
    from workers.cli.session import console

    screen = console()
    screen.print(f"Temporal Web UI   {info.temporal_ui_url}")
    screen.print(f"Temporal          {info.temporal_address}")
    screen.print(f"The shop          {info.public_url}  (name {info.public_name}, resolver {info.resolver})")
    for name, site in info.sites.items():
        screen.print(f"{name:<17} app {site.app_url}, PostgreSQL {site.db_host}:{site.db_port}")
    screen.print(f"Reports           {info.reports}")
    screen.print('Break it:         seawall lab break kill primary; then: seawall failover shop --reason "..." --wait')


@app.command()
def down(
    folder: FolderOption = LAB_FOLDER,
    everything: Annotated[bool, typer.Option("--all", help="Remove the reports too.")] = False,
) -> None:
    """End every process of the lab."""
    from infra.lab import lab

    lab.down(folder, say=typer.echo, everything=everything)


@app.command()
def status(folder: FolderOption = LAB_FOLDER, json_output: JsonFlag = False) -> None:
    """What runs, what is broken, and where users are sent."""
    from infra.lab import lab
    from workers.cli.session import console, print_json

    found = lab.status(folder)
    if json_output:
        print_json(found)
        return
    if not found.running:
        typer.echo("No lab runs here. Start one with: seawall lab up")
        return
    screen = console()
    screen.print(f"users are sent to {found.active_site or 'nowhere'}")
    for name, host in found.hosts.items():
        held = ", held off by a fence" if host.held else ""
        paused = ", frozen" if host.paused else ""
        screen.print(
            f"{name:<10} power {host.power}{held}{paused}; PostgreSQL {host.postgres}; app {host.app}; "
            f"worker {host.worker}; epoch {host.epoch}"
        )
    screen.print("links      " + ", ".join(f"{name} {state}" for name, state in found.links.items()))
    screen.print("services   " + ", ".join(f"{name} {state}" for name, state in found.services.items()))


@app.command("break")
def break_(
    what: Annotated[str, typer.Argument(help="kill, kill-postgres, pause, cut, isolate-orchestrator, ...")],
    site: Annotated[str, typer.Argument(help="primary or recovery.")] = "primary",
    folder: FolderOption = LAB_FOLDER,
) -> None:
    """Really break something."""
    _change("break_", what, site, folder)


@app.command()
def repair(
    what: Annotated[str, typer.Argument(help="What was broken.")],
    site: Annotated[str, typer.Argument(help="primary or recovery.")] = "primary",
    folder: FolderOption = LAB_FOLDER,
) -> None:
    """Mend what `break` broke."""
    _change("repair", what, site, folder)


def _change(verb: str, what: str, site: str, folder: Path) -> None:
    from infra.lab import lab
    from infra.lab.postgres import LabError

    try:
        typer.echo(getattr(lab, verb)(folder, what, site).sentence)
    except LabError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
