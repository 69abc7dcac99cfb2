"""What the resources of the simulator let the shop do now."""

import threading
import time
from collections.abc import Iterator
from itertools import permutations
from typing import Any

from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.utils import utcnow

from infra.awssim.faults import Faults, Kind

from .config import BALANCER, BUCKET, DATABASE, GROUP, Config
from .media import Media
from .orders import Books, Copy, Order

TICK_SECONDS = 0.02
RECEIPT_EVERY = 10
"""Of so many orders one has a receipt in the bucket."""
RECEIPTS = "receipts/"


class Unavailable(Exception):
    """The shop answers, and cannot take an order; the text is the reason."""


class Gone(Exception):
    """Nothing answers in that region."""


class Plane:
    """Every method may be called from any thread."""

    def __init__(self, config: Config, faults: Faults) -> None:
        self.config = config
        self._faults = faults
        self._books = Books(self._source)
        self._media = Media(self._backend("s3", "aws"))
        self._samples = {"all": 0, "two writers": 0, "none": 0}
        threading.Thread(target=self._tick, name="shop", daemon=True).start()

    # --- What users do ---

    def order(self, site: str, client: str, seq: int) -> bool:
        """Take an order at a site; False when it was there already.

        Raises:
            Unavailable: something that the shop needs does not work.
            Gone: the region is lost.
        """
        with self._books.lock:
            new = self._serving(site).add(Order(time.monotonic(), client, seq))
        if new and seq % RECEIPT_EVERY == 0:
            self._media.put(self._bucket(site), f"{RECEIPTS}{client}/{seq}", f"order {seq} of {client}")
        return new

    def insist(self, site: str) -> None:
        """An order would be taken there now.

        Raises:
            Unavailable: see `order`.
            Gone: see `order`.
        """
        self._serving(site)

    def count(self, site: str) -> int:
        """How many orders the database of a site has."""
        with self._books.lock:
            return len(self._serving(site).log)

    def orders(self, site: str) -> list[Order] | None:
        """All orders in the database of a site; None when it has none. For the audit, past everything."""
        found = self._database(self.config.sites[site].region)
        with self._books.lock:
            return None if found is None else list(self._books.of(found).log)

    def receipts(self, site: str) -> list[str]:
        """All receipts in the bucket of a site. For the audit, past everything."""
        return self._media.names(self._bucket(site), RECEIPTS)

    def samples(self) -> dict[str, int]:
        """In how many looks, ten a second, both databases would have taken a write, or none."""
        return dict(self._samples)

    def answers(self, name: str) -> tuple[list[str], int]:
        """What Route 53 answers for a name: addresses and seconds to live; its data plane is in no region."""
        zones = get_backend("route53")[DEFAULT_ACCOUNT_ID]["aws"].zones.values()
        for record in (record for zone in zones for record in zone.rrsets):
            if record.name.rstrip(".") == name and record.type in ("A", "CNAME"):
                values = [record.alias_target["DNSName"]] if record.alias_target else record.records
                return [self._address(value) for value in values], int(record.ttl or 60)
        return [], 1

    # --- What the resources say ---

    def _serving(self, site: str) -> Copy:
        region = self.config.sites[site].region
        if self.gone(region):
            raise Gone(region)
        if not self._instances(region):
            raise Unavailable("no instance is in service")
        found = self._database(region)
        if not self._writable(found, region):
            raise Unavailable("the database takes no write")
        if not self._media.writable(self._bucket(site)):
            raise Unavailable("the bucket takes no write")
        return self._books.of(found)

    def _bucket(self, site: str) -> str:
        return BUCKET.format(region=self.config.sites[site].region)

    def gone(self, region: str) -> bool:
        """Whether the region is lost. Its shop is as long as any part of it is: networks come back last."""
        return any(rule.kind is Kind.REGION_GONE and rule.region == region for rule in self._faults.rules())

    def _instances(self, region: str) -> int:
        """How many instances of the group would be healthy behind the balancer."""
        group = self._backend("autoscaling", region).autoscaling_groups.get(GROUP)
        states = list(group.instance_states) if group and group.target_group_arns else []
        return sum(one.lifecycle_state == "InService" and one.instance._state.name == "running" for one in states)

    def _database(self, region: str) -> Any:
        return self._backend("rds", region).databases.get(DATABASE)

    def _writable(self, database: Any, region: str) -> bool:
        """It is available, no replica, and one of its security groups lets somebody in."""
        if database is None or database.status != "available" or database.source_db_instance_identifier:
            return False
        ec2 = self._backend("ec2", region)
        groups = [ec2.get_security_group_from_id(one) for one in database.vpc_security_group_ids]
        return any(group is not None and group.ingress_rules for group in groups)

    def _source(self, database: Any) -> Any:
        """The database that this one follows; None when it follows nobody."""
        name = database.source_db_instance_identifier
        if not name:
            return None
        region = name.split(":")[3] if name.startswith("arn:") else database.region
        return self._backend("rds", region).databases.get(name.rpartition(":")[2])

    def _address(self, host: str) -> str:
        """Where a load balancer listens here; what is an address stays one."""
        for site in self.config.sites.values():
            balancers = self._backend("elbv2", site.region).load_balancers.values()
            if any(one.name == BALANCER and one.dns_name == host.rstrip(".") for one in balancers):
                return site.address
        return host

    @staticmethod
    def _backend(service: str, region: str) -> Any:
        return get_backend(service)[DEFAULT_ACCOUNT_ID][region]

    # --- What goes on by itself ---

    def _tick(self) -> None:
        told = looked = beaten = 0.0
        while True:
            time.sleep(TICK_SECONDS)
            with self._books.lock:
                self._replicate()
            now = time.monotonic()
            if now - looked >= 0.1:
                looked = now
                self._sample()
                self._replicate_media()
            if now - beaten >= self.config.heartbeat:
                beaten = now
                self._beat()
            if now - told >= self.config.metrics:
                told = now
                self._tell_lag()

    def _replicas(self) -> Iterator[tuple[Any, Any, bool]]:
        """Each replica, its source, and whether both are there."""
        for site in self.config.sites.values():
            database = self._database(site.region)
            source = None if database is None else self._source(database)
            if source is not None:
                up = all(one.status in ("available", "modifying") for one in (database, source))
                yield database, source, up and not (self.gone(site.region) or self.gone(source.region))

    def _replicate(self) -> None:
        for database, source, up in self._replicas():
            if up:
                self._books.of(database).follow(self._books.of(source), self.config.lag)

    def _replicate_media(self) -> None:
        for one, other in permutations(self.config.sites):
            if not any(self.gone(self.config.sites[site].region) for site in (one, other)):
                self._media.follow(self._bucket(one), self._bucket(other), self.config.lag)

    def _beat(self) -> None:
        """What RDS commits by itself, in every database that is no replica, whoever may reach it."""
        with self._books.lock:
            for site in self.config.sites.values():
                found = self._database(site.region)
                if found is not None and self._source(found) is None and found.status == "available":
                    self._books.of(found).beat()

    def _sample(self) -> None:
        regions = [site.region for site in self.config.sites.values()]
        writers = [not self.gone(region) and self._writable(self._database(region), region) for region in regions]
        self._samples["all"] += 1
        self._samples["two writers"] += all(writers)
        self._samples["none"] += not any(writers)

    def _tell_lag(self) -> None:
        for database, _, _ in self._replicas():
            datum = {
                "MetricName": "ReplicaLag",
                "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": database.db_instance_identifier}],
                "Value": round(self._books.of(database).age, 3),
                "Timestamp": utcnow(),
            }
            self._backend("cloudwatch", database.region).put_metric_data("AWS/RDS", [datum])
