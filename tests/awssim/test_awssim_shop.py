"""The shop that lives in the simulator: its users get what its resources allow, and nothing else."""

import contextlib
import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.awssim.faults import Kind, Rule
from infra.awssim.handle import SimulatorControl
from infra.awssim.shop import resources
from infra.awssim.shop.config import BUCKET, DATABASE, GROUP, Config, Site
from infra.awssim.shop.plane import RECEIPT_EVERY
from infra.lab.layout import ADDRESSES, LOOPBACK, Ports
from infra.lab.load import ask_address

EAST, WEST = "eu-west-1", "eu-central-1"
LAG = 0.4


class Shop:
    """The process, with its resources made."""

    def __init__(self, folder: Path) -> None:
        ports = Ports()
        simulator, dns, public = ports.take(LOOPBACK), ports.take(LOOPBACK), ports.take(*ADDRESSES.values())
        sites = {
            name: Site(region=region, address=ADDRESSES[name])
            for name, region in (("primary", EAST), ("recovery", WEST))
        }
        self.config = Config(
            port=simulator,
            dns=f"{LOOPBACK}:{dns}",
            public_name="shop.cloud.test",
            public_port=public,
            sites=sites,
            lag=LAG,
            boot=0.0,
            change=0.0,
        )
        file = folder / "cloud.json"
        file.write_text(self.config.model_dump_json())
        self.process = subprocess.Popen([sys.executable, "-m", "infra.awssim.shop", str(file)])
        self.url = f"http://{LOOPBACK}:{simulator}"
        self.control = SimulatorControl(self.url)
        eventually(self._answers)
        self.values = resources.build(self.url, self.config)
        self.seq = 0

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, self.config.port), 1):
            return True
        return False

    def close(self) -> None:
        self.control.close()
        self.process.kill()
        self.process.wait()

    def client(self, service: str, region: str) -> Any:
        return resources.client_of(self.url, service, region)

    def ask(self, site: str, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Status and answer; status 0 when there is none."""
        connection = http.client.HTTPConnection(self.config.sites[site].address, self.config.public_port, timeout=5)
        try:
            connection.request(method, path, json.dumps(body) if body else None)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            return 0, {}
        finally:
            connection.close()

    def order(self, site: str) -> int:
        self.seq += 1
        return self.ask(site, "POST", "/orders", {"client": "ann", "seq": self.seq, "amount": 1})[0]

    def held(self, site: str) -> int:
        """How many orders its database has."""
        return len(self.ask(site, "GET", "/audit")[1]["orders"])

    def receipts(self, site: str) -> list[str]:
        """Those in its bucket."""
        return list(self.ask(site, "GET", "/audit")[1]["receipts"])

    def lag(self) -> float | None:
        """The newest `ReplicaLag` of the replica."""
        asked = {"Namespace": "AWS/RDS", "MetricName": "ReplicaLag"}
        asked |= {"Dimensions": [{"Name": "DBInstanceIdentifier", "Value": DATABASE}]}  # type: ignore[dict-item]
        found = self.client("cloudwatch", WEST).get_metric_statistics(
            **asked,
            Period=1,
            Statistics=["Maximum"],
            StartTime=datetime.now(UTC) - timedelta(seconds=3),
            EndTime=datetime.now(UTC) + timedelta(seconds=3),
        )["Datapoints"]
        newest = max(found, key=lambda one: one["Timestamp"], default=None)
        return None if newest is None else float(newest["Maximum"])

    def lose(self, region: str) -> None:
        self.control.set_faults([Rule(kind=Kind.REGION_GONE, region=region)])


def eventually(probe: Any, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not probe():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    found = Shop(tmp_path_factory.mktemp("shop"))
    yield found
    found.close()


@pytest.fixture(autouse=True)
def nothing_lost(shop: Shop) -> Iterator[None]:
    eventually(lambda: shop.ask("primary", "GET", "/readyz")[0] == 200)
    yield
    shop.control.clear_faults()


def test_the_name_leads_to_the_balancer_that_the_record_names(shop: Shop) -> None:
    host, _, port = shop.config.dns.rpartition(":")
    address, ttl = ask_address(shop.config.public_name, host, int(port))
    assert (address, ttl) == (shop.config.sites["primary"].address, resources.TTL_SECONDS)


def test_an_order_arrives_at_the_replica_later_and_is_taken_once(shop: Shop) -> None:
    assert shop.order("primary") == 200
    again = shop.ask("primary", "POST", "/orders", {"client": "ann", "seq": shop.seq, "amount": 1})
    assert again == (200, {"new": False, "seq": shop.seq})
    assert shop.held("recovery") < shop.held("primary")
    eventually(lambda: shop.held("recovery") == shop.held("primary"))


def test_a_site_without_instances_or_with_a_replica_takes_no_order(shop: Shop) -> None:
    assert shop.ask("recovery", "POST", "/check", {"nonce": "a"}) == (503, {"error": "no instance is in service"})
    scaling = shop.client("autoscaling", WEST)
    scaling.update_auto_scaling_group(AutoScalingGroupName=GROUP, DesiredCapacity=1)
    assert shop.ask("recovery", "POST", "/check", {"nonce": "a"}) == (503, {"error": "the database takes no write"})
    scaling.update_auto_scaling_group(AutoScalingGroupName=GROUP, DesiredCapacity=0)


def test_a_database_that_is_shut_in_takes_no_order(shop: Shop) -> None:
    resources.isolate(shop.url, EAST, shop.values["primary_isolation_group"])
    assert shop.order("primary") == 503
    resources.isolate(shop.url, EAST, shop.values["primary_db_groups"][0])
    assert shop.order("primary") == 200


def test_a_lost_region_answers_nobody(shop: Shop) -> None:
    shop.lose(EAST)
    assert shop.order("primary") == 0
    shop.control.clear_faults()
    assert shop.order("primary") == 200


def test_a_receipt_comes_to_the_other_bucket_once_and_not_back(shop: Shop) -> None:
    while shop.order("primary") != 200 or shop.seq % RECEIPT_EVERY:
        pass
    key = f"receipts/ann/{shop.seq}"
    eventually(lambda: key in shop.receipts("recovery"))
    time.sleep(2 * LAG)
    found = [
        shop.client("s3", region).list_object_versions(Bucket=BUCKET.format(region=region), Prefix=key)["Versions"]
        for region in (EAST, WEST)
    ]
    assert [len(versions) for versions in found] == [1, 1]
    assert found[0][0]["VersionId"] == found[1][0]["VersionId"]
    assert found[0][0]["LastModified"] == found[1][0]["LastModified"]


def test_a_bucket_that_is_fenced_takes_no_order_and_no_role_is_asked(shop: Shop) -> None:
    s3, name = shop.client("s3", EAST), BUCKET.format(region=EAST)
    deny = {"Sid": "seawall-fence-1", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject"}
    deny["Resource"] = f"arn:aws:s3:::{name}/*"
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    assert shop.ask("primary", "POST", "/check", {"nonce": "a"}) == (503, {"error": "the bucket takes no write"})
    s3.delete_bucket_policy(Bucket=name)
    assert shop.order("primary") == 200


def test_the_lag_of_a_replica_is_the_age_of_its_newest_transaction(shop: Shop) -> None:
    """RDS's heartbeat keeps it low while nobody writes; nothing does when the source is gone."""
    time.sleep(shop.config.heartbeat)
    eventually(lambda: (shop.lag() or 99.0) < LAG + 2 * shop.config.heartbeat)
    shop.lose(EAST)
    eventually(lambda: (shop.lag() or 0.0) > LAG + 3 * shop.config.heartbeat)


def test_what_had_not_arrived_is_lost_with_the_region(shop: Shop) -> None:
    eventually(lambda: shop.held("recovery") == shop.held("primary"))
    assert shop.order("primary") == 200
    kept = shop.held("recovery")
    shop.lose(EAST)
    time.sleep(2 * LAG)
    shop.client("rds", WEST).promote_read_replica(DBInstanceIdentifier=DATABASE)
    assert shop.held("recovery") == kept == shop.held("primary") - 1
