"""Commands by which people steer a run: approve, reject, retry, skip, abort, pause and their like."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.proofs import Means, OtpOption, SealedOption, SignOption
from workers.cli.session import console, me, with_client
from workers.cli.starts import insist_on_role

if TYPE_CHECKING:
    from temporalio.client import Client

    from workflows.model.progress import GateView
    from workflows.model.report import Report

RunArgument = Annotated[str, typer.Argument(help="A run's id, or an application's name for its current run.")]
ByOption = Annotated[str | None, typer.Option("--as", help="Who answers.")]
StepOption = Annotated[str | None, typer.Option("--step", help="Which parked step, when several are.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it stands in the report.")]
CodeOption = Annotated[
    str | None,
    typer.Option("--code", help="The code that the request shows; asked of the run when left out."),
]
CommentOption = Annotated[str, typer.Option("--comment", help="It stands in the report.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(approve)
    app.command()(reject)
    for name, action, text in (
        ("retry", "retry", "Try a parked step again."),
        ("skip", "skip", "Leave a parked step out; what needs it goes on."),
        ("accept-degraded", "accept_degraded", "Give up a parked step and all that needs it."),
        ("abort", "abort", "Settle what is in flight, then undo everything; only before the promote."),
        ("pause", "pause", "Start no further step."),
        ("resume", "resume", "Go on after a pause."),
    ):
        app.command(name, help=text)(_answer(action))
    app.command()(ack)
    app.command("accept-data-loss")(accept_data_loss)
    app.command("accept-split-brain-risk")(accept_split_brain_risk)
    app.command()(release)


def approve(
    run: RunArgument,
    approver: ByOption = None,
    code: CodeOption = None,
    comment: CommentOption = "",
    otp: OtpOption = None,
    sign: SignOption = None,
    sealed: SealedOption = False,
) -> None:
    """Agree that a run goes on."""
    _decide("approve", run, approver, code, comment, Means(otp, sign, sealed))


def reject(
    run: RunArgument,
    approver: ByOption = None,
    code: CodeOption = None,
    comment: CommentOption = "",
    otp: OtpOption = None,
    sign: SignOption = None,
    sealed: SealedOption = False,
) -> None:
    """Say no: what was begun is undone."""
    _decide("reject", run, approver, code, comment, Means(otp, sign, sealed))


def _decide(action: str, run: str, approver: str | None, code: str | None, comment: str, means: Means) -> None:
    async def act(client: "Client") -> str:
        from workers import control

        report, gate = await _asked(client, run)
        who, shown = approver or me(), code or gate.code
        proof = means.proof(action, who, gate, shown, report)
        send = control.approve if action == "approve" else control.reject
        return await send(client, report.workflow_id, who, shown, comment, proof)

    console().print(with_client(act))


def accept_data_loss(
    run: RunArgument,
    loss: Annotated[str, typer.Option("--loss", help='The loss as the request shows it, such as "1 min 30 s".')],
    by: ByOption = None,
    code: CodeOption = None,
    reason: ReasonOption = "",
    otp: OtpOption = None,
    sign: SignOption = None,
    sealed: SealedOption = False,
) -> None:
    """Accept a loss beyond the RPO, by its figure; wanted besides the approval."""

    async def act(client: "Client") -> str:
        from workers import control

        report, gate = await _asked(client, run)
        who, shown = by or me(), code or gate.code
        proof = Means(otp, sign, sealed).proof("accept_data_loss", who, gate, shown, report)
        return await control.accept_data_loss(client, report.workflow_id, who, shown, loss, reason, proof)

    console().print(with_client(act))


async def _asked(client: "Client", run: str) -> tuple["Report", "GateView"]:
    """The run, as it stands, and what it asks people.

    Raises:
        PermanentError: REJECTED, for an answer that nobody asked for.
    """
    from workers import control
    from workflows.model.failure import Code, PermanentError

    found = await control.find_run(client, run)
    report = await control.report(client, found)
    view = await control.progress(client, found)
    if view.gate is None:
        raise PermanentError(Code.REJECTED, f"{found} is not waiting for an approval. {view.headline}")
    return report, view.gate


def _answer(action: str) -> Callable[[str, str | None, str | None, str], None]:
    def command(run: RunArgument, by: ByOption = None, step: StepOption = None, reason: ReasonOption = "") -> None:
        async def act(client: "Client") -> str:
            from workers import control

            found = await control.find_run(client, run)
            return await control.answer(client, found, action, by or me(), step, reason)

        console().print(with_client(act))

    return command


def ack(
    run: RunArgument,
    by: ByOption = None,
    note: Annotated[str, typer.Option("--note", help="It stands in the report.")] = "",
) -> None:
    """Say that you see to what waits: nobody else is called for it. It answers nothing."""

    async def act(client: "Client") -> str:
        from workers import control

        return await control.acknowledge(client, await control.find_run(client, run), by or me(), note)

    console().print(with_client(act))


def accept_split_brain_risk(
    run: RunArgument,
    code: Annotated[str, typer.Option("--code", help="The risk code that the parked step shows.")],
    statement: Annotated[str, typer.Option("--statement", help="In your words: what is not proved, and why.")],
    by: ByOption = None,
    otp: OtpOption = None,
    sign: SignOption = None,
    sealed: SealedOption = False,
) -> None:
    """Go on without a fence proof. You accept that two sites may write."""

    async def act(client: "Client") -> str:
        from workers import control

        found, who = await control.find_run(client, run), by or me()
        report = await control.report(client, found)
        step = next((one for one in report.parked if one.risk_code == code.upper()), None)
        proof = Means(otp, sign, sealed).for_risk(who, step, report)
        return await control.accept_risk(client, found, who, code, statement, proof)

    console().print(with_client(act))


def release(
    application: Annotated[str, typer.Argument(help="The application whose lease is stuck.")],
    active_site: Annotated[str, typer.Option(help="Where it really is active now.")],
    epoch: Annotated[int, typer.Option(help="The epoch of the stuck lease, as `seawall status` shows it.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the record.")],
    by: ByOption = None,
) -> None:
    """Free the lease of a run that was terminated, after looking at what stands."""

    async def act(client: "Client") -> str:
        from workers import control, lost_runs
        from workflows.model.requests import FreeRequest

        insist_on_role(by or me(), "release", application)
        request = control.checked(FreeRequest, by=by or me(), epoch=epoch, active_site=active_site, reason=reason)
        await lost_runs.free_lease(client, application, request)
        return f"The lease of {application} is free. It is recorded as active at {active_site}, and unprotected."

    console().print(with_client(act))
