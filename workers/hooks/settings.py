"""Settings of the webhook server, from the environment. What is secret is read once, and shown nowhere."""

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from workers.hooks.signing import Keyring
from workflows.model.base import Name
from workflows.model.failure import Code, PermanentError

SECRETS = "SEAWALL_WEBHOOK_SECRETS"
TOKENS = "SEAWALL_WEBHOOK_TOKENS"
GATEWAY = "SEAWALL_WEBHOOK_GATEWAY"
OIDC = ("SEAWALL_OIDC_ISSUER", "SEAWALL_OIDC_AUDIENCE", "SEAWALL_OIDC_JWKS_URL")
SHORTEST = 32
_PREFIX = "whsec_"
_NAME = TypeAdapter(Name)


@dataclass(frozen=True)
class HookSettings:
    """What this server is."""

    secrets: Keyring
    tokens: Keyring
    gateway: str
    """Its name in the policy."""
    store: Path
    oidc: tuple[str, str, str] | None = field(default=None)
    """Issuer, audience, and where the issuer's keys are."""


def read_hook_settings(state: Path, environment: Mapping[str, str] = os.environ) -> HookSettings:
    """The settings.

    Raises:
        PermanentError: CONFIGURATION, with the variable and what is wrong, and never with what stands in it.
    """
    secrets, tokens = (_entries(name, environment.get(name, "")) for name in (SECRETS, TOKENS))
    held = [(name, secret) for part in (secrets, tokens) for name, several in part.items() for secret in several]
    if len({secret for _, secret in held}) < len(held):
        raise _wrong(f"{SECRETS} and {TOKENS}", "hold the same secret twice: each is one caller's, for one use")
    oidc = tuple(environment.get(name, "") for name in OIDC)
    if any(oidc) and not all(oidc):
        raise _wrong(", ".join(OIDC), "belong together: one of them is missing")
    if not held and not any(oidc):
        raise _wrong(f"{SECRETS}, {TOKENS} and {OIDC[0]}", "are all empty, so that nobody could ask anything")
    return HookSettings(
        Keyring(secrets),
        Keyring(tokens),
        environment.get(GATEWAY, "webhook"),
        state / "webhook.sqlite",
        (oidc[0], oidc[1], oidc[2]) if any(oidc) else None,
    )


def _entries(variable: str, text: str) -> dict[str, tuple[bytes, ...]]:
    """`{"pagerduty": "SECRET", "ci": ["NEW", "OLD"]}`, or the name of a file that holds that."""
    if not text.strip():
        return {}
    if not text.lstrip().startswith("{"):
        try:
            text = Path(text.strip().removeprefix("@")).read_text(encoding="utf-8")
        except (OSError, ValueError):
            raise _wrong(variable, "is neither a JSON object nor a file that can be read") from None
    try:
        found: Any = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _wrong(variable, "is no JSON object of names and secrets")
    return {_named(variable, name): _several(variable, name, value) for name, value in found.items()}


def _named(variable: str, name: str) -> str:
    try:
        return _NAME.validate_python(name)
    except ValidationError:
        raise _wrong(variable, "has a name that is not lower-case letters, digits and dashes") from None


def _several(variable: str, name: str, value: Any) -> tuple[bytes, ...]:
    several = value if isinstance(value, list) else [value]
    if not several or not all(isinstance(one, str) and len(one) >= SHORTEST for one in several):
        raise _wrong(variable, f"has a secret of {name} with fewer than {SHORTEST} characters; `openssl rand -hex 32`")
    return tuple(secret_bytes(variable, name, one) for one in several)


def secret_bytes(variable: str, name: str, text: str) -> bytes:
    """A secret as Standard Webhooks writes them, or the characters as they stand.

    Raises:
        PermanentError: CONFIGURATION.
    """
    if not text.startswith(_PREFIX):
        return text.encode()
    try:
        made = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except ValueError:
        made = b""
    if len(made) < 24:
        raise _wrong(variable, f"has a secret of {name} that is no Base64 of 24 bytes or more after {_PREFIX}")
    return made


def _wrong(variable: str, what: str) -> PermanentError:
    return PermanentError(Code.CONFIGURATION, f"{variable} {what}.", "docs/webhook.md says what stands there.")
