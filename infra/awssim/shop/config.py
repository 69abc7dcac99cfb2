"""What the shop is made of, and where it listens."""

from pydantic import BaseModel, ConfigDict

GROUP = BALANCER = "shop"
DATABASE = "shop-db"
"""The same names at both sites."""
BUCKET = "shop-receipts-{region}"


class Site(BaseModel):
    """One site."""

    model_config = ConfigDict(frozen=True)

    region: str
    address: str
    """Of its load balancer, on loopback."""


class Config(BaseModel):
    """All of it."""

    model_config = ConfigDict(frozen=True)

    port: int
    """Of the simulator."""
    dns: str
    """`HOST:PORT`, where the public name is answered."""
    public_name: str
    public_port: int
    sites: dict[str, Site]
    lag: float = 0.5
    """Seconds that a committed order takes to the replica, and a receipt to the other bucket."""
    boot: float = 1.5
    """Seconds that an instance takes to run."""
    change: float = 0.5
    """Seconds that a change of DNS takes to be INSYNC."""
    heartbeat: float = 1.0
    """Seconds between two commits of RDS's own; AWS has five minutes."""
    metrics: float = 1.0
    """Seconds between two data of a metric; CloudWatch has 60."""
