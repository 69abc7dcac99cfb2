"""`seawall gateway`: the key by which a chat or webhook gateway vouches for people."""

import typer

from workers.cli.session import show_pair

app = typer.Typer(help="The gateways by which people come in from chat and webhooks.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the commands to the application."""
    parent.add_typer(app, name="gateway")


@app.command()
def key() -> None:
    """Make a pair of keys: the gateway vouches with one, and the policy names the other one."""
    from workers.door import KEY_VARIABLE
    from workflows.model.policy import POLICY_FILE

    show_pair(
        KEY_VARIABLE,
        "The first one belongs into the environment of that gateway and nowhere else; it is shown this once. The "
        f"public one stands in {POLICY_FILE}, under `gateways`.",
    )
