"""Keeps the reports of runs as files: `<folder>/<application>/<workflow id>.{json,md,html}`.

The JSON file is written last: where it stands, the other two stand as well. Then the chain of evidence gets a line. A
report of an earlier execution with the same workflow id (a reset, a reused id) is evidence and is moved aside, never
overwritten.
"""

import asyncio
import hashlib
import os
import string
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError
from temporalio import activity

from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.report import Report, WriteReportRequest, WrittenReport

from . import evidence
from .durable import sync
from .report_render import to_html, to_json, to_markdown
from .report_render.words import as_utc
from .wire import on_the_wire

# `_` is not among them since it stands for `/`: two ids never share a file name.
_PLAIN = frozenset(string.ascii_letters + string.digits + "-.")
_LONGEST_NAME = 180
_FORMS = (("html", to_html), ("md", to_markdown), ("json", to_json))


def file_name(text: str) -> str:
    """A file or folder name with which no id can leave the store: `failover/shop/1` gives `failover_shop_1`."""
    name = "".join(_encoded(character) for character in text) or "%"
    if name.startswith("."):
        name = f"%2E{name[1:]}"
    if len(name) > _LONGEST_NAME:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        name = f"{name[: _LONGEST_NAME - 41]}_{digest[:40]}"
    return name


def _encoded(character: str) -> str:
    if character == "/":
        return "_"
    if character in _PLAIN:
        return character
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


class ReportStore:
    """A folder of reports."""

    def __init__(self, folder: Path, key: Ed25519PrivateKey | None = None) -> None:
        """`key` signs the chain of evidence."""
        self.folder = folder
        self._key = key

    @activity.defn(name="write_report")
    async def write_report(self, request: WriteReportRequest) -> WrittenReport:
        """Write the report in all three forms; writing it again changes nothing.

        Raises:
            TemporaryError: CONFIGURATION when the folder cannot be written.
        """
        with on_the_wire():
            return await asyncio.to_thread(self.write, request.report)

    def read(self, workflow_id: str) -> Report | None:
        """The report of the last execution of that workflow id; None when there is none.

        Raises:
            PermanentError: INTERNAL when the file is there and is not a report.
        """
        found = sorted(self.folder.glob(f"*/{literal(file_name(workflow_id))}.json"))
        return _parsed(found[0]) if found else None

    def list(self, application: str | None = None) -> tuple[Report, ...]:
        """All reports, the last declared first, those of earlier executions too; see `damaged` for the rest."""
        reports = [report for _path, report in self._found(application) if report]
        return tuple(sorted(reports, key=lambda report: (as_utc(report.clock.declared), report.run_id), reverse=True))

    def damaged(self) -> tuple[Path, ...]:
        """Files in the store that are not reports: one of them must not hide the others."""
        return tuple(path for path, report in self._found() if report is None)

    def _found(self, application: str | None = None) -> Iterator[tuple[Path, Report | None]]:
        under = literal(file_name(application)) if application else "*"
        for path in sorted(self.folder.glob(f"{under}/*.json")):
            try:
                yield path, _parsed(path)
            except PermanentError:
                yield path, None

    def write(self, report: Report) -> WrittenReport:
        """See `write_report`."""
        folder = self.folder / file_name(report.application)
        name = file_name(report.workflow_id)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._keep_earlier(folder, name, report)
            files = [folder / f"{name}.{suffix}" for suffix, _form in _FORMS]
            for path, (_suffix, form) in zip(files, _FORMS, strict=True):
                replace(path, form(report))
            sync(folder)
            evidence.add(folder, report.workflow_id, report.run_id, {path.name: path for path in files}, self._key)
        except OSError as error:
            raise TemporaryError(
                Code.CONFIGURATION,
                f"The report cannot be written to {folder} ({error.strerror or 'unknown reason'}).",
                "Make the folder writable and free some space; the run tries again by itself.",
            ) from error
        return WrittenReport(files=tuple(str(path) for path in files))

    def _keep_earlier(self, folder: Path, name: str, report: Report) -> None:
        """Move the files of another execution aside; JSON last, so that an interrupted move is taken up again."""
        current = folder / f"{name}.json"
        if not current.exists():
            return
        try:
            earlier = Report.model_validate_json(current.read_bytes()).run_id
        except ValidationError:
            earlier = hashlib.sha256(current.read_bytes()).hexdigest()
        if earlier == report.run_id:
            return
        moves = {
            f"{name}_run_{file_name(earlier)[:36]}.{suffix}": folder / f"{name}.{suffix}" for suffix, _form in _FORMS
        }
        standing = {aside: path if path.exists() else folder / aside for aside, path in moves.items()}
        # Noted first: whoever dies between the two finds the files by either name, and moves the rest.
        files = {aside: path for aside, path in standing.items() if path.exists()}
        evidence.add(folder, report.workflow_id, earlier, files, self._key)
        for aside, path in moves.items():
            if path.exists():
                path.replace(folder / aside)


def literal(name: str) -> str:
    """A file name holds no wildcard (see `_PLAIN`); the check keeps it so."""
    assert not set(name) & set("*?[]/")
    return name


def replace(path: Path, text: str) -> None:
    """Put the text at the path in one piece: a reader, or a crash, sees the old file or the new one."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.suffix}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files that only their owner can read; a report is there to be read.
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _parsed(path: Path) -> Report:
    try:
        return Report.model_validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        raise PermanentError(
            Code.INTERNAL,
            f"The file {path} is not a report of this version.",
            "Move it out of the report folder, then ask again.",
        ) from error
