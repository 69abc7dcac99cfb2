"""An identity provider: real keys, tokens that it signs, and a server that publishes the keys and can be down."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ISSUER, AUDIENCE = "https://id.example.org", "seawall"
KEYS = {
    "rsa-1": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ec-1": ec.generate_private_key(ec.SECP256R1()),
    "ed-1": ed25519.Ed25519PrivateKey.generate(),
    "rsa-next": rsa.generate_private_key(public_exponent=65537, key_size=2048),
}
ALGORITHMS = {"rsa-1": "RS256", "ec-1": "ES256", "ed-1": "EdDSA", "rsa-next": "RS256"}


def jwk(kid: str) -> dict[str, Any]:
    """The public half, as a provider publishes it."""
    made = jwt.get_algorithm_by_name(ALGORITHMS[kid]).to_jwk(KEYS[kid].public_key())
    return {**json.loads(made), "kid": kid, "use": "sig", "alg": ALGORITHMS[kid]}


def token(
    kid: str = "rsa-1", *, without: tuple[str, ...] = (), header: dict[str, Any] | None = None, **claims: Any
) -> str:
    """An ID token of anna, with claims changed or left out."""
    now = int(time.time())
    content = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "anna-subject",
        "email": "anna@example.org",
        "email_verified": True,
        "iat": now,
        "nbf": now,
        "exp": now + 300,
    }
    content |= claims
    kept = {name: value for name, value in content.items() if name not in without}
    return jwt.encode(kept, KEYS[kid], ALGORITHMS[kid], {"kid": kid, **(header or {})})


def nameless() -> str:
    """Names no key."""
    content = jwt.decode(token(), options={"verify_signature": False})
    return jwt.encode(content, KEYS["rsa-1"], "RS256")


def unsigned(**claims: Any) -> str:
    """With `alg: none`."""
    content = jwt.decode(token(**claims), options={"verify_signature": False})
    return f"{_part({'alg': 'none', 'typ': 'JWT', 'kid': 'rsa-1'})}.{_part(content)}."


def confused() -> str:
    """Signed by HS256, with the provider's public key, which everybody has, as the secret."""
    import hashlib
    import hmac

    public = KEYS["rsa-1"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    content = jwt.decode(token(), options={"verify_signature": False})
    head = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'rsa-1'})}.{_part(content)}"
    return f"{head}.{_base64(hmac.digest(public, head.encode(), hashlib.sha256))}"


def _part(content: dict[str, Any]) -> str:
    return _base64(json.dumps(content).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass
class Provider:
    """Its server."""

    port: int = 0
    published: list[str] = field(default_factory=lambda: ["rsa-1", "ec-1", "ed-1"])
    status: int = 200
    asked: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/keys"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SEAWALL_OIDC_ISSUER": ISSUER,
            "SEAWALL_OIDC_AUDIENCE": AUDIENCE,
            "SEAWALL_OIDC_JWKS_URL": self.url,
        }


@contextmanager
def provider() -> Iterator[Provider]:
    """A provider that runs."""
    made = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked += 1
            self.send_response(made.status)
            self.end_headers()
            self.wfile.write(json.dumps({"keys": [jwk(kid) for kid in made.published]}).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
