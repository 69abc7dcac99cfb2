"""`seawall codec`: keys for the encryption of what Temporal keeps, and the server that decrypts for its Web UI."""

import os
from types import ModuleType
from typing import Annotated

import typer

from workers.cli.session import console

app = typer.Typer(help="Encrypt what Temporal keeps, and decrypt it for the Web UI.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the commands to the application."""
    parent.add_typer(app, name="codec")


@app.command()
def key(
    name: Annotated[str, typer.Argument(help="The id of the key, such as k2026.")],
    by_kms: Annotated[bool, typer.Option("--kms", help="Seal it under the KMS key of SEAWALL_KMS_KEYS.")] = False,
) -> None:
    """Make a key for SEAWALL_CODEC_KEYS. Put it before the others to encrypt with it from now on."""
    from workers.codec import new_key

    typer.echo(new_key(name, by_kms=by_kms))


@app.command()
def token() -> None:
    """Make a token for the codec server, and the digest of it that SEAWALL_CODEC_TOKENS wants."""
    import secrets

    made = secrets.token_urlsafe(32)
    console().print(f"token:  {made}\ndigest: {_parts().digest(made)}", soft_wrap=True)


@app.command()
def server(
    origin: Annotated[list[str], typer.Option("--origin", help="Where the Web UI is served; may be given again.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8088,
) -> None:
    """Decrypt for the Temporal Web UI. Digests of the tokens stand in SEAWALL_CODEC_TOKENS, separated by commas."""
    from workers.codec import KEYS_VARIABLE, ring
    from workflows.model.failure import Code, PermanentError

    parts, keys = _parts(), ring()
    digests = [one.strip() for one in os.environ.get("SEAWALL_CODEC_TOKENS", "").split(",") if one.strip()]
    if not keys or not digests:
        raise PermanentError(
            Code.CONFIGURATION,
            f"{KEYS_VARIABLE} and SEAWALL_CODEC_TOKENS are wanted: without keys there is nothing to decrypt, and "
            "without tokens everybody could.",
            "`seawall codec key ID` and `seawall codec token` make them.",
        )
    import uvicorn

    uvicorn.run(parts.make_app(keys, digests, origin), host=host, port=port, log_level="warning", access_log=False)


def _parts() -> ModuleType:
    """What the server is made of.

    Raises:
        PermanentError: CONFIGURATION, when its packages are not installed.
    """
    from activities.optional import load

    return load("workers.codec_server", "The codec server", "codec")
