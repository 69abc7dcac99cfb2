"""The settings of a process component, as they stand in a runbook."""

from datetime import timedelta
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field

from workflows.model.base import Duration, Name, Strict


def _absolute(value: str) -> str:
    if not PurePosixPath(value).is_absolute():
        raise ValueError("expected an absolute path")
    return value


AbsolutePath = Annotated[str, Field(min_length=2, max_length=500), AfterValidator(_absolute)]


class ProcessSite(Strict):
    """How the service is run at one site."""

    argv: Annotated[tuple[str, ...], Field(min_length=1)]
    """Program and arguments; never a shell line."""
    pid_file: AbsolutePath
    log_file: AbsolutePath
    env_file: AbsolutePath | None = None
    """`KEY=VALUE` lines. Of the worker's own environment the service gets only PATH, HOME, LANG, TZ and TMPDIR."""
    cwd: AbsolutePath = "/"
    stop_timeout: Duration = timedelta(seconds=10)
    """From SIGTERM to SIGKILL."""


class ProcessSettings(Strict):
    """One service, run at one or more sites."""

    sites: dict[Name, ProcessSite] = Field(min_length=1)
