"""Two sites with a real tree each on this machine, and changes as people and programs make them."""

import contextlib
import hashlib
import os
import random
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from activities.providers.base import now
from activities.providers.files import PROVIDER
from activities.providers.files.provider import FilesProvider
from activities.providers.files.settings import FilesSettings
from tests.provider.support import NEW, OLD, context
from workflows.model.failure import Code, SeawallError
from workflows.model.messages import Ref, StepRequest, StepResult, Target
from workflows.model.observed import FenceProof, Reach
from workflows.model.plan import Mode
from workflows.model.runbook import Component

FILES = Component.model_validate(
    {
        "role": "data",
        "kind": "files",
        "replication": {
            "mode": "interval",
            "period": "15m",
            "snapshots": {"every": "1d", "keep": 2, "keep_for": "1h"},
        },
        "marker": {"interval": "50ms"},
    }
)


def hidden_programs() -> list[str]:
    """Programs of this machine that even root may not look into here."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            try:
                os.readlink(folder / "cwd")
            except PermissionError:
                found.append((folder / "comm").read_text().strip())
    return sorted(set(found))


def other(site: str) -> str:
    return NEW if site == OLD else OLD


class Sites:
    """Both sites in one folder; `primary` begins with files, `recovery` with nothing."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("rsync") is None:
            pytest.skip("No rsync on this machine.")
        self.folder = folder
        self.sources: dict[str, str] = {}
        self.more: dict[str, Any] = {}
        (folder / OLD).mkdir()
        (folder / NEW).mkdir()
        self.tree(OLD).mkdir()
        (self.tree(OLD) / "one.txt").write_text("one")
        (self.tree(OLD) / "sub").mkdir()
        (self.tree(OLD) / "sub" / "two.txt").write_text("two")

    def tree(self, site: str) -> Path:
        return self.folder / site / "data"

    def state(self, site: str) -> Path:
        return self.folder / site / "data.seawall"

    def provider(self, here: str, mine: Callable[[], None] = lambda: None, **more: Any) -> FilesProvider:
        sites = {
            site: {"path": str(self.tree(site))} | ({"pull_from": self.sources[site]} if site in self.sources else {})
            for site in (OLD, NEW)
        }
        settings = FilesSettings.model_validate(
            {"quiet_timeout": "300ms", "trusted_programs": hidden_programs(), "sites": sites} | self.more | more
        )
        return PROVIDER(settings, context(here, self.folder / f"state-{here}", mine))

    def ask(self, site: str, step: str = "do", epoch: int = 5, source: str = OLD, **more: Any) -> StepRequest:
        target = Target(name="docs", component=FILES, site=site, source=source, target=other(source))
        ref = Ref(workflow_id=f"failover/shop/{epoch}", application="shop", step=f"docs.{step}", epoch=epoch)
        return StepRequest(ref=ref, target=target, **more)

    async def synced(self, epoch: int = 4, source: str = OLD) -> StepResult:
        site = other(source)
        return await self.provider(site).sync_delta(self.ask(site, "sync", epoch, source))

    async def move(self, source: str, epoch: int) -> StepResult:
        """A planned move away from `source`, up to the promotion."""
        target = other(source)
        fenced = await self.provider(source).fence(self.ask(source, "fence", epoch, source, mode=Mode.PLANNED))
        assert fenced.proof
        more: dict[str, Any] = {
            "mode": Mode.PLANNED,
            "proofs": (fenced.proof,),
            "position": fenced.proof.position,
        }
        await self.provider(target).sync_delta(self.ask(target, "sync", epoch, source, **more))
        return await self.provider(target).promote(self.ask(target, "promote", epoch, source, **more))

    async def take_over(self, epoch: int = 5, source: str = OLD) -> StepResult:
        """An unplanned one: nothing of the source is asked."""
        target = other(source)
        return await self.provider(target).promote(self.ask(target, "promote", epoch, source))

    async def follow(self, source: str, epoch: int) -> StepResult:
        """The old site follows the new one."""
        target = other(source)
        await self.provider(source).archive_diverged(self.ask(source, "archive", epoch, source))
        found = await self.provider(source).rebuild_replica(self.ask(source, "rebuild", epoch, source))
        await self.provider(target).protect(self.ask(target, "protect", epoch, source))
        return found


def proof(site: str, epoch: int = 5) -> FenceProof:
    """As a fence device gives it."""
    return FenceProof(
        component="docs",
        site=site,
        epoch=epoch,
        method="power",
        proven=True,
        write_probe=Reach.SILENT,
        independent=True,
        at=now(),
    )


def fingerprint(tree: Path) -> dict[str, tuple[Any, ...]]:
    """Every entry with all that a copy must keep, read past the provider."""
    found: dict[str, tuple[Any, ...]] = {}
    groups: dict[int, str] = {}
    for folder, folders, files in os.walk(tree):
        for name in sorted(folders + files, key=os.fsencode):
            path = os.path.join(folder, name)
            seen = os.lstat(path)
            below = os.path.relpath(path, tree)
            kind = stat.S_IFMT(seen.st_mode)
            if kind == stat.S_IFREG:
                content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
            else:
                content = os.readlink(path) if kind == stat.S_IFLNK else ""
            first = groups.setdefault(seen.st_ino, below) if kind == stat.S_IFREG else ""
            time = seen.st_mtime_ns if kind in (stat.S_IFREG, stat.S_IFDIR) else 0
            found[below] = (seen.st_mode, seen.st_uid, seen.st_gid, time, content, first)
    # Which name of a file with several is met first depends on the order of the folder.
    names = {inode: min(n for n, e in found.items() if e[5] == first) for inode, first in groups.items()}
    return {
        n: (*e[:5], names[next(i for i, f in groups.items() if f == e[5])] if e[5] else "") for n, e in found.items()
    }


NAMES = (
    "plain",
    "with space",
    "ünï",
    "new\nline",
    "-dash",
    "back\\slash",
    "tab\t",
    "\udcff\udcfe",
    "\\#012",
    "*",
    ":c",
)


def change(tree: Path, dice: random.Random, count: int = 12) -> None:
    """Random changes of every kind."""
    for _ in range(count):
        with contextlib.suppress(
            FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError
        ):
            dice.choice(_CHANGES)(tree, dice)


def _some(tree: Path, dice: random.Random, files: bool = True) -> Path:
    found = [
        path for path in sorted(tree.rglob("*"), key=os.fsencode) if path.is_symlink() or path.is_file() or not files
    ]
    return dice.choice(found) if found else tree / "none"


def _fresh(tree: Path, dice: random.Random) -> Path:
    folders = [tree, *sorted((path for path in tree.rglob("*") if path.is_dir()), key=os.fsencode)]
    folder = next((path for path in (dice.choice(folders),) if not path.is_symlink()), tree)
    return folder / f"{dice.choice(NAMES)}{dice.randrange(40)}"


def _create(tree: Path, dice: random.Random) -> None:
    _fresh(tree, dice).write_bytes(dice.randbytes(dice.choice((0, 1, 700, 40_000))))


def _rewrite(tree: Path, dice: random.Random) -> None:
    """Same size, and most of the time within the same second."""
    path = _some(tree, dice)
    if not path.is_symlink():
        path.write_bytes(dice.randbytes(path.stat().st_size))


def _delete(tree: Path, dice: random.Random) -> None:
    _some(tree, dice).unlink()


def _rename(tree: Path, dice: random.Random) -> None:
    _some(tree, dice).rename(_fresh(tree, dice))


def _mode(tree: Path, dice: random.Random) -> None:
    path = _some(tree, dice)
    if not path.is_symlink():
        path.chmod(dice.choice((0o600, 0o644, 0o755, 0o440, 0o4755)))


def _symlink(tree: Path, dice: random.Random) -> None:
    _fresh(tree, dice).symlink_to(dice.choice(("one.txt", "/nowhere", "../..")))


def _hard_link(tree: Path, dice: random.Random) -> None:
    path = _some(tree, dice)
    if not path.is_symlink():
        os.link(path, _fresh(tree, dice))


def _folder(tree: Path, dice: random.Random) -> None:
    _fresh(tree, dice).mkdir()


_CHANGES = (_create, _create, _rewrite, _rewrite, _delete, _rename, _mode, _symlink, _hard_link, _folder)


def broken(*_args: Any) -> None:
    """For what fails on its way to the disk."""
    raise OSError(5, "Input/output error")


async def refused(call: Any, code: Code) -> SeawallError:
    """The error of a call that must fail with that code."""
    with pytest.raises(SeawallError) as caught:
        await call
    assert caught.value.code is code
    return caught.value


def start(argv: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """A program that runs in a folder."""
    return subprocess.Popen(argv, cwd=folder)
