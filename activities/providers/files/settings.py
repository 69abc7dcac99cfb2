"""The settings of a tree of files, as they stand in a runbook."""

import re
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from workflows.model.base import Duration, Name, SecretRef, Strict, Text

STATE = ".seawall"
FENCED = ".fenced-"
_DAEMON = re.compile(r"rsync://(?:[A-Za-z0-9._-]+@)?[A-Za-z0-9.-]+(?::\d{1,5})?/[A-Za-z0-9._-]+/[^\s/][^\s]*")
_SHELL = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*:/[^\s]+")


def _tree(value: str) -> str:
    path = PurePosixPath(value)
    if not path.is_absolute() or len(path.parts) < 3 or ".." in path.parts:
        raise ValueError("expected an absolute path of at least two levels and without `..`, such as /srv/uploads")
    if any(ord(character) < 32 for character in value) or path.name.endswith(STATE) or FENCED in path.name:
        raise ValueError(f"expected a name without control characters, `{STATE}` and `{FENCED}`, which are ours")
    return str(path)


def _source(value: str) -> str:
    if value.startswith("/"):
        return _tree(value)
    found = (_DAEMON if value.startswith("rsync://") else _SHELL).fullmatch(value)
    if not found or ".." in PurePosixPath(value).parts:
        raise ValueError(
            "expected rsync://host/module/folder, user@host:/absolute/path or an absolute path; a daemon's module must "
            "be the folder above the tree, since its state stands beside it"
        )
    return _checked_remote(value.rstrip("/"))


def _checked_remote(value: str) -> str:
    if not value.startswith("rsync://"):
        _tree(value.partition(":")[2])
    return value


TreePath = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_tree)]
Source = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_source)]


class FilesSite(Strict):
    """The tree at one site."""

    path: TreePath
    """The tree itself. Its state and recovery points stand in `PATH.seawall`, a fenced tree is `PATH.fenced-EPOCH`."""
    pull_from: Source | None = None
    """Where the worker of another site reads this tree with rsync; `path` itself when left out (one machine, or a
    shared file system). The folders beside the tree must be readable the same way."""

    def source(self) -> str:
        """As rsync is told it."""
        return self.pull_from or self.path


class FilesSettings(Strict):
    """One tree at two sites."""

    password: SecretRef | None = None
    """For an rsync daemon that asks for one."""
    io_timeout: Duration = timedelta(seconds=60)
    """How long rsync may hear nothing from the other side."""
    copy_timeout: Duration = timedelta(hours=6)
    """For one pass over the tree."""
    quiet_timeout: Duration = timedelta(seconds=5)
    """How long a fence waits for programs that still have files of the tree open."""
    trusted_programs: tuple[Text, ...] = ()
    """Names of programs into which the worker may not look (such as a container's init) and which are known never to
    write to the tree. A fence counts every other hidden program as one that might."""
    check_contents: bool = True
    """Read and compare all contents after each periodic synchronisation too. A planned move always does."""
    attributes: bool = True
    """Keep access lists and extended attributes; for file systems at both sites that have them."""
    sites: dict[Name, FilesSite] = Field(min_length=1)

    @model_validator(mode="after")
    def _apart(self) -> "FilesSettings":
        for name, site in self.sites.items():
            for other, peer in self.sites.items():
                if name != other and _overlap(site.source(), peer.path):
                    raise ValueError(f"the trees of {name} and {other} lie in each other; give them paths apart")
        return self


def _overlap(one: str, two: str) -> bool:
    if not one.startswith("/"):
        return False
    first, second = PurePosixPath(one), PurePosixPath(two)
    beside = PurePosixPath(f"{two}{STATE}")
    return first.is_relative_to(second) or second.is_relative_to(first) or first.is_relative_to(beside)
