"""Encryption of what Temporal keeps: inputs, results, memos, details and failures leave this process encrypted.

AES-256-GCM (NIST SP 800-38D) under the first key of a ring; every key of the ring decrypts, so that keys are rotated by
putting a new one before the others. The id of the key and the metadata of the payload are bound to it as associated
data: what is inside cannot be taken for another kind of thing. Search attributes are never encrypted: Temporal looks at
them, and so nothing secret stands in one.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from activities import keys
from workflows.model.failure import Code, PermanentError

KEYS_VARIABLE = "SEAWALL_CODEC_KEYS"
ENCODING = b"binary/encrypted"
KEY_ID = "seawall-key"
_NONCE = 12
_FAR = 64 * 1024
"""Bytes from which on it is worth another thread."""


class Encryption(PayloadCodec):
    """Encrypts what goes out; what comes in is decrypted, or passed on when it never was encrypted: an input that was
    typed into the Web UI without a codec server, or history from before."""

    def __init__(self, ring: Mapping[str, bytes]) -> None:
        """The first key of the ring encrypts."""
        self._ciphers = {name: AESGCM(key) for name, key in ring.items()}
        self._first = next(iter(ring))

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt each."""
        return [await _aside(self._encrypt, one) for one in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt those that are encrypted.

        Raises:
            PermanentError: CONFIGURATION, when a key is not in the ring, or a payload was changed.
        """
        return [
            await _aside(self._decrypt, one) if one.metadata.get("encoding") == ENCODING else one for one in payloads
        ]

    def _encrypt(self, payload: Payload) -> Payload:
        nonce = os.urandom(_NONCE)
        sealed = self._ciphers[self._first].encrypt(nonce, payload.SerializeToString(), self._first.encode())
        return Payload(metadata={"encoding": ENCODING, KEY_ID: self._first.encode()}, data=nonce + sealed)

    def _decrypt(self, payload: Payload) -> Payload:
        name = payload.metadata.get(KEY_ID, b"").decode(errors="replace")
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise PermanentError(
                Code.CONFIGURATION,
                f"What Temporal keeps was encrypted with the key {name!r}, which this process does not have.",
                f"Add it to {KEYS_VARIABLE}, behind the one that encrypts now.",
            )
        try:
            plain = cipher.decrypt(payload.data[:_NONCE], payload.data[_NONCE:], name.encode())
        except InvalidTag:
            raise PermanentError(
                Code.CONFIGURATION,
                f"A payload does not open with the key {name!r}: another key has that name, or it was changed.",
                f"Compare {KEYS_VARIABLE} with that of whoever wrote it.",
            ) from None
        return Payload.FromString(plain)


async def _aside(work: Callable[[Payload], Payload], payload: Payload) -> Payload:
    return await asyncio.to_thread(work, payload) if payload.ByteSize() > _FAR else work(payload)


def new_key(name: str, *, by_kms: bool = False) -> str:
    """An entry for the ring; `by_kms`, sealed."""
    key = os.urandom(keys.BYTES)
    return f"{name}:{keys.sealed(key, _purpose(name)) if by_kms else keys.write(key)}"


def _purpose(name: str) -> str:
    return f"codec/{name}"


def ring(environment: Mapping[str, str] | None = None) -> dict[str, bytes]:
    """The keys of `SEAWALL_CODEC_KEYS`: `id:base64,id:kms:base64`, the one that encrypts first; or `@FILE` with the
    same, one in each line. Empty when nothing is to be encrypted.

    Raises:
        PermanentError: CONFIGURATION, naming the entry and never its value.
    """
    text = (os.environ if environment is None else environment).get(KEYS_VARIABLE, "").strip()
    if text.startswith("@"):
        text = _file(Path(text[1:]))
    found: dict[str, bytes] = {}
    for number, entry in enumerate(filter(None, (one.strip() for one in text.replace("\n", ",").split(","))), 1):
        name, colon, value = entry.partition(":")
        key = keys.read(value, _purpose(name))
        if not colon or not name.isidentifier() or key is None or name in found:
            raise PermanentError(
                Code.CONFIGURATION,
                f"Entry {number} of {KEYS_VARIABLE} is none: an id that is there once, a colon and 32 bytes in base64.",
                "`seawall codec key ID` makes one.",
            )
        found[name] = key
    return found


def _file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise PermanentError(
            Code.CONFIGURATION,
            f"{KEYS_VARIABLE} names the file {path}, which cannot be read.",
            "Mend its path or mode.",
        ) from None
