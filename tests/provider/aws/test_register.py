"""The register: who may act, what stood before, and that it never outgrows its item."""

import json
from typing import Any

import pytest

from activities.providers.aws.calls import Aws
from activities.providers.aws.register import FORGOTTEN_AT_ONCE, KEPT_RUNS, Register
from activities.providers.aws.settings import AwsSettings, AwsSite
from infra.awssim.faults import Kind, Rule
from tests.awssim.world import EAST, World
from tests.provider.conformance import EPOCH
from tests.provider.support import OLD, request
from workflows.model.failure import Code, PermanentError

FACTS = {"status": "available", "groups": ["sg-0123456789abcdef0"], "arn": "arn:aws:rds:us-east-1:123456789012:db:shop"}


class Shop:
    """An application of its own."""

    def __init__(self, world: World) -> None:
        self.world, self.name = world, world.name()
        self.aws = Aws(AwsSite(region=EAST), AwsSettings(), "run")

    def register(self, run: str, epoch: int = EPOCH, step: str = "db.promote") -> Register:
        asked = request(OLD, step, epoch)
        ref = asked.ref.model_copy(update={"workflow_id": run, "application": self.name})
        return Register(self.aws, asked.model_copy(update={"ref": ref}), OLD)

    async def replicate(self, turns: range) -> None:
        """As the schedule does: a run of its own each time, under the epoch of the last failover."""
        for turn in turns:
            run = f"replicate/{self.name}-2026-01-01T00:{turn // 60:02}:{turn % 60:02}Z"
            await self.register(run, step="db.prune").claim(FACTS)

    def notes(self) -> dict[str, Any]:
        found = self.world.client("dynamodb", EAST).get_item(
            TableName="seawall", Key={"id": {"S": f"{self.name}/db/{OLD}"}}
        )
        notes: dict[str, Any] = found["Item"]["notes"]["M"]
        return notes


@pytest.fixture
def shop(world: World) -> Shop:
    return Shop(world)


async def test_two_hundred_replications_leave_it_as_large_as_a_dozen(shop: Shop) -> None:
    await shop.register("failover/1").claim(FACTS)
    await shop.replicate(range(12))
    size = len(json.dumps(shop.notes()))
    await shop.replicate(range(12, 200))
    assert len(shop.notes()) == KEPT_RUNS + 1
    assert len(json.dumps(shop.notes())) < 1.1 * size < 10_000


async def test_a_new_epoch_begins_with_nothing(shop: Shop) -> None:
    for epoch in range(EPOCH, EPOCH + 20):
        await shop.register(f"failover/{epoch}", epoch).claim(FACTS)
    assert list(shop.notes()) == [f"failover/{EPOCH + 19}:db.promote:{EPOCH + 19}"]


async def test_after_all_of_them_a_stale_epoch_is_refused(shop: Shop) -> None:
    await shop.register("failover/1", EPOCH - 1).claim(FACTS)
    await shop.replicate(range(KEPT_RUNS + 2))
    late = shop.register("failover/1", EPOCH - 1)
    for ask in (lambda: late.claim(FACTS), late.noted, lambda: late.intend("vol", "way")):
        with pytest.raises(PermanentError) as caught:
            await ask()
        assert caught.value.code is Code.STALE_EPOCH


async def test_a_run_finds_its_notes_as_long_as_it_goes_on(shop: Shop) -> None:
    mine = shop.register("failover/1")
    await shop.replicate(range(KEPT_RUNS + 2))
    await mine.claim({"was": "running"})
    await mine.intend("vol-1", "m5.large")
    for step in range(KEPT_RUNS + 2):
        await shop.register("failover/1", step=f"web-{step}.start").claim(FACTS)
    assert await mine.claim({"was": "stopped"}) == {"was": "running"}
    assert await mine.noted() == {"was": "running"}
    assert await mine.intended() == {"vol-1": "m5.large"}


async def test_runs_beside_each_other_keep_what_they_noted(shop: Shop) -> None:
    runs = [f"replicate/{number}" for number in range(KEPT_RUNS + 1)]
    for step in ("one", "two", "three"):
        for run in runs:
            await shop.register(run, step=f"db.{step}").claim({"by": run})
    assert [await shop.register(run, step="db.one").noted() for run in runs] == [{"by": run} for run in runs]


async def test_what_a_large_run_left_goes_bit_by_bit(shop: Shop) -> None:
    large = shop.register("replicate/large")
    await large.claim(FACTS)
    for number in range(FORGOTTEN_AT_ONCE + 20):
        await large.intend(f"i-{number:017}", "m5.large in us-east-1a, and then m5a.large in us-east-1b")
    await shop.replicate(range(KEPT_RUNS + 1))
    assert len(await large.intended()) in (20, 21)  # with its claim or without: a map has no order
    await shop.replicate(range(KEPT_RUNS + 1, KEPT_RUNS + 2))
    assert await large.noted() is None
    assert not await large.intended()


async def test_a_claim_is_told_what_stands_without_asking_for_it(shop: Shop) -> None:
    await shop.register("failover/1").claim(FACTS)
    for expected, step in ((2, "db.fence"), (1, "db.fence")):
        shop.aws.calls.clear()
        await shop.register("failover/1", step=step).claim(FACTS)
        assert shop.aws.calls == {"update_item": expected}


async def test_a_claim_whose_answer_is_lost_is_the_same_claim(shop: Shop) -> None:
    control = shop.world.sim.control
    for step in ("db.first", "db.second"):
        control.set_faults([Rule(kind=Kind.CUT, operation="UpdateItem", times=1)])
        assert await shop.register("failover/1", step=step).claim({"was": step}) == {"was": step}
        assert await shop.register("failover/1", step=step).claim({"was": "else"}) == {"was": step}


async def test_an_item_that_is_taken_away_midway_is_not_believed_to_be_claimed(shop: Shop) -> None:
    await shop.register("failover/1").claim(FACTS)
    mine = shop.register("failover/1", step="db.fence")
    key = {"id": {"S": f"{shop.name}/db/{OLD}"}}
    shop.world.client("dynamodb", EAST).delete_item(TableName="seawall", Key=key)
    with pytest.raises(Exception, match="taken out of the register") as caught:
        await mine.intend("part", "way")
    assert getattr(caught.value, "code", None) is Code.OUTCOME_UNKNOWN
    assert await mine.claim({"was": "new"}) == {"was": "new"}
