"""What everybody needs to know of a lab: its addresses and folders (`lab.json`), and what it is doing now."""

from datetime import datetime
from pathlib import Path

from pydantic import computed_field

from workflows.model.base import Message
from workflows.model.runbook import Tier

SITES = ("primary", "recovery")


class SiteInfo(Message):
    """One site: where it is from inside and by direct path, and where it is for everybody else."""

    name: str
    address: str
    app_url: str
    """As users reach it: straight, through no link."""
    db_host: str
    db_port: int
    management_host: str
    management_db_port: int
    management_app_url: str
    replication_host: str
    replication_port: int
    """Where the other site's standby finds this site's PostgreSQL."""
    worker_temporal: str
    """Where this site's worker finds Temporal; cut together with the site."""
    data_dir: Path
    pg_options: tuple[str, ...]
    """`name=value` settings that stay on the server's command line, since pg_rewind overwrites the files."""
    pg_log: Path
    app_env_file: Path
    app_pid_file: Path
    app_log: Path
    worker_state: Path

    @property
    def dsn(self) -> str:
        """The direct connection string, without its password."""
        return f"host={self.db_host} port={self.db_port}"


class Grounds(Message):
    """What every lab has, whatever its sites are made of. Holds no secret: those are in `secrets_file`, mode 0600."""

    folder: Path
    created: datetime
    temporal_address: str
    temporal_ui_url: str
    resolver: str
    public_name: str
    public_port: int
    public_url: str
    power_url: str
    """Of the chassis."""
    reports: Path
    runbooks: Path
    state: Path
    logs: Path
    secrets_file: Path

    @computed_field  # type: ignore[prop-decorator]
    @property
    def people(self) -> Path:
        """The register of approvers, which the commands in this folder find by `lab.json`."""
        return self.folder.absolute() / "people.json"

    @property
    def control_state(self) -> Path:
        """The state folder of the control worker."""
        return self.folder / "control" / "worker"

    def secrets(self) -> dict[str, str]:
        """The environment variables that hold the lab's secrets."""
        return read_env(self.secrets_file)

    def save(self) -> None:
        """Write `lab.json` so that a reader sees either nothing or all of it."""
        path = lab_file(self.folder)
        draft = path.with_suffix(".tmp")
        draft.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        draft.replace(path)


class LabInfo(Grounds):
    """A lab's addresses and folders."""

    synchronous: bool
    workers: bool
    tier: Tier = Tier.HOT
    dns_host: str
    dns_port: int
    dns_zone: str
    pg_bin_dir: Path
    run_as: str
    database: str
    db_user: str
    sites: dict[str, SiteInfo]

    def other(self, site: str) -> SiteInfo:
        """The site that is not `site`."""
        return next(found for name, found in self.sites.items() if name != site)


class HostStatus(Message):
    """One site as its power controller and the chassis see it."""

    power: str
    epoch: int
    held: bool
    """Fenced: stays off until it is switched on with an epoch that is not lower."""
    paused: bool = False
    postgres: str = "stopped"
    """`running` or `stopped`; `LabStatus` says `primary`, `standby` or `silent` instead of `running`."""
    app: str = "stopped"
    worker: str = "stopped"


class LabStatus(Message):
    """What the lab is doing now."""

    running: bool
    hosts: dict[str, HostStatus] = {}
    links: dict[str, str] = {}
    services: dict[str, str] = {}
    active_site: str | None = None
    """Where the public name points, as its authoritative server says."""
    info: LabInfo | None = None


class Outcome(Message):
    """What a break or a repair did, in a sentence."""

    changed: bool
    sentence: str


def lab_file(folder: Path) -> Path:
    """Where a lab's addresses are kept."""
    return folder / "lab.json"


def load_grounds(folder: Path) -> Grounds:
    """What any kind of lab in that folder has.

    Raises:
        FileNotFoundError: there is none.
    """
    return Grounds.model_validate_json(lab_file(folder).read_text(encoding="utf-8"))


def load_info(folder: Path) -> LabInfo:
    """The lab in that folder.

    Raises:
        FileNotFoundError: there is none.
    """
    return LabInfo.model_validate_json(lab_file(folder).read_text(encoding="utf-8"))


def read_env(path: Path) -> dict[str, str]:
    """Read KEY=VALUE lines; blank lines and those that start with # are left out."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line.strip() and not line.startswith("#"))
    return {key.strip(): value for key, _, value in pairs}


def write_env(path: Path, values: dict[str, str]) -> None:
    """Write KEY=VALUE lines to a file that only its owner can read, from its first byte on."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text("".join(f"{key}={value}\n" for key, value in values.items()), encoding="utf-8")
