"""`seawall gateway`: the key by which a chat or webhook gateway vouches for people."""

import typer

from workers.cli.session import console

app = typer.Typer(help="The gateways by which people come in from chat and webhooks.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the commands to the application."""
    parent.add_typer(app, name="gateway")


@app.command()
def key() -> None:
    """Make a pair of keys: the gateway vouches with one, and the policy names the other one."""
    from activities.keys import new_pair
    from workers.door import KEY_VARIABLE
    from workflows.model.policy import POLICY_FILE

    private, public = new_pair()
    console().print(f"{KEY_VARIABLE}={private}", soft_wrap=True)
    console().print(f"public: {public}", soft_wrap=True)
    console(to_stderr=True).print(
        "The first one belongs into the environment of that gateway and nowhere else; it is shown this once. The "
        f"public one stands in {POLICY_FILE}, under `gateways`."
    )
