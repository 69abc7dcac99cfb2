"""Signatures of requests, in the manner of Standard Webhooks 1.0.

What is signed is `id.timestamp.payload`, by HMAC-SHA256. That specification's payload is the body alone, since there
the *receiver* chooses the address. Here the address says what is asked for: who held up a signed `{"reason": "..."}`
could send it to another application, or to another verb. So the payload is the request line and the body:

    POST /v1/applications/shop/proposals\\n{"reason": "..."}

Neither an id nor a time can hold a full stop, so that no two requests have the same signed bytes; and a body alone,
which is what PagerDuty signs, begins as no id does.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

TOLERANCE = 300
"""Seconds by which the clocks of sender and receiver may differ, in both directions."""
ID = re.compile(r"[A-Za-z0-9_-]{8,128}")
_TIME = re.compile(r"[0-9]{1,12}")
_MOST_SIGNATURES = 8


class Unsigned(Exception):
    """Why a request counts as nobody's: a sentence that tells nothing of any secret."""


@dataclass(frozen=True)
class Stamp:
    """What a signed request says of itself, before it is believed."""

    id: str
    at: int
    signatures: tuple[str, ...]


class Keyring:
    """Secrets by the name of who holds them; several for one name while they are rotated. It never shows them."""

    def __init__(self, secrets: Mapping[str, Sequence[bytes]]) -> None:
        self._secrets = {name: tuple(held) for name, held in secrets.items()}

    def __repr__(self) -> str:
        return f"Keyring({', '.join(sorted(self._secrets))})"

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def each(self) -> Iterator[tuple[str, bytes]]:
        """Every secret, with the name of its holder."""
        for name, held in self._secrets.items():
            for secret in held:
                yield name, secret

    def bearer(self, token: str) -> str | None:
        """Whose secret this is, where it is sent as it stands."""
        return self._match(lambda secret: hmac.compare_digest(secret, token.encode("utf-8", "replace")))

    def signer(self, content: bytes, signatures: Sequence[bytes]) -> str | None:
        """Who signed it, if one of the signatures is that of one of the secrets."""

        def made(secret: bytes) -> bool:
            right = digest(secret, content)
            return any([hmac.compare_digest(right, given) for given in signatures])  # noqa: C419 (each is compared)

        return self._match(made)

    def _match(self, fits: Callable[[bytes], bool]) -> str | None:
        # Every secret is tried, whichever fits: how long it takes tells nothing of which.
        found = [name for name, secret in self.each() if fits(secret)]
        return found[0] if found else None


def digest(secret: bytes, content: bytes) -> bytes:
    """HMAC-SHA256."""
    return hmac.digest(secret, content, hashlib.sha256)


def signed_content(id: str, at: int, method: str, target: str, body: bytes) -> bytes:
    """The bytes to which the signature is put. `target` is the path as it is sent, with its query."""
    return f"{id}.{at}.{method} {target}\n".encode() + body


def sign(secret: bytes, id: str, at: int, method: str, target: str, body: bytes) -> str:
    """The value of `webhook-signature`."""
    return "v1," + base64.b64encode(digest(secret, signed_content(id, at, method, target, body))).decode()


def read_stamp(id: str, at: str, signature: str) -> Stamp:
    """The three headers.

    Raises:
        Unsigned: when one of them has another form.
    """
    if not ID.fullmatch(id):
        raise Unsigned("`webhook-id` is 8 to 128 letters, digits, dashes and underscores.")
    if not _TIME.fullmatch(at):
        raise Unsigned("`webhook-timestamp` is a whole number of seconds since 1970.")
    given = signature.split(" ")
    if len(given) > _MOST_SIGNATURES or not all(one.startswith(("v1,", "v1a,")) for one in given):
        raise Unsigned("`webhook-signature` is `v1,` and the signature in Base64; several are separated by spaces.")
    return Stamp(id, int(at), tuple(one.removeprefix("v1,") for one in given if one.startswith("v1,")))


def signed_by(ring: Keyring, stamp: Stamp, now: float, method: str, target: str, body: bytes) -> str:
    """Who signed the request.

    Raises:
        Unsigned: when nobody did, or too long ago, or too far ahead. A wrong time and a wrong signature are told apart
            only for who signed it: to others the time is not confirmed.
    """
    name = ring.signer(
        signed_content(stamp.id, stamp.at, method, target, body), [_raw(one) for one in stamp.signatures]
    )
    if name is None:
        raise Unsigned(
            "The signature is not of this request: it covers id, time, method, path with query, and body, byte by byte."
        )
    if abs(now - stamp.at) > TOLERANCE:
        raise Unsigned(
            f"`webhook-timestamp` is more than {TOLERANCE} s from this server's clock: sign with the time of sending."
        )
    return name


def _raw(text: str) -> bytes:
    try:
        made = base64.b64decode(text, validate=True)
    except ValueError:
        return b""
    # The last character has bits that stand for nothing: one signature has one form here.
    return made if base64.b64encode(made).decode() == text else b""
