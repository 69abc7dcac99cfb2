"""What a tree holds: every entry with its kind, mode, size, time and content.

The position of a tree is a digest of all of that but the contents: two trees of the same position look the same to
everybody who does not read them. It is cheap, so it can be taken while users wait; the contents are compared by rsync.
"""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from .disk import write

CHUNK = 1 << 20
_KINDS = {stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFIFO: "p", stat.S_IFSOCK: "s"}


class Entry(NamedTuple):
    """One entry of a tree. `content` is the SHA-256 of a file or the target of a link."""

    kind: str
    mode: int
    size: int
    mtime_ns: int
    content: str
    inode: int

    def looks_like(self, other: "Entry | None") -> bool:
        """Whether both are the same to everybody who does not read them."""
        return other is not None and _look(self) == _look(other)


Manifest = Mapping[str, Entry]
"""By path below the tree; bytes that are no UTF-8 as Python's surrogates."""


def _look(entry: Entry) -> tuple[object, ...]:
    link = entry.content if entry.kind == "l" else ""
    return (entry.kind, entry.mode, entry.size, entry.mtime_ns if entry.kind in "fd" else 0, link)


def _walk(top: str, below: str = "") -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(os.path.join(top, below) if below else top) as found:
        children = sorted(found, key=lambda child: os.fsencode(child.name))
    for child in children:
        path = f"{below}/{child.name}" if below else child.name
        seen = child.stat(follow_symlinks=False)
        if stat.S_IFMT(seen.st_mode) in _KINDS:
            yield path, seen
        if child.is_dir(follow_symlinks=False):
            yield from _walk(top, path)


def take(
    tree: Path, known: Manifest | None = None, *, contents: bool = True, beat: Callable[[str], None] = lambda _: None
) -> dict[str, Entry]:
    """Every entry. The content of a file that is the very one in `known` is not read again. `beat` may raise."""
    found: dict[str, Entry] = {}
    for path, seen in _walk(str(tree)):
        beat(f"{len(found)} entries read")
        kind = _KINDS[stat.S_IFMT(seen.st_mode)]
        size = seen.st_size if kind == "f" else 0
        entry = Entry(kind, stat.S_IMODE(seen.st_mode), size, seen.st_mtime_ns, "", seen.st_ino)
        found[path] = entry._replace(content=_content(tree, path, entry, known, contents, beat))
    return found


def _content(
    tree: Path, path: str, entry: Entry, known: Manifest | None, contents: bool, beat: Callable[[str], None]
) -> str:
    if entry.kind == "l":
        return os.readlink(tree / path)
    if entry.kind != "f" or not contents:
        return ""
    before = known.get(path) if known else None
    if before and before.inode == entry.inode and before.looks_like(entry):
        return before.content
    digest = hashlib.sha256()
    with (tree / path).open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            beat(f"reading {printable(path)}")
    return digest.hexdigest()


def position(found: Manifest) -> str:
    """The digest of all but the contents."""
    digest = hashlib.sha256()
    for path in sorted(found):
        digest.update(json.dumps([path, *_look(found[path])]).encode())
    return f"tree:{digest.hexdigest()[:32]}"


def size(found: Manifest) -> int:
    """Bytes in all files; one with two names counts once."""
    return sum({entry.inode: entry.size for entry in found.values() if entry.kind == "f"}.values())


def save(path: Path, found: Manifest) -> None:
    """One JSON list a line."""
    write(path, b"".join(json.dumps([name, *entry]).encode() + b"\n" for name, entry in found.items()))


def load(path: Path) -> dict[str, Entry] | None:
    """What was saved; None when there is nothing that can be understood."""
    try:
        rows = [json.loads(line) for line in path.read_bytes().splitlines()]
        return {row[0]: Entry(*row[1:]) for row in rows}
    except (OSError, ValueError, TypeError, IndexError):
        return None


def printable(path: str) -> str:
    """A name for people: no control characters, none that is no text."""
    return "".join(character if character.isprintable() else f"\\x{ord(character) & 0xFF:02x}" for character in path)
