"""`seawall webhook`: the API by which machines propose and people act over HTTP."""

import os
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

app = typer.Typer(
    help="The signed webhook API: for alert managers, other chat tools, and gateways.", no_args_is_help=True
)


def register(parent: typer.Typer) -> None:
    """Add the commands to the application."""
    parent.add_typer(app, name="webhook")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8090,
    certificate: Annotated[Path | None, typer.Option(help="PEM file, where no proxy before this one has TLS.")] = None,
    private_key: Annotated[Path | None, typer.Option(help="PEM file that belongs to it.")] = None,
) -> None:
    """Serve the API. Secrets stand in SEAWALL_WEBHOOK_SECRETS; docs/webhook.md has all settings."""
    import asyncio
    import logging

    from workers.cli.session import console

    parts = _parts()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    if host not in ("127.0.0.1", "::1", "localhost") and certificate is None:
        console(to_stderr=True).print(
            f"Listening on {host} without TLS: whoever is on the way reads tokens. Put a proxy with TLS before it, or "
            "give --certificate and --private-key.",
            soft_wrap=True,
        )
    asyncio.run(parts.serve(host, port, certificate, private_key))


@app.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    import json

    _parts()
    from workers.hooks.app import bare_app

    typer.echo(json.dumps(bare_app().openapi(), indent=2, ensure_ascii=False))


@app.command()
def sign(
    target: Annotated[str, typer.Argument(help="Path, with its query: /v1/applications/shop/proposals")],
    body: Annotated[str, typer.Argument(help="The body, byte by byte as it is sent; @FILE reads it from there.")] = "",
    method: Annotated[str, typer.Option(help="The method.")] = "POST",
    id: Annotated[str | None, typer.Option("--id", help="The same for each try of one request.")] = None,
    variable: Annotated[str, typer.Option("--secret-in", help="Where the secret is.")] = "SEAWALL_WEBHOOK_SECRET",
) -> None:
    """Sign a request, and print its headers as options of curl: `curl -d BODY $(seawall webhook sign ...) URL`."""
    import time
    import uuid

    from workers.hooks.settings import secret_bytes
    from workers.hooks.signing import sign as signed
    from workflows.model.failure import Code, PermanentError

    secret = os.environ.get(variable, "")
    if not secret:
        raise PermanentError(Code.CONFIGURATION, f"{variable} is empty: it holds the secret to sign with.")
    content = Path(body[1:]).read_bytes() if body.startswith("@") else body.encode()
    key, now = id or str(uuid.uuid4()), int(time.time())
    made = signed(secret_bytes(variable, "it", secret), key, now, method.upper(), target, content)
    lines = {
        "webhook-id": key,
        "webhook-timestamp": now,
        "webhook-signature": made,
        "content-type": "application/json",
    }
    # No spaces: it is taken apart by a shell.
    typer.echo(" ".join(f"-H {name}:{value}" for name, value in lines.items()))


def _parts() -> ModuleType:
    """What the server is made of.

    Raises:
        PermanentError: CONFIGURATION, when its packages are not installed.
    """
    from activities.optional import load

    return load("workers.hooks.server", "The webhook API", "webhook")
