"""`seawall approver`: enrols people, and makes the sealed codes."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.session import console

if TYPE_CHECKING:
    from activities.people.register import Register

NameArgument = Annotated[str, typer.Argument(help="The name that the runbooks list among `approvers`.")]

app = typer.Typer(help="Enrol approvers, and make the sealed codes.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the commands to the application."""
    parent.add_typer(app, name="approver")


@app.command()
def key(
    by_kms: Annotated[bool, typer.Option("--kms", help="Seal it under the KMS key of SEAWALL_KMS_KEYS.")] = False,
) -> None:
    """Make the key with which the register is encrypted."""
    from activities.people.register import KEY_VARIABLE, new_key

    console().print(f"{KEY_VARIABLE}={new_key(by_kms=by_kms)}", soft_wrap=True)
    console(to_stderr=True).print(
        "Keep it in a vault. The control workers want it in their environment, and so does whoever enrols people. It "
        "is shown this once."
    )


@app.command()
def enrol(
    name: NameArgument,
    replace: Annotated[bool, typer.Option("--replace", help="Put a new secret in the place of the old one.")] = False,
) -> None:
    """Show a QR code for an authenticator app, and keep its secret once a password of it has been typed."""
    from datetime import UTC, datetime

    import segno

    from activities.people import otp
    from workflows.model.base import NAME_PATTERN
    from workflows.model.failure import Code, PermanentError

    if not re.fullmatch(NAME_PATTERN, name):
        raise PermanentError(
            Code.INVALID_INPUT,
            f"{name!r} is no name of an approver.",
            "Lower-case letters, digits and dashes, as in a runbook.",
        )
    book, screen = _register(), console()
    if name in book.names() and not replace:
        raise PermanentError(
            Code.INVALID_INPUT, f"{name} is enrolled already.", "With --replace the old entry counts no more."
        )
    secret = otp.new_secret()
    segno.make(otp.link(name, secret), error="m").terminal(compact=True)
    screen.print(f"Scan it with the authenticator app of {name}, or type the secret: [bold]{_in_groups(secret)}[/bold]")
    digits = typer.prompt("The six digits that it shows now").replace(" ", "")
    if otp.period_of(digits, secret, datetime.now(UTC)) is None:
        raise PermanentError(
            Code.INVALID_INPUT, "These are not the digits.", "Nothing was kept. Compare the clocks, and try again."
        )
    book.enrol(name, secret)
    screen.print(f"{name} is enrolled.")


@app.command("list")
def list_() -> None:
    """Who is enrolled, and since when."""
    from rich.table import Table

    table = Table()
    for column in ("approver", "enrolled (UTC)"):
        table.add_column(column)
    for name, since in _register().names().items():
        table.add_row(name, f"{since:%Y-%m-%d %H:%M:%S}")
    console().print(table)


@app.command()
def remove(name: NameArgument) -> None:
    """Take somebody out of the register: their passwords count no more."""
    console().print(f"{name} is {'removed' if _register().remove(name) else 'not in the register'}.")


@app.command()
def seal() -> None:
    """Make two sealed codes; the pair before counts no more. Print each, and give them to two people in envelopes."""
    from activities.people import sealed

    pair = sealed.new_pair()
    _register().add_seal(map(sealed.digest, pair))
    screen = console()
    for number, code in enumerate(pair, 1):
        screen.print(f"Sealed code {number} of 2: [bold]{code}[/bold]")
    console(to_stderr=True).print(
        "They are shown this once. Each alone is worth nothing. Both together answer any gate, once, in one run; it is "
        "told to everybody, and stands in the report."
    )


def _register() -> "Register":
    from activities.people.register import Register
    from workers.settings import read_settings

    return Register(read_settings().people)


def _in_groups(secret: str) -> str:
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
