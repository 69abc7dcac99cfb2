"""The settings of a PostgreSQL component, as they stand in a runbook."""

from datetime import timedelta
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from workflows.model.base import Duration, Name, SecretRef, Strict, Text

Port = Annotated[int, Field(ge=1, le=65535)]


def _absolute(value: str) -> str:
    path = PurePosixPath(value)
    if not path.is_absolute() or len(path.parts) < 3:
        raise ValueError("expected an absolute path below a folder of its own, such as /var/lib/postgresql/15/main")
    return value


def _option(value: str) -> str:
    name, _, rest = value.removeprefix("-c").strip().partition("=")
    if not rest or not name.replace("_", "").replace(".", "").isalnum():
        raise ValueError('expected `-c name=value` (or `name=value`), such as "-c listen_addresses=10.0.0.1"')
    return f"{name.strip()}={rest.strip()}"


def _options_fit(entries: tuple[str, ...]) -> tuple[str, ...]:
    for entry in entries:
        if entry.strip() != "-c":
            _option(entry)
    return entries


AbsolutePath = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_absolute)]


class PostgresSite(Strict):
    """One server. What names files or identities has no default: a step that stops or starts a server acts on them."""

    host: Text
    """As reached from anywhere but the site itself."""
    port: Port
    local_host: Text | None = None
    local_port: Port | None = None
    bin_dir: AbsolutePath
    data_dir: AbsolutePath
    log_file: AbsolutePath
    run_as: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]*$", max_length=64)]
    """The server's identity: `""` for the worker's own, `userns`, or the name of a user."""
    start_options: Annotated[tuple[str, ...], AfterValidator(_options_fit)] = ()
    """Server options of the command line, one an entry: `-c name=value`, or `-c` and `name=value` in turn."""
    snapshot_dir: AbsolutePath | None = None
    """Where base backups are kept; without it the site takes none."""
    archive_dir: AbsolutePath | None = None
    """Where what only this site had is kept before it is overwritten; `diverged-COMPONENT` beside the data directory
    when left out."""
    replication_host: Text | None = None
    """Where the server of another site reaches this one to replicate from it; `host` when left out."""
    replication_port: Port | None = None

    def entrance(self) -> tuple[str, ...]:
        """The beginning of every command line of a server program there."""
        return ()

    def options(self) -> tuple[str, ...]:
        """The start options as `name=value`."""
        return tuple(_option(entry) for entry in self.start_options if entry.strip() != "-c")


class PostgresSettings(Strict):
    """Two (or more) servers that hold the same data."""

    database: Text
    user: Text
    password: SecretRef
    sslmode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = "prefer"
    connect_timeout: Duration = timedelta(seconds=1)
    stop_timeout: Duration = timedelta(seconds=60)
    start_timeout: Duration = timedelta(seconds=60)
    promote_timeout: Duration = timedelta(seconds=60)
    catch_up_timeout: Duration = timedelta(minutes=10)
    stall_timeout: Duration = timedelta(seconds=10)
    """How long a standby may stand still, short of where it must come to, before that is a refusal."""
    archive_wal: bool = False
    """Keep the log with the snapshots in mode `continuous` too, so that a moment between two of them can be restored.
    The serving server then holds its log from one snapshot to the next."""
    freshness_timeout: Duration = timedelta(seconds=30)
    """How long a marker may take to show at a standby before that counts as frozen."""
    synchronous_timeout: Duration = timedelta(seconds=20)
    """How long commits may wait for a standby that was just made synchronous before that is taken back."""
    copy_timeout: Duration = timedelta(hours=6)
    """For a rewind, a base backup, or one pass over the data."""
    replication_user: Text | None = None
    """As whom a standby replicates; `user` when left out."""
    replication_password: SecretRef | None = None
    sites: dict[Name, PostgresSite] = Field(min_length=1)
