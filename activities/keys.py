"""Keys as they stand in an environment: 32 bytes in Base64."""

import base64
import binascii

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
