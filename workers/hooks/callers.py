"""By what it is known who asks: a signature, an ID token, or what alert tools can do instead."""

import asyncio
import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from starlette.types import Scope

from workers.hooks.oidc import BadToken, Oidc
from workers.hooks.problems import Refusal
from workers.hooks.signing import ID, Keyring, Stamp, Unsigned, read_stamp, signed_by
from workflows.model.policy import How

ALERTS = "/v1/propose/"
PAGERDUTY, ALERTMANAGER, OPSGENIE = (f"{ALERTS}{name}" for name in ("pagerduty", "alertmanager", "opsgenie"))
_PAGERDUTY_SIGNATURE = re.compile(r"v1=([0-9a-f]{64})")
_MOST_SIGNATURES = 8
_SINGLE = (
    "authorization",
    "content-type",
    "idempotency-key",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "x-pagerduty-signature",
)


@dataclass(frozen=True)
class Asked:
    """A request as it came in."""

    method: str
    path: str
    target: str
    """The path as it was sent, with its query: what is signed."""
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    where: str = ""

    @property
    def fingerprint(self) -> str:
        """Of what is asked for."""
        return hashlib.sha256(f"{self.method} {self.target}\n".encode() + self.body).hexdigest()


def asked(scope: Scope, body: bytes) -> Asked:
    """The request.

    Raises:
        Refusal: 400, for a header that stands twice where one must count.
    """
    headers: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name = raw.decode("latin-1").lower()
        if name in headers and name in _SINGLE:
            raise Refusal(400, "MALFORMED", f"The header {name} stands there twice.")
        headers[name] = value.decode("latin-1")
    raw_path = scope.get("raw_path") or quote(scope["path"]).encode()
    query = scope["query_string"]
    target = (raw_path + (b"?" + query if query else b"")).decode("latin-1")
    return Asked(scope["method"], scope["path"], target, headers, body, _address(scope))


def _address(scope: Scope) -> str:
    """Where it came from. A proxy tells it in a header, and what is no address there is nothing."""
    client = scope.get("client")
    try:
        return str(ipaddress.ip_address(client[0])) if client else ""
    except ValueError:
        return ""


@dataclass(frozen=True)
class Known:
    """Who asks, as far as this server has verified it, and under which key."""

    how: How
    identity: str
    key: str = ""
    """The same for each try of one request; empty where there is none."""
    stamp: Stamp | None = None


class Callers:
    """Tells who asks.

    Args:
        secrets: for HMAC; they never travel.
        tokens: that alert tools send as they stand, and that count for alerts only.
        oidc: for people; None where there is no identity provider.
    """

    def __init__(self, secrets: Keyring, tokens: Keyring, oidc: Oidc | None) -> None:
        self._secrets, self._tokens, self._oidc = secrets, tokens, oidc

    async def of(self, asked: Asked, now: float) -> Known:
        """Who asks.

        Raises:
            Refusal: 401 when that is not known, 400 for what cannot be read.
            PermanentError: UNREACHABLE, when the identity provider is wanted and does not answer.
        """
        try:
            if asked.path == PAGERDUTY:
                return self._pagerduty(asked)
            if asked.path.startswith(ALERTS):
                return self._token(asked)
            if "webhook-signature" in asked.headers:
                return self._signed(asked, now)
            return await self._person(asked)
        except (Unsigned, BadToken) as error:
            raise _unknown(str(error)) from None

    def _signed(self, asked: Asked, now: float) -> Known:
        wanted = ("webhook-id", "webhook-timestamp", "webhook-signature")
        stamp = read_stamp(*(asked.headers.get(name, "") for name in wanted))
        name = signed_by(self._secrets, stamp, now, asked.method, asked.target, asked.body)
        return Known("hmac", name, stamp.id, stamp)

    def _pagerduty(self, asked: Asked) -> Known:
        given = asked.headers.get("x-pagerduty-signature", "").split(",")
        found = [_PAGERDUTY_SIGNATURE.fullmatch(one.strip()) for one in given[:_MOST_SIGNATURES]]
        name = self._secrets.signer(asked.body, [bytes.fromhex(one[1]) for one in found if one])
        if name is None:
            raise Unsigned("`x-pagerduty-signature` is not that of this body by a secret that is known here.")
        return Known("hmac", name)

    def _token(self, asked: Asked) -> Known:
        name = self._tokens.bearer(_bearer(asked))
        if name is None:
            raise Unsigned("The token is not known here.")
        return Known("hmac", name)

    async def _person(self, asked: Asked) -> Known:
        token = _bearer(asked)
        if self._oidc is None:
            raise Unsigned("No identity provider is set here, so that no ID token counts.")
        identity = await asyncio.to_thread(self._oidc.identity, token)
        return Known("oidc", identity, _key(asked) if asked.method == "POST" else "")


def _bearer(asked: Asked) -> str:
    scheme, _, token = asked.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unsigned("A signature or a token is wanted: docs/webhook.md says how.")
    return token.strip()


def _key(asked: Asked) -> str:
    """The draft has it as a quoted string; most clients leave the quotes out."""
    given = asked.headers.get("idempotency-key")
    if given is None:
        raise Refusal(
            400,
            "KEY_WANTED",
            "The header Idempotency-Key is wanted: this request is not to be done twice.",
            "Send a new random one, such as a UUID, and the same again when you try this request again.",
        )
    key = given[1:-1] if len(given) > 1 and given[0] == given[-1] == '"' else given
    if not ID.fullmatch(key):
        raise Refusal(400, "KEY_MALFORMED", "Idempotency-Key is 8 to 128 letters, digits, dashes and underscores.")
    return key


def _unknown(why: str) -> Refusal:
    return Refusal(401, "UNAUTHENTICATED", why, headers={"www-authenticate": "Bearer"})
