"""Keys as they stand in an environment: 32 bytes in Base64, or sealed by a KMS (`kms:` and what it made, in Base64)."""

import base64
import binascii
import functools
import os
from collections.abc import Mapping
from types import ModuleType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from workflows.model.failure import Code, PermanentError

from .optional import load

BYTES = 32
SEALED = "kms:"
KMS_VARIABLE = "SEAWALL_KMS_KEYS"
"""ARNs of one key of AWS KMS in each of its regions, separated by commas: they are tried in that order."""


def read(text: str, purpose: str = "") -> bytes | None:
    """The key; None for what is none. `purpose` is that for which it was sealed, where it was.

    Raises:
        PermanentError: CONFIGURATION, when no KMS opens it.
    """
    sealed = text.startswith(SEALED) and bool(purpose)
    try:
        found = base64.b64decode(text.removeprefix(SEALED) if sealed else text, validate=True)
    except binascii.Error:
        return None
    key = _opened(found, purpose) if sealed else found
    return key if len(key) == BYTES else None


def sealed(key: bytes, purpose: str) -> str:
    """The key as `read` takes it, sealed under the first of the KMS's keys.

    Raises:
        PermanentError: CONFIGURATION.
    """
    made: bytes = _kms().seal(key, purpose, _arns()[0])
    return f"{SEALED}{base64.b64encode(made).decode()}"


@functools.lru_cache(maxsize=64)
def _opened(sealed_key: bytes, purpose: str) -> bytes:
    """Asked once: the region of the KMS may be gone when the key is wanted again."""
    found: bytes = _kms().opened(sealed_key, purpose, _arns())
    return found


def _arns() -> tuple[str, ...]:
    found = tuple(one.strip() for one in os.environ.get(KMS_VARIABLE, "").split(",") if one.strip())
    if not found:
        raise PermanentError(
            Code.CONFIGURATION,
            f"A key is sealed by a KMS, and {KMS_VARIABLE} does not say by which.",
            "Set it to the ARNs of that key, one for each of its regions, separated by commas.",
        )
    return found


def _kms() -> ModuleType:
    """The AWS SDK, which is loaded where a key is sealed and nowhere else."""
    return load("activities.providers.aws.kms", "A key that is sealed by a KMS", "aws")


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
