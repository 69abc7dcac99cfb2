"""The kind `aws.route53`, against the simulator."""

import asyncio
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activities.providers.aws.route53 import records
from activities.providers.aws.route53.provider import Route53Provider
from infra.awssim.faults import Kind, Rule
from infra.awssim.handle import Simulator
from infra.awssim.ledger import Outcome
from tests.awssim.world import EAST, WEST, World, record
from tests.provider import name_servers
from tests.provider.aws.kit import AwsConformance, worker
from tests.provider.aws.route53_kit import (
    ADDRESSES,
    AT,
    BALANCERS,
    MAKERS,
    Front,
    alias,
    alias_front,
    beside,
    failover_front,
    made,
    named,
    settings,
    simple,
    simple_front,
    weighted_front,
)
from tests.provider.conformance import EPOCH
from tests.provider.support import NEW, OLD
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, TemporaryError
from workflows.model.messages import Ref
from workflows.model.observed import Reach
from workflows.model.verbs import Verb


class TestSimple(AwsConformance):
    @pytest.fixture
    async def subject(self, tmp_path: Path, world: World) -> Front:
        return await simple_front(tmp_path, world)


@pytest.mark.parametrize("maker", [weighted_front, failover_front, alias_front])
async def test_every_routing_goes_there_and_back(maker: Any, tmp_path: Path, world: World) -> None:
    front: Front = await maker(tmp_path, world)
    before = await front.state()
    assert (await front.do()).changed
    reach = {site: (await front.provider().observe("front", site, "control")).reach for site in (OLD, NEW)}
    assert reach == {OLD: Reach.STANDBY, NEW: Reach.SERVING}
    assert not (await front.do()).changed
    assert (await front.undo()).changed
    assert await front.state() == before
    assert await front.count() == 2


async def test_the_epoch_stands_beside_the_records(tmp_path: Path, world: World) -> None:
    front = await simple_front(tmp_path, world)
    result = await front.do()
    assert front.guards() == [f'"epoch={EPOCH} key=failover/shop/1:front.flip_dns:{EPOCH} was={OLD}"']
    assert "TTL 60 s" in result.detail
    assert list(result.after["epochs"].values()) == [EPOCH]


async def test_half_of_the_weight_is_neither_here_nor_there(tmp_path: Path, world: World) -> None:
    front = await weighted_front(tmp_path, world)
    told = beside(NEW, Weight=50)
    front.world.change(front.zones[0], told | {"Action": "UPSERT"})
    seen = await front.provider().observe("front", OLD, "control")
    assert (seen.reach, "0 to primary" in seen.detail) == (Reach.UNKNOWN, True)


async def test_a_batch_of_an_older_reading_is_refused_by_the_service_itself(tmp_path: Path, world: World) -> None:
    """The older run has read, and claimed its register, when a newer one comes, does all its work and goes home."""
    front = await simple_front(tmp_path, world)
    front.planned = None
    loop = asyncio.get_running_loop()
    asked: list[int] = []

    def newer() -> None:
        """At the second question, which comes immediately before the batch is sent."""
        asked.append(1)
        if len(asked) == 2:
            asyncio.run_coroutine_threadsafe(_there_and_back(front), loop).result()

    older = Route53Provider(settings(*front.listed), worker(tmp_path, newer))
    with pytest.raises(PermanentError) as caught:
        await asyncio.to_thread(asyncio.run, older.flip_dns(front.request(EPOCH)))
    assert caught.value.code is Code.STALE_EPOCH
    outcomes = world.outcomes("ChangeResourceRecordSets", front.mark)
    assert outcomes == [Outcome.TOOK_EFFECT, Outcome.TOOK_EFFECT, Outcome.REFUSED]
    assert await front.state() == [records.canon([named()["ResourceRecordSet"]])]
    assert front.guards()[0].startswith('"epoch=7 ')


async def _there_and_back(front: Front) -> None:
    """Epoch 6 sends users to the new site, and epoch 7 home again: the address is the one that the older run read."""
    await front.do(EPOCH + 1)
    await front.do(EPOCH + 2, where=OLD)


async def test_what_another_hand_changes_meanwhile_is_left_as_it_is(tmp_path: Path, world: World) -> None:
    front = await simple_front(tmp_path, world)
    asked: list[int] = []

    def hand() -> None:
        asked.append(1)
        if len(asked) == 2:
            world.change(front.zones[0], record("UPSERT", "www.example.test", "203.0.113.9"))

    with pytest.raises(PermanentError) as caught:
        await front.provider(hand).flip_dns(front.request())
    assert caught.value.code is Code.PRECONDITION_CHANGED
    assert "203.0.113.9" in str(await front.state())


async def test_a_change_that_is_still_on_its_way_is_unknown_and_waited_for(
    tmp_path: Path, world: World, sim: Simulator
) -> None:
    front = await simple_front(tmp_path, world)
    sim.control.set_delays({"route53.change": 1.5})
    with pytest.raises(OutcomeUnknownError, match="on its way"):
        await front.provider(settle="300ms").flip_dns(front.request())
    result = await front.do()
    assert (result.changed, await front.count()) == (False, 1)
    assert "lost" not in result.detail


async def test_the_end_of_a_change_whose_answer_was_lost_is_not_claimed(tmp_path: Path, world: World) -> None:
    front = await simple_front(tmp_path, world)
    async with front.held():
        with pytest.raises(OutcomeUnknownError):
            await front.do()
    assert "the answer to 1 changes, which was lost" in (await front.do()).detail


async def test_another_change_that_is_not_done_yet_is_waited_for(tmp_path: Path, world: World) -> None:
    front = await simple_front(tmp_path, world)
    busy = Rule(kind=Kind.ERROR, operation=front.operation, code="PriorRequestNotComplete", times=1)
    async with front.met_by(busy):
        with pytest.raises(TemporaryError) as caught:
            await front.do()
        assert (caught.value.code, bool(caught.value.delay)) == (Code.THROTTLED, True)
        assert (await front.do()).changed


@pytest.mark.lab
@pytest.mark.parametrize("told", [True, False])
async def test_the_resolver_is_waited_for_as_long_as_the_old_answer_may_live(
    told: bool, tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name_servers.SECRET_NAME, name_servers.SECRET)
    made_zone = world.client("route53").create_hosted_zone(Name=name_servers.ZONE, CallerReference=world.name())
    zone = made_zone["HostedZone"]["Id"].removeprefix("/hostedzone/")
    old = named(name_servers.NAME)
    old["ResourceRecordSet"]["TTL"] = 1
    world.change(zone, old)
    front = await Front(tmp_path, world, simple(zone, name_servers.NAME, ttl="1s")).plan()
    with name_servers.name_server("lab", tmp_path) as port:
        name_servers.put(port, ADDRESSES[NEW if told else OLD])
        result = await front.provider(resolver=f"127.0.0.1:{port}").flip_dns(front.request())
    assert ("the resolver told it" in result.detail) == told
    assert ("did not tell it within TTL" in result.detail) != told


# --- Two zones with 1,200 records, of which the second fails ---


async def two_zones(folder: Path, world: World, count: int) -> tuple[Front, Rule]:
    """So many names in each of two zones, and what makes the second one fail."""
    names = [f"shop{number}.example.test" for number in range(count)]
    zones = [made(world, *map(alias, names)) for _ in range(2)]
    listed = [simple(zone, name, ttl=None, at=BALANCERS) for zone in zones for name in names]
    front = await Front(folder, world, *listed).plan()
    return front, Rule(kind=Kind.THROTTLE, operation=front.operation, contains=zones[1])


async def test_before_the_promote_the_first_zone_is_rolled_back(tmp_path: Path, world: World) -> None:
    front, second_fails = await two_zones(tmp_path, world, 600)
    before = await front.state()
    async with front.met_by(second_fails):
        with pytest.raises(OutcomeUnknownError, match="1 of 2 zones are changed"):
            await front.do()
        halfway = await front.provider().observe("front", OLD, "control")
        assert (halfway.reach, "600 to recovery" in halfway.detail) == (Reach.UNKNOWN, True)
        assert (await front.undo()).changed
    assert await front.state() == before
    assert front.guards()[1] == ""
    assert not (await front.undo()).changed


async def test_after_the_promote_it_is_finished_forward(tmp_path: Path, world: World) -> None:
    front, second_fails = await two_zones(tmp_path, world, 5)
    async with front.met_by(second_fails):
        with pytest.raises(OutcomeUnknownError):
            await front.do()
    assert (await front.do()).changed
    assert (await front.provider().observe("front", NEW, "control")).reach is Reach.SERVING
    assert await front.count() == 2


# --- What is refused before anything is sent ---


def test_no_record_is_ever_left_without_an_answer() -> None:
    for at in ({"values": []}, {}, {"values": ["192.0.2.1"], **BALANCERS[OLD]}):
        with pytest.raises(ValidationError, match="never left without an answer"):
            settings(simple("Z1234567", at={OLD: at, NEW: AT[NEW]}))
    record_ = settings(simple("Z1234567")).records[0]
    zone = records.Zone("Z1234567", (record_,), ((),), None)
    ref = Ref(workflow_id="failover/shop/1", application="shop", step="front.flip_dns", epoch=1)
    weightless = {"Name": "www.example.test.", "Type": "A", "ResourceRecords": [{"Value": "192.0.2.1"}], "Weight": 0}
    for sets in ((), ({"Name": "www.example.test.", "Type": "A", "ResourceRecords": []},), (weightless,)):
        with pytest.raises(PermanentError, match="without an answer"):
            records.batch(zone, (sets,), ref)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ttl": None}, "`ttl`, at least 1s"),
        ({"at": {OLD: AT[OLD]}}, "names exactly the sites"),
        ({"at": {OLD: AT[OLD], NEW: AT[OLD]}}, "nobody could tell them apart"),
        ({"type": "AAAA"}, "192.0.2.1"),
        ({"type": "CNAME", "at": BALANCERS}, "a CNAME has exactly one value"),
        ({"zone": "i-0123456789abcdef0"}, "pattern"),
        ({"routing": "weighted"}, "set_identifier"),
    ],
)
def test_settings_that_mean_nothing_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(simple("Z1234567") | changes)


def test_more_than_one_batch_can_hold_is_refused() -> None:
    many = [simple("Z1234567", f"n{number}.example.test") for number in range(500)]
    assert settings(*many[:499])
    with pytest.raises(ValidationError, match="of which Route 53 takes 1000"):
        settings(*many)


async def test_a_record_of_another_routing_is_named(tmp_path: Path, world: World) -> None:
    front = await weighted_front(tmp_path, world)
    front.listed = (simple(front.zones[0]),)
    with pytest.raises(PermanentError, match="it is not a simple one") as caught:
        await front.do()
    assert caught.value.code is Code.CONFIGURATION
    assert await front.count() == 0


async def test_weight_that_the_runbook_does_not_know_is_named(tmp_path: Path, world: World) -> None:
    front = await weighted_front(tmp_path, world)
    third = beside(NEW, Weight=1)
    third["ResourceRecordSet"]["SetIdentifier"] = "third"
    world.change(front.zones[0], third)
    with pytest.raises(PermanentError, match="others beside those of the runbook have weight"):
        await front.do()


async def test_few_names_are_asked_for_and_many_are_read_by_pages(tmp_path: Path, world: World) -> None:
    def asked() -> int:
        return sum(call.count for call in world.sim.control.calls() if call.operation == "ListResourceRecordSets")

    names = [f"shop{number}.example.test" for number in range(3)]
    zone = made(world, *map(named, names))
    for listed, calls in ((names[:1], 2), (names, 1)):
        start = asked()
        await Front(tmp_path, world, *(simple(zone, name) for name in listed)).plan()
        assert asked() - start == calls


async def test_a_failover_leaves_the_failed_region_alone(tmp_path: Path, world: World, sim: Simulator) -> None:
    """But for the control plane of Route 53 itself, which is there, and nowhere else."""
    front = await simple_front(tmp_path, world)
    sim.control.set_faults([Rule(kind=Kind.REGION_GONE, region=EAST)])
    assert (await front.do()).changed
    sim.control.set_faults([Rule(kind=Kind.REGION_GONE, region=EAST, with_global=True)])
    assert (await front.provider().observe("front", NEW, "control")).reach is Reach.SILENT


# --- By hand ---


@pytest.mark.parametrize("routing", MAKERS)
async def test_the_commands_are_the_same_batches(routing: str, tmp_path: Path, world: World) -> None:
    front = await MAKERS[routing](tmp_path, world)
    hand = front.provider().by_hand(Verb.FLIP_DNS, front.request())
    before = await front.state()
    for command in (*hand.act, *hand.undo):
        words = shlex.split(command.line)
        assert words[:5] == ["aws", "--region", WEST, "route53", "change-resource-record-sets"]
        given = dict(zip(words[5::2], words[6::2], strict=True))
        world.client("route53").change_resource_record_sets(
            HostedZoneId=given["--hosted-zone-id"], ChangeBatch=json.loads(given["--change-batch"])
        )
        if command in hand.act:
            assert not (await front.do()).changed or await front.count() == 1
            assert (await front.provider().observe("front", NEW, "control")).reach is Reach.SERVING
    assert await front.state() == before
