"""The kind `aws.s3`: marks in the serving bucket, and what they tell was lost."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from activities.providers import marks
from activities.providers.marks import Mark
from tests.awssim.world import World
from tests.provider.aws.s3_kit import Buckets
from tests.provider.support import NEW, OLD, eventually
from workflows.model.observed import Loss, Reach
from workflows.model.runbook import Marker

MARKER = Marker.model_validate({"interval": "20ms"})
KEY = "_seawall/mark.json"


@pytest.fixture
def subject(tmp_path: Path, world: World) -> Buckets:
    return Buckets(tmp_path, world)


def noted(subject: Buckets, site: str = OLD) -> list[Mark]:
    return marks.noted(subject.provider().ledger("media", site), Mark)


@contextlib.asynccontextmanager
async def marking(subject: Buckets, site: str, more: int) -> AsyncIterator[None]:
    """Mark a site; when the block is left, `more` marks have been acknowledged since it was entered."""
    before = len(noted(subject, site))
    task = asyncio.create_task(subject.provider().keep_marking("media", MARKER, site))
    try:
        yield
        await asyncio.to_thread(eventually, lambda: len(noted(subject, site)) >= before + more)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def in_bucket(subject: Buckets, site: str) -> Mark | None:
    found = subject.held_at(site, KEY).get(KEY)
    return Mark.model_validate_json(found) if found else None


async def loss(subject: Buckets) -> Loss:
    """What is told after the promotion, by the worker that has kept the ledger."""
    asked = subject.asked("measure_loss")
    asked = asked.model_copy(update={"target": asked.target.model_copy(update={"name": "media"})})
    found = (await subject.provider().measure_loss(asked)).loss
    assert found is not None
    return found


async def test_what_was_marked_after_the_last_that_came_is_lost(subject: Buckets) -> None:
    async with marking(subject, OLD, more=2):
        pass
    await subject.provider().sync_delta(subject.asked("sync"))
    kept = in_bucket(subject, NEW)
    assert kept == in_bucket(subject, OLD)
    async with marking(subject, OLD, more=2):
        pass
    await subject.provider().promote(subject.asked("promote"))
    found, last = await loss(subject), noted(subject)[-1]
    assert kept is not None
    assert found.seconds == (last.at - kept.at).total_seconds() > 0
    assert (found.last_kept_marker, found.first_lost_marker) == (kept.number, kept.number + 1)


async def test_marks_that_are_written_after_the_promotion_change_nothing(subject: Buckets) -> None:
    async with marking(subject, OLD, more=1):
        pass
    await subject.provider().sync_delta(subject.asked("sync"))
    await subject.provider().promote(subject.asked("promote"))
    async with marking(subject, NEW, more=2):
        pass
    assert not (await subject.provider().promote(subject.asked("promote"))).changed
    found = await loss(subject)
    assert (found.seconds, found.first_lost_marker) == (0.0, None)


async def test_a_bucket_that_stands_by_or_is_fenced_is_not_marked(subject: Buckets) -> None:
    await subject.provider().fence(subject.asked("fence", where=OLD))
    for site in (OLD, NEW):
        async with marking(subject, site, more=0):
            await asyncio.sleep(0.3)
        assert noted(subject, site) == []
        assert in_bucket(subject, site) is None


async def test_without_marks_loss_is_not_measured(subject: Buckets) -> None:
    await subject.provider().promote(subject.asked("promote"))
    found = await loss(subject)
    assert (found.seconds, found.method) == (None, "There are no markers to measure by.")


async def test_the_record_of_a_promotion_that_is_replicated_is_not_the_other_buckets_own(subject: Buckets) -> None:
    await subject.provider().promote(subject.asked("promote"))
    records = subject.held_at(NEW, "_seawall/standing/")
    assert [json.loads(content)["epoch"] for content in records.values()] == [5]
    subject.put(OLD, **records)  # as the service's replication does, when the lost region is back
    provider = subject.provider()
    seen = await provider.observe("media", OLD, "control")
    assert (seen.reach, seen.facts["role"]) == (Reach.STANDBY, "superseded")
    assert (await provider.observe("media", NEW, "control")).reach is Reach.SERVING
    await provider.rebuild_replica(subject.asked("rebuild", where=OLD))
    assert (await provider.observe("media", OLD, "control")).facts["role"] == "standby"
