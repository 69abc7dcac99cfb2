"""Commands that start something: failover, switchover, failback, reprotect, drill, replicate, posture."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.delivery import start_and_follow
from workers.cli.proofs import Asker, OtpOption, SignOption
from workers.cli.session import console, print_json, with_client

if TYPE_CHECKING:
    from pydantic import BaseModel
    from temporalio.client import Client

ApplicationArgument = Annotated[str, typer.Argument(help="Which application: the name of its runbook.")]
ReasonOption = Annotated[str, typer.Option(help="Why; it stands in the report.")]
WaitFlag = Annotated[bool, typer.Option("--wait", help="Wait for the end, or until a person is needed.")]
DryRunFlag = Annotated[bool, typer.Option("--dry-run", help="Show the plan; start nothing.")]
AsOption = Annotated[str | None, typer.Option("--as", help="Who asks.")]
AtOption = Annotated[
    datetime | None,
    typer.Option(
        help="The agreed time of the cutover, in UTC; at once when left out.",
        formats=["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ"],
    ),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (failover, switchover, failback, reprotect, drill, replicate, posture):
        app.command()(command)


def failover(
    application: ApplicationArgument,
    reason: ReasonOption,
    planned: Annotated[bool, typer.Option("--planned", help="Both sites healthy: no loss.")] = False,
    to: Annotated[str | None, typer.Option(help="The site to move to.")] = None,
    point: Annotated[
        str, typer.Option(help='Recovery point: latest, latest-verified, "before 2026-11-22T14:05:00Z", or a name.')
    ] = "latest",
    despite_evidence: Annotated[
        str, typer.Option(help="Why to go on although the vantage points disagree, or too few answer. On the record.")
    ] = "",
    wait: WaitFlag = False,
    dry_run: DryRunFlag = False,
    requested_by: AsOption = None,
    otp: OtpOption = None,
    sign: SignOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Move an application to the other site."""
    from workflows.model.requests import FailoverRequest

    fields = {"reason": reason, "planned": planned, "to": to, "point": point, "despite_evidence": despite_evidence}
    mode = {"planned": planned, "choice": point}
    flags = (wait, dry_run, json_output)
    _start(FailoverRequest, application, fields, mode, flags, Asker(requested_by, otp, sign))


def switchover(
    application: ApplicationArgument,
    reason: ReasonOption,
    to: Annotated[str | None, typer.Option(help="The site to move to.")] = None,
    at: AtOption = None,
    wait: WaitFlag = False,
    dry_run: DryRunFlag = False,
    requested_by: AsOption = None,
    otp: OtpOption = None,
    sign: SignOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Move a healthy application to its other site, without loss, and protect it again."""
    from workflows.model.requests import SwitchoverRequest

    flags = (wait, dry_run, json_output)
    _start(
        SwitchoverRequest,
        application,
        {"reason": reason, "to": to, "at": _utc(at)},
        {},
        flags,
        Asker(requested_by, otp, sign),
    )


def failback(
    application: ApplicationArgument,
    reason: ReasonOption,
    at: AtOption = None,
    wait: WaitFlag = False,
    dry_run: DryRunFlag = False,
    requested_by: AsOption = None,
    otp: OtpOption = None,
    sign: SignOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Move an application home, after a failover and a reprotect."""
    from workflows.model.requests import FailbackRequest

    flags = (wait, dry_run, json_output)
    _start(
        FailbackRequest,
        application,
        {"reason": reason, "at": _utc(at)},
        {},
        flags,
        Asker(requested_by, otp, sign),
    )


def reprotect(
    application: ApplicationArgument,
    reason: ReasonOption = "the application runs unprotected",
    wait: WaitFlag = False,
    dry_run: DryRunFlag = False,
    requested_by: AsOption = None,
    otp: OtpOption = None,
    sign: SignOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Rebuild replication from the serving site to the one that was left."""
    from workflows.model.requests import ReprotectRequest

    flags = (wait, dry_run, json_output)
    _start(
        ReprotectRequest,
        application,
        {"reason": reason},
        {},
        flags,
        Asker(requested_by, otp, sign),
    )


def drill(
    application: ApplicationArgument,
    reason: ReasonOption = "a drill",
    live: Annotated[bool, typer.Option("--live", help="Move the users there and back, for real.")] = False,
    point: Annotated[str, typer.Option(help="Which recovery point the clones are made of.")] = "latest",
    wait: WaitFlag = False,
    dry_run: DryRunFlag = False,
    requested_by: AsOption = None,
    otp: OtpOption = None,
    sign: SignOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Rehearse the recovery: on clones in a bubble, or live."""
    from workflows.model.requests import DrillRequest

    fields = {"reason": reason, "live": live, "point": point}
    flags = (wait, dry_run, json_output)
    _start(DrillRequest, application, fields, {"live": live}, flags, Asker(requested_by, otp, sign))


def replicate(application: ApplicationArgument, json_output: JsonFlag = False) -> None:
    """Copy what is due now, prune, and measure how far the copy is behind."""
    from workflows.model.progress import ReplicationReport
    from workflows.model.requests import ReplicateRequest

    async def act(client: "Client") -> int:
        from workers import control

        run = await control.start(client, ReplicateRequest(runbook=application))
        found = await control.result_of(client, run, ReplicationReport)
        if json_output:
            print_json(found)
        else:
            console().print(found.skipped or (found.state.sentence if found.state else "Nothing to copy."))
        return 0 if found.skipped or (found.state and found.state.healthy) else 6

    known_runbook(application)
    raise typer.Exit(with_client(act))


def posture(application: ApplicationArgument, json_output: JsonFlag = False) -> None:
    """Is the application ready to be recovered?"""
    from workflows.model.progress import PostureReport
    from workflows.model.requests import PostureRequest

    async def act(client: "Client") -> int:
        from workers import control

        run = await control.start(client, PostureRequest(runbook=application))
        found = await control.result_of(client, run, PostureReport)
        if json_output:
            print_json(found)
        else:
            for finding in found.findings:
                console().print(f"{finding.code}: {finding.sentence} {finding.next_step}", soft_wrap=True)
            console().print("Ready." if found.ready else "NOT ready.")
        return 0 if found.ready else 6

    known_runbook(application)
    raise typer.Exit(with_client(act))


def _start(
    kind: "type[BaseModel]",
    application: str,
    fields: dict[str, Any],
    plan: dict[str, Any],
    flags: tuple[bool, bool, bool],
    asker: Asker,
) -> None:
    from workers.cli.plan import show_plan
    from workers.control import STARTS, checked
    from workers.settings import read_settings

    wait, dry_run, json_output = flags
    file = known_runbook(application)
    request = checked(kind, runbook=application, requested_by=asker.name, **fields)
    if dry_run:
        path = file or read_settings().runbooks / f"{application}.yaml"
        raise typer.Exit(show_plan(path, STARTS[kind].lower(), json_output=json_output, **plan))
    insist_on_role(asker.name, STARTS[kind].lower(), application)

    async def act(client: "Client") -> int:
        return await start_and_follow(client, request, asker, wait, json_output)

    raise typer.Exit(with_client(act))


def _utc(at: datetime | None) -> datetime | None:
    from datetime import UTC

    return at.replace(tzinfo=UTC) if at else None


def insist_on_role(who: str, act: str, application: str) -> None:
    """Where this machine has a policy: a name that may not is told so before anything is sent.

    Raises:
        PermanentError: FORBIDDEN.
    """
    from activities.policy import read_policy
    from workers.settings import read_settings
    from workflows.model.failure import Code, PermanentError

    policy = read_policy(read_settings().runbooks)
    if policy and (objection := policy.granted(application).objection(who, act, application)):
        raise PermanentError(Code.FORBIDDEN, objection, "Say who you are with --as.")


def known_runbook(application: str) -> Path | None:
    """The runbook's file, when this machine has the folder; so that a misspelt name costs no run.

    Raises:
        PermanentError: RUNBOOK_NOT_FOUND with the names that exist.
    """
    from activities.runbook_file import find_runbook
    from workers.settings import read_settings

    folder = read_settings().runbooks
    return find_runbook(folder, application) if folder.is_dir() else None
