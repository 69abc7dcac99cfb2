"""What can be broken in the lab, really, and how it is mended; and what the chassis can see of it.

Whether something is broken is read from the world, never from a note of what was done: so breaking twice breaks once,
and mending what is whole says so.
"""

import os
import resource
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.lab import proctree

if TYPE_CHECKING:
    from infra.lab.chassis import Chassis

Result = tuple[bool, str]
Act = Callable[["Chassis", str], Result]

POSTGRES, APP, WORKER = "postgres", "app", "worker"
DYING_SECONDS = 1.5
CLOSED, OPEN = 0o500, 0o700


class CannotBreak(Exception):
    """It cannot be done; the text says why, and what to do next."""


# --- Looking ---


def status(chassis: "Chassis") -> dict[str, Any]:
    """Everything that can be told without asking a database."""
    running = {name: _alive(pid) for name, pid in chassis.running.items()}
    return {
        "hosts": {site: _host(chassis, site) for site in chassis.boot.sites},
        "links": {name: "cut" if name in chassis.cut else "ok" for name in chassis.link_names},
        "services": {name: "running" if alive else "stopped" for name, alive in running.items()},
    }


def _alive(pid: int) -> bool:
    return proctree.state_of(pid) not in ("", "Z", "X")


def _host(chassis: "Chassis", site: str) -> dict[str, Any]:
    entry = chassis.power.get(site)
    root = chassis.host_pid(site)
    found = {name: "running" if _find(chassis, site, name) else "stopped" for name in (POSTGRES, APP, WORKER)}
    paused = root is not None and proctree.state_of(root) == "T"
    return {"power": entry.power, "epoch": entry.epoch, "held": entry.held, "paused": paused, **found}


def _find(chassis: "Chassis", site: str, name: str) -> int | None:
    """The process of one of a site's services; None when it does not run."""
    root = chassis.host_pid(site)
    for pid in proctree.descendants(root) if root else []:
        words = proctree.command_line(pid)
        # A drill's clone is a server of the same machine too; its folder is another one.
        if name == POSTGRES and chassis.boot.sites[site].data_dir in words and words[0].endswith("postgres"):
            return pid
        if name == APP and "infra.lab.shop_app" in words:
            return pid
        if name == WORKER and "workers.cli.main" in words:
            return pid
    return None


def _need_host(chassis: "Chassis", site: str) -> int:
    root = chassis.host_pid(site)
    if root is None:
        raise CannotBreak(f"The site {site} is off. Repair it with: seawall lab repair kill {site}")
    return root


def _need_postgres(chassis: "Chassis", site: str) -> int:
    _need_host(chassis, site)
    pid = _find(chassis, site, POSTGRES)
    if pid is None:
        raise CannotBreak(f"PostgreSQL does not run at {site}. Start it with: seawall lab repair kill-postgres {site}")
    return pid


def _need_standby(chassis: "Chassis", site: str) -> Path:
    _need_postgres(chassis, site)
    data_dir = Path(chassis.boot.sites[site].data_dir)
    if not (data_dir / "standby.signal").exists():
        raise CannotBreak(f"PostgreSQL at {site} is not a standby. Name the site that is.")
    return data_dir


# --- Processes ---


def _kill(chassis: "Chassis", site: str) -> Result:
    if chassis.host_pid(site) is None:
        return False, f"The site {site} was off already."
    chassis.by_hand(site, "off")
    return True, f"Every process of {site} was killed. It stays off until it is powered on."


def _power_on(chassis: "Chassis", site: str) -> Result:
    if chassis.host_pid(site) is not None:
        return False, f"The site {site} was on already."
    chassis.by_hand(site, "on")
    return True, f"The site {site} boots; PostgreSQL comes back as its data directory says."


def _kill_postgres(chassis: "Chassis", site: str) -> Result:
    _need_host(chassis, site)
    pid = _find(chassis, site, POSTGRES)
    if pid is None:
        return False, f"PostgreSQL did not run at {site}."
    for each in [pid, *proctree.descendants(pid)]:
        proctree.send(each, signal.SIGKILL)
    chassis.look(site)
    return True, f"PostgreSQL at {site} was killed."


def _start_postgres(chassis: "Chassis", site: str) -> Result:
    _need_host(chassis, site)
    if _find(chassis, site, POSTGRES):
        return False, f"PostgreSQL runs at {site}."
    chassis.tell(site, f"start {POSTGRES}")
    return True, f"PostgreSQL starts at {site}, as its data directory says."


def _pause(chassis: "Chassis", site: str) -> Result:
    root = _need_host(chassis, site)
    if proctree.state_of(root) == "T":
        return False, f"The site {site} was paused already."
    proctree.stop_tree(root)
    return True, f"Every process of {site} is stopped in its tracks."


def _resume(chassis: "Chassis", site: str) -> Result:
    root = chassis.host_pid(site)
    if root is None or proctree.state_of(root) != "T":
        return False, f"The site {site} was not paused."
    proctree.continue_tree(root)
    return True, f"Every process of {site} goes on."


# --- Cables ---


def _links(*names: str) -> tuple[Act, Act]:
    """Cut, and mend, all links of these names; `{site}` stands for the site."""

    def change(chassis: "Chassis", site: str, *, cut: bool) -> Result:
        wanted = [name.format(site=site) for name in names]
        changed = [name for name in wanted if chassis.set_link(name, cut=cut)]
        now = "cut" if cut else "whole"
        if not changed:
            return False, f"{', '.join(wanted)}: {now} already."
        return True, f"{', '.join(changed)}: {now} now."

    return (lambda chassis, site: change(chassis, site, cut=True)), (
        lambda chassis, site: change(chassis, site, cut=False)
    )


# --- Data ---


def _replay(chassis: "Chassis", site: str, *, pause: bool) -> Result:
    import psycopg  # a third of a second that only this break is worth

    _need_standby(chassis, site)
    password = (Path(chassis.folder) / "secrets.env").read_text(encoding="utf-8")
    found = dict(line.split("=", 1) for line in password.splitlines())
    dsn = chassis.boot.sites[site].dsn
    try:
        with psycopg.connect(
            dsn, password=found["SEAWALL_SHOP_DB_PASSWORD"], connect_timeout=2, autocommit=True
        ) as database:
            row = database.execute("select pg_is_wal_replay_paused()").fetchone()
            if row and row[0] == pause:
                return False, f"Replay at {site} was {'frozen' if pause else 'running'} already."
            database.execute("select pg_wal_replay_pause()" if pause else "select pg_wal_replay_resume()")
    except psycopg.Error as error:
        raise CannotBreak(f"PostgreSQL at {site} does not answer. Look at its log, then try again.") from error
    return True, f"Replay at {site} is {'frozen' if pause else 'running again'}."


def _no_promote(chassis: "Chassis", site: str) -> Result:
    data_dir = _need_standby(chassis, site)
    if stat.S_IMODE(data_dir.stat().st_mode) == CLOSED:
        return False, f"The standby at {site} could not be promoted already."
    data_dir.chmod(CLOSED)
    return True, f"The data directory of {site} takes no new file: a promotion is refused."


def _allow_promote(chassis: "Chassis", site: str) -> Result:
    data_dir = Path(chassis.boot.sites[site].data_dir)
    if stat.S_IMODE(data_dir.stat().st_mode) == OPEN:
        return False, f"The data directory of {site} was writable."
    data_dir.chmod(OPEN)
    return True, f"The data directory of {site} is writable again."


def _fill_disk(chassis: "Chassis", site: str) -> Result:
    """A limit of zero on the size of files: every write of the server fails, as on a full disk, and no root is needed.

    The error is EFBIG and not ENOSPC; PostgreSQL treats both as a failed write.
    """
    pid = _need_postgres(chassis, site)
    if resource.prlimit(pid, resource.RLIMIT_FSIZE)[0] == 0:
        return False, f"The disk of {site} was full already."
    _limit_files(pid, 0)
    return True, f"Every write of PostgreSQL at {site} fails from now on, as on a full disk."


def _empty_disk(chassis: "Chassis", site: str) -> Result:
    pid = _find(chassis, site, POSTGRES)
    if pid is None:
        return _start_postgres(chassis, site)
    if resource.prlimit(pid, resource.RLIMIT_FSIZE)[0] != 0:
        return False, f"The disk of {site} was not full."
    _limit_files(pid, resource.RLIM_INFINITY)
    # A server that is just dying of its failed writes cannot be helped any more, and does not come back by itself.
    deadline = time.monotonic() + DYING_SECONDS
    while time.monotonic() < deadline:
        if _find(chassis, site, POSTGRES) is None:
            return _start_postgres(chassis, site)
        time.sleep(0.05)
    return True, f"PostgreSQL at {site} can write again."


def _limit_files(postmaster: int, size: int) -> None:
    # Only the soft limit: an ordinary user could not raise the hard one again.
    for pid in [postmaster, *proctree.descendants(postmaster)]:
        try:
            hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size if size == 0 else hard, hard))
        except ProcessLookupError:
            continue
        except PermissionError as error:
            raise CannotBreak(
                f"The kernel does not let user {os.geteuid()} limit PostgreSQL's files. Use kill-postgres instead."
            ) from error


_CUT = _links("management:{site}", "temporal:{site}", "replication:primary", "replication:recovery")
_ISOLATE = _links("management:{site}")
_REPLICATION = _links("replication:primary", "replication:recovery")

BREAKS: dict[str, tuple[str, Act, Act]] = {
    "kill": ("kill -9 everything at the site; it stays off, but may be powered on", _kill, _power_on),
    "kill-postgres": ("kill -9 PostgreSQL only", _kill_postgres, _start_postgres),
    "pause": ("freeze every process of the site", _pause, _resume),
    "cut": ("cut the site from everything but its users", *_CUT),
    "isolate-orchestrator": ("cut the site's databases and applications from those outside", *_ISOLATE),
    "cut-replication": ("cut replication in both directions", *_REPLICATION),
    "freeze-replication": (
        "receive, but do not apply, at the standby",
        lambda chassis, site: _replay(chassis, site, pause=True),
        lambda chassis, site: _replay(chassis, site, pause=False),
    ),
    "disk-full": ("let every write of PostgreSQL fail", _fill_disk, _empty_disk),
    "no-promote": ("make the standby unable to promote", _no_promote, _allow_promote),
    "reboot": ("power the site on as it is, without repair", _power_on, _power_on),
}
"""What can be broken: in words, how, and how it is mended."""


def break_(chassis: "Chassis", what: str, site: str) -> Result:
    """Break it; whether anything changed, and a sentence.

    Raises:
        CannotBreak: there is no such break or site, or it cannot be done now.
        HeldError: it would power on a site that is fenced.
    """
    return _entry(chassis, what, site)[1](chassis, site)


def repair(chassis: "Chassis", what: str, site: str) -> Result:
    """Mend it; see `break_`."""
    return _entry(chassis, what, site)[2](chassis, site)


def _entry(chassis: "Chassis", what: str, site: str) -> tuple[str, Act, Act]:
    if what not in BREAKS:
        raise CannotBreak(f"There is no break {what!r}. Known: {', '.join(BREAKS)}.")
    if site not in chassis.boot.sites:
        raise CannotBreak(f"There is no site {site!r}. Known: {', '.join(chassis.boot.sites)}.")
    return BREAKS[what]
