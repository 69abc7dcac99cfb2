"""The chain of evidence beside the reports of an application: `evidence.jsonl`, a line for each that was written.

A line names the report's files with their digests, and the digest of the line before it; it is signed (Ed25519,
RFC 8032) where the worker has a key. So a byte that was changed, and a line or a file that was taken out, are found by
whoever has the public key. What no chain tells by itself is that its newest lines are missing: for that the runs that
Temporal remembers are held against it.
"""

import base64
import binascii
import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import ValidationError

from workflows.model.base import Message

from .durable import sync

NAME = "evidence.jsonl"
KEY_VARIABLE = "SEAWALL_EVIDENCE_KEY"
FIRST = "0" * 64
"""What stands in the place of the line before the first."""


class Link(Message):
    """One line."""

    number: int
    at: datetime
    workflow_id: str
    run_id: str
    files: dict[str, str]
    """SHA-256 of each file of the report, by its name."""
    previous: str
    """SHA-256 of the line before it, signature and all."""
    signature: str = ""
    """Base64; empty where there was no key."""

    def signed_part(self) -> bytes:
        """What the signature is over."""
        told = self.model_dump(mode="json", exclude={"signature"})
        return json.dumps(told, sort_keys=True, separators=(",", ":")).encode()


class Flaw(Message):
    """One thing that is not as it was written."""

    where: str
    """A file, or a line of the chain."""
    sentence: str


def add(folder: Path, workflow_id: str, run_id: str, files: Mapping[str, Path], key: Ed25519PrivateKey | None) -> None:
    """Note what was written. Noted again with the same content it is there already. OSError when it cannot be.

    Args:
        folder: of the application's reports.
        workflow_id: of the run.
        run_id: of the run.
        files: of its report: where each is now, by the name that it has, or is about to have, in the folder.
        key: signs the line.
    """
    digests = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in sorted(files.items())}
    with _alone(folder):
        lines = _lines(folder)
        if any((link.run_id, link.files) == (run_id, digests) for link in _latest(map(_parsed, lines))):
            return
        link = Link(
            number=len(lines) + 1,
            at=datetime.now(UTC),
            workflow_id=workflow_id,
            run_id=run_id,
            files=digests,
            previous=_digest(lines[-1]) if lines else FIRST,
        )
        if key is not None:
            link = link.model_copy(update={"signature": base64.b64encode(key.sign(link.signed_part())).decode()})
        with (folder / NAME).open("ab") as file:
            file.write(link.model_dump_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        sync(folder)


def verify(folder: Path, key: Ed25519PublicKey | None) -> tuple[Flaw, ...]:
    """Everything that is not as it was written; empty when all is.

    Args:
        folder: of the application's reports.
        key: with which the lines must be signed; without one nobody is told from anybody.
    """
    lines = _lines(folder)
    links = [_parsed(line) for line in lines]
    return (*_in_the_chain(lines, links, key), *_in_the_files(folder, links))


def runs(folder: Path) -> set[str]:
    """The executions that have a report in the chain."""
    return {link.run_id for link in map(_parsed, _lines(folder)) if link is not None}


def _in_the_chain(lines: list[bytes], links: list[Link | None], key: Ed25519PublicKey | None) -> Iterator[Flaw]:
    previous = FIRST
    for number, (line, link) in enumerate(zip(lines, links, strict=True), 1):
        where = f"line {number} of {NAME}"
        if link is None:
            yield Flaw(where=where, sentence="It cannot be read.")
        elif link.number != number or link.previous != previous:
            yield Flaw(
                where=where, sentence="It does not follow the line before it: one was changed, added or removed."
            )
        elif key is not None and not _is_signed(link, key):
            yield Flaw(where=where, sentence="Its signature is not that of the key.")
        previous = _digest(line)


def _in_the_files(folder: Path, links: Iterable[Link | None]) -> Iterator[Flaw]:
    expected: dict[str, str] = {}
    for link in _latest(links):
        expected |= link.files
    there = {path.name for path in folder.iterdir() if path.is_file() and _is_evidence(path.name)}
    for name in sorted(expected.keys() | there):
        if name not in there:
            yield Flaw(where=name, sentence="It is gone.")
        elif name not in expected:
            yield Flaw(where=name, sentence="No line of the chain names it.")
        elif hashlib.sha256((folder / name).read_bytes()).hexdigest() != expected[name]:
            yield Flaw(where=name, sentence="It is not what was written.")


def _is_evidence(name: str) -> bool:
    """Not the chain itself, nor a page for break-glass, which is written anew as its run goes on."""
    return name != NAME and not name.startswith(".") and ".by-hand." not in name


def _latest(links: Iterable[Link | None]) -> list[Link]:
    """The newest line of each execution: its report may have been written when it was parked, and again at its end."""
    return list({link.run_id: link for link in links if link is not None}.values())


def _is_signed(link: Link, key: Ed25519PublicKey) -> bool:
    try:
        key.verify(base64.b64decode(link.signature, validate=True), link.signed_part())
    except (InvalidSignature, binascii.Error):
        return False
    return True


def _lines(folder: Path) -> list[bytes]:
    try:
        return (folder / NAME).read_bytes().splitlines()
    except FileNotFoundError:
        return []


def _parsed(line: bytes) -> Link | None:
    try:
        return Link.model_validate_json(line)
    except ValidationError:
        return None


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One writer at a time, of all control workers that share the folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
