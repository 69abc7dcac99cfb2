"""The command that takes over what a run left that was ended from outside: adopt. `release` stands with the answers."""

from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.delivery import start_and_follow
from workers.cli.proofs import Asker, OtpOption, SignOption
from workers.cli.session import with_client

if TYPE_CHECKING:
    from temporalio.client import Client


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(adopt)


def adopt(
    application: Annotated[str, typer.Argument(help="The application whose run was ended from outside.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the report.")],
    operation: Annotated[
        str | None,
        typer.Option(help="failover, switchover, failback or reprotect; what the run was when left out."),
    ] = None,
    by: Annotated[str | None, typer.Option("--by", "--as", help="Who asks.")] = None,
    otp: OtpOption = None,
    sign: SignOption = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end, or until a person is needed.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")] = False,
) -> None:
    """Take over the lease of a run that was terminated or reset, and go on from what stands."""

    async def act(client: "Client") -> int:
        from workers.adopting import adopting_request

        asker = Asker(by, otp, sign)
        request = await adopting_request(client, application, asker.name, reason, operation)
        return await start_and_follow(client, request, asker, wait, json_output)

    raise typer.Exit(with_client(act))
