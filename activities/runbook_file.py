"""Runbooks as files: found, read, checked and frozen. `docs/runbooks.md` explains the format to authors.

`python -m activities.runbook_file --schema` writes runbooks/runbook.schema.json.
"""

import asyncio
import contextlib
import hashlib
import json
import re
import sys
from datetime import date
from pathlib import Path

from temporalio import activity

from activities.policy import read_policy
from activities.providers.registry import Registry
from activities.runbook.checking import Reading
from activities.runbook.problem import Problem, closest
from activities.runbook.schema import runbook_schema
from activities.wire import on_the_wire
from workflows.model.base import NAME_PATTERN
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import LoadedRunbook, LoadRunbookRequest
from workflows.model.runbook import Runbook

__all__ = [
    "Problem",
    "RunbookFiles",
    "check_runbook",
    "find_runbook",
    "list_runbooks",
    "read_runbook",
    "runbook_schema",
    "runbook_sha256",
]

SCHEMA_FILE = Path("runbooks/runbook.schema.json")
_TOLD = 5


class RunbookFiles:
    """The folder of runbooks that a worker reads from.

    Args:
        folder: holds `<application>.yaml` and, beside it, `<application>.values.yaml`.
        registry: knows the kinds.
    """

    def __init__(self, folder: Path, registry: Registry) -> None:
        self._folder = folder
        self._registry = registry
        self._known: dict[str, tuple[str, LoadedRunbook]] = {}

    def read_ahead(self) -> None:
        """Read every runbook now, so that no recovery waits for its first reading; what is wrong is told when asked."""
        for name in list_runbooks(self._folder):
            with contextlib.suppress(PermanentError):
                self._load(name)

    @activity.defn(name="load_runbook")
    async def load_runbook(self, request: LoadRunbookRequest) -> LoadedRunbook:
        """Read, check and freeze the runbook of that name.

        Raises:
            ApplicationError: RUNBOOK_NOT_FOUND or RUNBOOK_INVALID.
        """
        with on_the_wire():
            return await asyncio.to_thread(self._load, request.name)

    def _load(self, name: str) -> LoadedRunbook:
        """With who may do what by the policy as it is now."""
        loaded, policy = self._read(name), read_policy(self._folder)
        return loaded.model_copy(update={"granted": policy.granted(loaded.runbook.application)}) if policy else loaded

    def _read(self, name: str) -> LoadedRunbook:
        """Users wait while it is read: what was read before is looked at again only when a byte of it has changed."""
        path = find_runbook(self._folder, name)
        state = _state_of(path)
        if name not in self._known or self._known[name][0] != state:
            self._known[name] = state, read_runbook(path, self._registry)
        return self._known[name][1]


def _state_of(path: Path) -> str:
    """Of the files that a runbook is read from, and of the day, on which its review may fall due."""
    digest = hashlib.sha256(str(date.today()).encode())
    for file in (path, path.with_suffix(".values.yaml")):
        digest.update(file.read_bytes() if file.exists() else b"")
        digest.update(b"\0")
    return digest.hexdigest()


def find_runbook(folder: Path, name: str) -> Path:
    """The file of that runbook.

    Raises:
        PermanentError: RUNBOOK_NOT_FOUND, with the names that exist. A name that is not a plain one never reaches the
            file system.
    """
    names = list_runbooks(folder)
    if re.fullmatch(NAME_PATTERN, name) and name in names:
        return folder / f"{name}.yaml"
    meant = closest(name, names)
    exist = f"There are: {', '.join(names[:20])}." if names else f"The folder {folder} holds none."
    advice = f"Did you mean {meant!r}? {exist}" if meant else exist
    raise PermanentError(Code.RUNBOOK_NOT_FOUND, f"There is no runbook {name[:40]!r}.", advice)


def list_runbooks(folder: Path) -> list[str]:
    """The names of the runbooks in a folder, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml") if re.fullmatch(NAME_PATTERN, path.stem))


def check_runbook(
    path: Path, registry: Registry, *, examples: bool = False, today: date | None = None
) -> list[Problem]:
    """All that is wrong with a runbook, in the order of the file, warnings included; empty when it is right.

    With `examples`, `<stem>.values.example.yaml` stands in for a missing values file.
    """
    return Reading(path, registry, examples=examples, today=today).problems


def read_runbook(path: Path, registry: Registry, *, examples: bool = False) -> LoadedRunbook:
    """The runbook in that file, checked.

    Raises:
        PermanentError: RUNBOOK_INVALID; its sentence tells the first problems.
    """
    reading = Reading(path, registry, examples=examples)
    if reading.errors or reading.runbook is None:
        told = "; ".join(str(problem).rstrip(".") for problem in reading.errors[:_TOLD])
        more = f"; and {len(reading.errors) - _TOLD} more" if len(reading.errors) > _TOLD else ""
        raise PermanentError(
            Code.RUNBOOK_INVALID,
            f"The runbook {path.name} cannot be used: {told}{more}.",
            f"See all with: seawall validate {path.name}",
        )
    return LoadedRunbook(
        runbook=reading.runbook,
        sha256=runbook_sha256(reading.runbook),
        path=str(path),
        verbs=reading.verbs,
        limits=reading.limits,
        preflights=tuple(reading.preflights),
    )


def runbook_sha256(runbook: Runbook) -> str:
    """SHA-256 of the runbook's canonical JSON, with all values filled in; the order of fields does not matter."""
    canonical = json.dumps(runbook.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


if __name__ == "__main__":
    if sys.argv[1:] != ["--schema"]:
        sys.exit("usage: python -m activities.runbook_file --schema")
    SCHEMA_FILE.write_text(f"{json.dumps(runbook_schema(Registry()), indent=2)}\n", encoding="utf-8")
    print(f"Wrote {SCHEMA_FILE}.")
