"""Keys as they stand in an environment: 32 bytes in Base64."""

import base64
import binascii
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from workflows.model.failure import Code, PermanentError

BYTES = 32


def read(text: str) -> bytes | None:
    """The key; None for what is none."""
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return key if len(key) == BYTES else None


def write(key: bytes) -> str:
    """As `read` takes it."""
    return base64.b64encode(key).decode()


def new_pair() -> tuple[str, str]:
    """A private key for signing (Ed25519), and the public one for whoever verifies."""
    key = Ed25519PrivateKey.generate()
    return write(key.private_bytes_raw()), write(key.public_key().public_bytes_raw())


def signing_key(environment: Mapping[str, str], variable: str) -> Ed25519PrivateKey | None:
    """The private key in that variable; None where it is not set.

    Raises:
        PermanentError: CONFIGURATION, for what is no key.
    """
    text = environment.get(variable, "")
    return Ed25519PrivateKey.from_private_bytes(_decoded(text, variable)) if text else None


def public_key(text: str) -> Ed25519PublicKey:
    """The key of whoever verifies.

    Raises:
        PermanentError: CONFIGURATION, for what is no key.
    """
    return Ed25519PublicKey.from_public_bytes(_decoded(text.strip(), "The public key"))


def _decoded(text: str, what: str) -> bytes:
    key = read(text)
    if key is None:
        raise PermanentError(
            Code.CONFIGURATION,
            f"{what} is no key: 32 bytes in Base64 are wanted.",
            "`seawall evidence key` and `seawall gateway key` make a pair.",
        )
    return key
