"""Where this process finds things: from the environment, else from a running lab, else defaults."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

LAB_FOLDER = Path(".seawall/lab")
READY_FILE = "worker.ready"
"""In a worker's state folder for as long as it takes work."""
_GIVEN = "SEAWALL_TEMPORAL_ADDRESS"


@dataclass(frozen=True)
class Settings:
    """Addresses and folders of one process."""

    temporal_address: str
    namespace: str
    runbooks: Path
    reports: Path
    state: Path
    site: str
    origin: str
    """Where the Temporal address came from, in words: for errors and for `doctor`."""
    secured: bool = False
    """Whether Temporal's own settings of TLS and keys count: not for a lab's server, nor for the default one."""
    deployment: str = ""
    """The worker deployment whose builds runs are pinned to; empty where one build replaces the other in place."""
    build: str = ""
    """What this build is called; made of the package's version and the workflows' source when empty."""
    people: Path = Path(".seawall/people.json")
    """The register of approvers. Control workers read it, `seawall approver` writes it."""


def read_settings() -> Settings:
    """The settings of this process. The environment wins, then the lab in this folder, then the defaults."""
    lab = _lab()
    address, origin = _address(lab)
    return Settings(
        temporal_address=address,
        namespace=os.environ.get("SEAWALL_NAMESPACE", "default"),
        runbooks=Path(os.environ.get("SEAWALL_RUNBOOKS") or lab.get("runbooks") or "runbooks"),
        reports=Path(os.environ.get("SEAWALL_REPORTS") or lab.get("reports") or "reports"),
        state=Path(os.environ.get("SEAWALL_STATE") or ".seawall/state"),
        site=os.environ.get("SEAWALL_SITE", "control"),
        origin=origin,
        secured=origin == _GIVEN,
        deployment=os.environ.get("SEAWALL_DEPLOYMENT", ""),
        build=os.environ.get("SEAWALL_BUILD_ID", ""),
        people=Path(os.environ.get("SEAWALL_PEOPLE") or lab.get("people") or ".seawall/people.json"),
    )


def _address(lab: dict[str, str]) -> tuple[str, str]:
    if address := os.environ.get(_GIVEN):
        return address, _GIVEN
    if address := lab.get("temporal_address"):
        return address, f"the lab in {LAB_FOLDER}"
    return "127.0.0.1:7233", "the default"


def _lab() -> dict[str, str]:
    """What the lab in this folder says of itself; nothing when there is none."""
    try:
        found = json.loads((LAB_FOLDER / "lab.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {key: str(value) for key, value in found.items() if isinstance(value, str)}
