"""Where everything of a cloud lab is (`lab.json`)."""

from pathlib import Path

from infra.lab.info import Grounds, lab_file
from workflows.model.base import Message


class CloudSite(Message):
    """One region."""

    name: str
    region: str
    address: str
    """Of its load balancer, on loopback."""
    worker_state: Path


class CloudInfo(Grounds):
    """A cloud lab's addresses and folders."""

    simulator: str
    dns: str
    sites: dict[str, CloudSite]

    @property
    def config(self) -> Path:
        """What the shop in the simulator is made of."""
        return self.state / "cloud.json"

    def front(self, site: str) -> str:
        """The load balancer of a site, as its users reach it."""
        return f"http://{self.sites[site].address}:{self.public_port}"


def load_info(folder: Path) -> CloudInfo:
    """The cloud lab in that folder.

    Raises:
        FileNotFoundError: there is none.
    """
    return CloudInfo.model_validate_json(lab_file(folder).read_text(encoding="utf-8"))
