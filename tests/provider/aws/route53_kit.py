"""Names in Route 53 that send users to the old site."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from activities.providers.aws.route53 import PROVIDER, records
from activities.providers.aws.route53.provider import Route53Provider
from tests.awssim.world import World, record
from tests.provider import conformance
from tests.provider.aws.front import front_request
from tests.provider.aws.kit import REGIONS, AwsSubject, worker
from tests.provider.conformance import EPOCH
from tests.provider.support import NEW, OLD
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Observation, Reach

OTHER = "Z2FDTNDATAQYW2"
ADDRESSES = {OLD: "192.0.2.1", NEW: "198.51.100.1"}
AT = {site: {"values": [address]} for site, address in ADDRESSES.items()}
BALANCERS = {
    site: {"alias": {"zone": OTHER, "name": f"lb.{site}.example.test", "evaluate_target_health": True}}
    for site in (OLD, NEW)
}


def simple(zone: str, name: str = "www.example.test", **more: Any) -> dict[str, Any]:
    return {"zone": zone, "name": name, "type": "A", "ttl": "60s", "routing": "simple", "at": AT} | more


def settings(*listed: dict[str, Any], **more: Any) -> Any:
    sites = {site: {"region": region} for site, region in REGIONS.items()}
    return PROVIDER.Settings.model_validate({"sites": sites, "records": listed, "read_timeout": "60s", **more})


class Front(AwsSubject):
    """Names that send users to the old site."""

    operation = "ChangeResourceRecordSets"

    def __init__(self, folder: Path, world: World, *listed: dict[str, Any]) -> None:
        self.zones = list(dict.fromkeys(one["zone"] for one in listed))
        self.listed = listed
        self.planned: Observation | None = None
        super().__init__(folder, world)

    def provider(self, mine: Callable[[], None] = lambda: None, **more: Any) -> Route53Provider:
        return Route53Provider(settings(*self.listed, **more), worker(self.folder, mine))

    def request(self, epoch: int = EPOCH, where: str = "", **more: Any) -> StepRequest:
        return front_request(self.zones[0].lower(), epoch, where, before=self.planned, **more)

    async def plan(self) -> "Front":
        self.planned = await self.provider().observe("front", OLD, "control")
        assert self.planned.reach is Reach.SERVING, self.planned.detail
        return self

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        return await self.provider(conformance.over if over else lambda: None).flip_dns(self.request(epoch, where))

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        return await self.provider().restore_dns(self.request(epoch, undo=True, result=result))

    def sets(self, zone: str) -> list[dict[str, Any]]:
        client = self.world.client("route53")
        pages = client.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone)
        return [one for page in pages for one in page["ResourceRecordSets"]]

    async def state(self) -> Any:
        return [records.canon([one for one in self.sets(zone) if one["Type"] in "AAAA"]) for zone in self.zones]

    def guards(self) -> list[str]:
        """What stands beside the records, for each zone."""
        found = [[one for one in self.sets(zone) if one["Type"] == "TXT"] for zone in self.zones]
        return [zone[0]["ResourceRecords"][0]["Value"] if zone else "" for zone in found]

    async def disturb(self) -> None:
        self.world.change(self.zones[0], record("UPSERT", self.listed[0]["name"], "203.0.113.9"))
        self.mark = self.world.mark()


def made(world: World, *changes: dict[str, Any]) -> str:
    """A zone with these records."""
    zone = world.zone().removeprefix("/hostedzone/")
    world.change(zone, *changes)
    return zone


def named(name: str = "www.example.test") -> dict[str, Any]:
    return record("CREATE", name, ADDRESSES[OLD])


async def simple_front(folder: Path, world: World) -> Front:
    return await Front(folder, world, simple(made(world, named()))).plan()


def beside(site: str, **more: Any) -> dict[str, Any]:
    """The record of a site that stands beside that of the other."""
    return record("CREATE", "www.example.test", ADDRESSES[site], SetIdentifier=site, **more)


async def weighted_front(folder: Path, world: World) -> Front:
    zone = made(world, beside(OLD, Weight=100), beside(NEW, Weight=0))
    at = {site: {"set_identifier": site, "weight": 100} for site in (OLD, NEW)}
    told = {"zone": zone, "name": "www.example.test", "type": "A", "routing": "weighted", "at": at}
    return await Front(folder, world, told).plan()


async def failover_front(folder: Path, world: World) -> Front:
    zone = made(world, beside(OLD, Failover="PRIMARY"), beside(NEW, Failover="SECONDARY"))
    at = {site: {"set_identifier": site} for site in (OLD, NEW)}
    told = {"zone": zone, "name": "www.example.test", "type": "A", "routing": "failover", "at": at}
    return await Front(folder, world, told).plan()


async def alias_front(folder: Path, world: World) -> Front:
    zone = made(world, alias("www.example.test"), alias("*.example.test"))
    listed = [simple(zone, name, ttl=None, at=BALANCERS) for name in ("www.example.test", "*.example.test")]
    return await Front(folder, world, *listed).plan()


def alias(name: str, site: str = OLD) -> dict[str, Any]:
    told = BALANCERS[site]["alias"]
    target = {"HostedZoneId": OTHER, "DNSName": f"{told['name']}.", "EvaluateTargetHealth": True}
    return {"Action": "CREATE", "ResourceRecordSet": {"Name": name, "Type": "A", "AliasTarget": target}}


MAKERS = {"simple": simple_front, "weighted": weighted_front, "failover": failover_front}
