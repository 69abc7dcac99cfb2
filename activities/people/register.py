"""The register of approvers: a file whose secrets are encrypted with a key from the environment.

Invariant: a secret is bound to the person and to the kind of proof that it is of. An entry that was moved to another
name, or changed in one bit, is refused (AES-256-GCM, NIST SP 800-38D, with both as associated data).
"""

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import Field, ValidationError

from activities import keys
from activities.durable import sync
from workflows.model.base import Strict
from workflows.model.failure import Code, PermanentError

KEY_VARIABLE = "SEAWALL_PEOPLE_KEY"
_NONCE = 12


class Entry(Strict):
    """One person."""

    otp: str
    """The secret of the authenticator app: encrypted, base64."""
    enrolled: datetime


class Seal(Strict):
    """A pair of codes that lie offline. What is kept of them is a digest each: they are too long to be guessed."""

    digests: tuple[str, str]
    made: datetime


class Book(Strict):
    """The file."""

    version: int = 1
    people: dict[str, Entry] = Field(default_factory=dict)
    seals: tuple[Seal, ...] = ()


@dataclass
class Draft:
    """What is to be written."""

    people: dict[str, Entry]
    seals: tuple[Seal, ...]


_PURPOSE = "people"


def new_key(*, by_kms: bool = False) -> str:
    """A key for the environment; `by_kms`, sealed."""
    key = secrets.token_bytes(keys.BYTES)
    return keys.sealed(key, _PURPOSE) if by_kms else keys.write(key)


class Register:
    """Reads and writes the file. Where there is none, nobody is enrolled."""

    def __init__(self, path: Path, environment: Mapping[str, str] | None = None) -> None:
        self._path = path
        self._environment = os.environ if environment is None else environment

    def names(self) -> dict[str, datetime]:
        """Who is enrolled, and since when."""
        return {name: entry.enrolled for name, entry in sorted(self._read().people.items())}

    def otp_secret(self, name: str) -> str | None:
        """The secret of a person's authenticator app, in base32; None for somebody who is not enrolled.

        Raises:
            PermanentError: CONFIGURATION, when the key is missing, or is not that of the file.
        """
        entry = self._read().people.get(name)
        return None if entry is None else self._open(entry.otp, name)

    def seals(self) -> tuple[Seal, ...]:
        """The pairs of sealed codes that stand."""
        return self._read().seals

    def enrol(self, name: str, secret: str) -> None:
        """Put a person in, or in the place of the entry that they had."""
        with self._changed() as draft:
            draft.people[name] = Entry(otp=self._seal(secret, name), enrolled=datetime.now(UTC))

    def remove(self, name: str) -> bool:
        """Take a person out; whether there was one."""
        with self._changed() as draft:
            return draft.people.pop(name, None) is not None

    def add_seal(self, digests: Iterable[str]) -> None:
        """A new pair of sealed codes; the one before it counts no more."""
        first, second = digests
        with self._changed() as draft:
            draft.seals = (Seal(digests=(first, second), made=datetime.now(UTC)),)

    # --- The file ---

    def _read(self) -> Book:
        try:
            return Book.model_validate_json(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Book()
        except (OSError, ValidationError, UnicodeDecodeError):
            raise PermanentError(
                Code.CONFIGURATION,
                f"The register of approvers {self._path} cannot be read.",
                "Put its last backup back. Until then an SSH signature is what can be checked.",
            ) from None

    @contextmanager
    def _changed(self) -> Iterator["Draft"]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_name(f"{self._path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            book = self._read()
            draft = Draft(dict(book.people), book.seals)
            yield draft
            changed = Book(people=draft.people, seals=draft.seals)
            self._write(json.dumps(changed.model_dump(mode="json"), indent=1) + "\n")

    def _write(self, text: str) -> None:
        beside = self._path.with_name(f"{self._path.name}.new")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        sync(self._path.parent)

    # --- Encryption ---

    def _cipher(self) -> AESGCM:
        key = keys.read(self._environment.get(KEY_VARIABLE, ""), _PURPOSE)
        if key is None:
            raise PermanentError(
                Code.CONFIGURATION,
                f"{KEY_VARIABLE} is not set, or is no key: 32 bytes in base64 are wanted.",
                "`seawall approver key` makes one. Give it to the control workers and to whoever enrols people.",
            )
        return AESGCM(key)

    def _seal(self, secret: str, name: str) -> str:
        nonce = secrets.token_bytes(_NONCE)
        return base64.b64encode(nonce + self._cipher().encrypt(nonce, secret.encode(), _bound_to(name))).decode()

    def _open(self, text: str, name: str) -> str:
        cipher, kept = self._cipher(), base64.b64decode(text)
        try:
            return cipher.decrypt(kept[:_NONCE], kept[_NONCE:], _bound_to(name)).decode()
        except InvalidTag:
            raise PermanentError(
                Code.CONFIGURATION,
                f"The entry of {name} in {self._path} does not open with {KEY_VARIABLE}.",
                "Set the key with which it was written, or enrol again.",
            ) from None


def _bound_to(name: str) -> bytes:
    return f"seawall/otp/{name}".encode()
