"""Vouchers: a gateway's signed word that it has verified who says something, and what they say.

A JSON Web Token (RFC 7519, EdDSA by RFC 8037) that is good for one statement, by one gateway whose key stands in the
policy, for a few minutes. Slack's own signature, or an ID token, cannot be handed on instead: both hold secrets, and
what is handed to a run stands in its history.
"""

import hashlib
import time
import uuid
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from activities import keys
from workflows.model.policy import How, Policy

GOOD_FOR = 300
"""Seconds: what Slack allows for the age of a request, and more than a hand-over takes."""
LEEWAY = 30
"""Seconds by which two clocks may differ."""

_WORDS: dict[str, str] = {"slack": "Slack", "oidc": "OpenID Connect", "hmac": "a shared secret"}
_CLAIMS = ["iss", "sub", "iat", "exp", "jti", "amr", "stm"]


def voucher(gateway: str, key: Ed25519PrivateKey, subject: str, how: How, statement: str, where: str = "") -> str:
    """The gateway's word that `subject` says `statement`; `where` is told in the report."""
    now = int(time.time())
    claims = {
        "iss": gateway,
        "sub": subject,
        "amr": [how],
        "stm": _digest(statement),
        "iat": now,
        "exp": now + GOOD_FOR,
        "jti": uuid.uuid4().hex,
        "where": where[:80],
    }
    return jwt.encode(claims, key, algorithm="EdDSA")


def read(token: str, subject: str, statement: str, policy: Policy | None) -> tuple[str, str, str]:
    """What marks it as used, by what it proves in words, and why it proves nothing; the last two exclude each other."""
    if policy is None or not policy.gateways:
        return "", "", "There is no gateway in the policy, so no voucher counts. Prove it otherwise."
    claims = _claims(token, policy)
    if claims is None:
        return "", "", "This voucher is by no gateway of the policy, or too old. Ask again where you asked."
    hows = claims["amr"] if isinstance(claims["amr"], list) else []
    how = next((one for one in hows if one in policy.gateways[claims["iss"]].vouches), None)
    if how is None:
        return "", "", f"The gateway {claims['iss']} is not believed for this by the policy. Prove it otherwise."
    if (claims["sub"], claims["stm"]) != (subject, _digest(statement)):
        return "", "", "This voucher is for another answer. Ask again where you asked."
    where = str(claims.get("where", ""))[:80]
    words = f"{_WORDS[how]}, vouched for by {claims['iss']}{f' ({where})' if where else ''}"
    return hashlib.sha256(f"{claims['iss']} {claims['jti']}".encode()).hexdigest()[:32], words, ""


def _claims(token: str, policy: Policy) -> dict[str, Any] | None:
    try:
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
        gateway = policy.gateways.get(issuer) if isinstance(issuer, str) else None
        public = keys.read(gateway.key) if gateway else None
        if public is None:
            return None
        claims: dict[str, Any] = jwt.decode(
            token,
            Ed25519PublicKey.from_public_bytes(public),
            algorithms=["EdDSA"],
            options={"require": _CLAIMS},
            leeway=LEEWAY,
        )
    except (jwt.PyJWTError, ValueError):
        return None
    # A gateway cannot make one that counts for longer than it is remembered as used.
    return claims if claims["exp"] - claims["iat"] <= GOOD_FOR else None


def _digest(statement: str) -> str:
    return hashlib.sha256(statement.encode()).hexdigest()
