"""The kind `aws.s3`, against the simulator: a planned move from one bucket to the other."""

import asyncio
from pathlib import Path

import pytest

from infra.awssim.faults import Kind, Rule
from tests.awssim.world import EAST, World
from tests.provider.aws.kit import AwsConformance
from tests.provider.aws.s3_kit import THEIRS, Buckets
from tests.provider.conformance import EPOCH
from tests.provider.support import NEW, OLD
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import FenceProof, Reach
from workflows.model.plan import Mode


class Fence(Buckets):
    operation = "PutBucketPolicy"
    undoable = True

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        return await self.provider(over).fence(self.asked("fence", epoch, where or OLD, before=self.planned))

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        return await self.provider().unfence(self.asked("fence", epoch, OLD, undo=True, result=result))

    async def disturb(self) -> None:
        self.planned = await self.provider().observe("media", OLD, "control")
        self.stand_by(OLD)


class TestFence(AwsConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Fence:
        return Fence(tmp_path, world)

    async def test_its_proof_is_a_refused_write_that_leaves_no_trace(self, subject: Fence) -> None:
        subject.put(OLD, a="1")
        assert await subject.provider().probe_write(OLD) is Reach.SERVING
        proof = (await subject.do()).proof
        assert proof
        assert (proof.proven, proof.write_probe, bool(proof.position)) == (True, Reach.REFUSED, True)
        with pytest.raises(subject.s3[OLD].exceptions.ClientError, match="AccessDenied"):
            subject.put(OLD, a="2")
        with pytest.raises(subject.s3[OLD].exceptions.ClientError, match="AccessDenied"):
            subject.s3[OLD].delete_object(Bucket=subject.buckets[OLD], Key="a")
        assert not subject.effects("PutObject")[1:]

    async def test_what_others_wrote_into_the_policy_stays(self, subject: Fence) -> None:
        await subject.do()
        assert THEIRS in subject.policy(OLD)
        await subject.undo()
        assert subject.policy(OLD) == [THEIRS]

    async def test_a_standby_is_no_writer_and_a_region_that_is_gone_is_silent(self, subject: Fence) -> None:
        provider = subject.provider()
        assert await provider.probe_write(NEW) is Reach.STANDBY
        assert (await provider.observe("media", NEW, "control")).reach is Reach.STANDBY
        assert (await provider.observe("media", NEW, "control")).facts["receiving"]
        async with subject.met_by(Rule(kind=Kind.REGION_GONE, region=EAST)):
            assert await provider.probe_write(OLD) is Reach.SILENT
            assert (await provider.observe("media", OLD, "control")).reach is Reach.SILENT
            assert not (await provider.observe("media", NEW, "control")).facts["receiving"]


class Sync(Buckets):
    operation = "CopyObject"

    def __init__(self, folder: Path, world: World) -> None:
        super().__init__(folder, world)
        self.put(OLD, a="1")

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        return await self.provider(over).sync_delta(self.asked("sync", epoch, where or NEW))

    async def disturb(self) -> None:
        self.set_policy(NEW, [THEIRS])


class TestSync(AwsConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Sync:
        return Sync(tmp_path, world)

    async def test_a_world_that_changed_since_the_plan_is_refused(self, subject: Sync) -> None:  # type: ignore[override]
        """A bucket that takes writes is never overwritten, whatever was planned."""
        await subject.disturb()
        with pytest.raises(PermanentError) as caught:
            await subject.do()
        assert (caught.value.code, subject.held_at(NEW)) == (Code.ROLE_MISMATCH, {})

    async def test_only_what_is_new_comes_and_deletions_follow(self, subject: Sync) -> None:
        subject.put(OLD, b="2", c="3")
        await subject.do()
        subject.put(OLD, b="two")
        subject.s3[OLD].delete_object(Bucket=subject.buckets[OLD], Key="c")
        result = await subject.do()
        assert subject.held_at(NEW) == {"a": "1", "b": "two"}
        assert (result.after["copied"], result.after["deleted"]) == (1, 1)

    async def test_more_deletions_than_the_runbook_allows_are_not_begun(self, subject: Sync) -> None:
        subject.put(OLD, **{f"key-{number}": "x" for number in range(6)})
        await subject.do()
        for number in range(6):
            subject.s3[OLD].delete_object(Bucket=subject.buckets[OLD], Key=f"key-{number}")
        with pytest.raises(PermanentError) as caught:
            await subject.do()
        assert caught.value.code is Code.LIMIT_EXCEEDED
        assert len(subject.held_at(NEW)) == 7

    async def test_a_large_object_comes_in_parts_with_what_belongs_to_it(self, subject: Sync) -> None:
        whole, s3 = b"x" * (6 * 2**20), subject.s3[OLD]
        s3.put_object(
            Bucket=subject.buckets[OLD], Key="large", Body=whole, Metadata={"owner": "ann"}, ContentType="video/mp4"
        )
        subject.more = {"multipart_over": 5 * 2**20, "part_bytes": 5 * 2**20}
        await subject.do()
        found = subject.s3[NEW].get_object(Bucket=subject.buckets[NEW], Key="large")
        assert found["Body"].read() == whole
        assert (found["Metadata"], found["ContentType"]) == ({"owner": "ann"}, "video/mp4")
        assert len(subject.effects("UploadPartCopy")) == 2

    async def test_where_the_service_replicates_nothing_is_copied_and_it_is_waited_for(self, subject: Sync) -> None:
        subject.replicate_by_service()
        task = asyncio.create_task(subject.do())
        await asyncio.sleep(0.5)
        assert not task.done()
        deny = subject.policy(NEW)
        subject.set_policy(NEW, [THEIRS])
        subject.put(NEW, a="1")  # The service brings it: the simulator copies nothing.
        subject.set_policy(NEW, deny)
        await task
        assert not subject.effects()

    async def test_nobody_is_asked_in_the_lost_region(self, subject: Sync) -> None:
        proof = FenceProof.model_validate(
            {
                "component": "media", "site": OLD, "epoch": EPOCH, "method": "power", "proven": True,
                "write_probe": "silent", "at": "2026-01-01T00:00:00Z",
            }
        )  # fmt: skip
        asked = subject.asked("sync", proofs=(proof,), mode=Mode.UNPLANNED)
        async with subject.met_by(Rule(kind=Kind.REGION_GONE, region=EAST)):
            assert not (await subject.provider().sync_delta(asked)).changed
            await subject.provider().promote(subject.asked("promote"))
        subject.put(NEW, b="2")
        assert subject.held_at(NEW) == {"b": "2"}


class Promote(Buckets):
    operation = "PutBucketPolicy"

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        asked = self.asked("promote", epoch, where or NEW, before=self.planned)
        return await self.provider(over).promote(asked)

    async def disturb(self) -> None:
        self.planned = await self.provider().observe("media", NEW, "control")
        self.set_policy(NEW, [THEIRS])


class TestPromote(AwsConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Promote:
        return Promote(tmp_path, world)

    async def test_it_takes_writes_and_says_since_when(self, subject: Promote) -> None:
        await subject.do()
        assert await subject.provider().probe_write(NEW) is Reach.SERVING
        subject.put(NEW, a="1")
        seen = await subject.provider().observe("media", NEW, "control")
        assert (seen.reach, seen.facts["epoch"], subject.policy(NEW)) == (Reach.SERVING, EPOCH, [THEIRS])


async def _moved(subject: Buckets) -> StepRequest:
    """Fence, catch up, promote; what the last one was asked."""
    provider = subject.provider()
    proof = (await provider.fence(subject.asked("fence", where=OLD))).proof
    assert proof
    asked = subject.asked("promote", position=proof.position, proofs=(proof,), mode=Mode.PLANNED)
    await provider.sync_delta(asked)
    await provider.promote(asked)
    return asked


async def test_a_planned_move_loses_nothing_and_the_old_bucket_follows(tmp_path: Path, world: World) -> None:
    subject = Buckets(tmp_path, world)
    subject.put(OLD, a="1", b="2")
    await _moved(subject)
    subject.put(NEW, b="two", c="3")
    provider, home = subject.provider(), subject.asked("home", EPOCH, OLD)
    assert not (await provider.archive_diverged(home)).changed
    await provider.rebuild_replica(home)
    assert subject.held_at(OLD) == subject.held_at(NEW) == {"a": "1", "b": "two", "c": "3"}
    assert subject.sids(OLD) == ["theirs", "seawall-standby"]
    await provider.protect(subject.asked("protect"))
    found = (await provider.verify_consistency(subject.asked("verify"))).consistency
    assert found
    assert found.equal
    back = subject.asked("back", EPOCH + 1)
    turned = back.target.model_copy(update={"site": NEW, "source": NEW, "target": OLD})
    proof = (await provider.fence(back.model_copy(update={"target": turned}))).proof
    assert proof
    there = turned.model_copy(update={"site": OLD})
    asked = back.model_copy(update={"target": there, "position": proof.position, "mode": Mode.PLANNED})
    await provider.sync_delta(asked)
    await provider.promote(asked)
    assert await provider.probe_write(OLD) is Reach.SERVING
    assert await provider.probe_write(NEW) is Reach.REFUSED


async def test_a_copy_that_is_not_what_was_fenced_is_not_promoted(tmp_path: Path, world: World) -> None:
    subject = Buckets(tmp_path, world)
    subject.put(OLD, a="1")
    proof = (await subject.provider().fence(subject.asked("fence", where=OLD))).proof
    assert proof
    with pytest.raises(PermanentError) as caught:
        await subject.provider().promote(subject.asked("promote", position=proof.position))
    assert caught.value.code is Code.TARGET_UNFIT
    assert await subject.provider().probe_write(NEW) is Reach.STANDBY


@pytest.mark.parametrize("by_service", [False, True], ids=["by us", "by the service, one way"])
async def test_what_only_the_old_bucket_has_is_kept_before_it_is_overwritten(
    tmp_path: Path, world: World, by_service: bool
) -> None:
    subject = Buckets(tmp_path, world)
    if by_service:
        subject.replicate_by_service(NEW, OLD)
    subject.put(OLD, a="1", b="2")
    provider, home = subject.provider(), subject.asked("home", EPOCH, OLD)
    await provider.sync_delta(subject.asked("sync"))
    await provider.promote(subject.asked("promote"))
    seen = await provider.observe("media", OLD, "control")
    assert (seen.reach, seen.facts["role"]) == (Reach.STANDBY, "superseded")
    assert await provider.probe_write(OLD) is Reach.SERVING
    subject.put(OLD, b="late", c="only here")
    subject.put(NEW, a="newer")
    with pytest.raises(PermanentError, match="not archived"):
        await provider.rebuild_replica(home)
    result = await provider.archive_diverged(home)
    assert result.divergence
    assert [(table.table, table.keys) for table in result.divergence.tables] == [(".", ("b", "c"))]
    beneath = f"_seawall/diverged/{EPOCH}/"
    assert subject.held_at(NEW, beneath) == {f"{beneath}b": "late", f"{beneath}c": "only here"}
    assert not (await provider.archive_diverged(home)).changed
    await provider.rebuild_replica(home)
    assert subject.held_at(OLD) == {"a": "newer", "b": "2"}
    with pytest.raises(subject.s3[OLD].exceptions.ClientError, match="AccessDenied"):
        subject.put(OLD, b="again")


async def test_a_bucket_that_was_promoted_later_is_not_made_a_copy(tmp_path: Path, world: World) -> None:
    subject = Buckets(tmp_path, world)
    await subject.provider().promote(subject.asked("promote"))
    asked = subject.asked("home", EPOCH + 1, NEW)
    wrong = asked.target.model_copy(update={"source": NEW, "target": OLD})
    with pytest.raises(PermanentError) as caught:
        await subject.provider().rebuild_replica(asked.model_copy(update={"target": wrong}))
    assert caught.value.code is Code.ROLE_MISMATCH
    assert subject.sids(NEW) == ["theirs"]


async def test_a_copy_that_somebody_wrote_to_is_named(tmp_path: Path, world: World) -> None:
    subject = Buckets(tmp_path, world)
    subject.put(OLD, a="1", b="2")
    await subject.provider().sync_delta(subject.asked("sync"))
    deny = subject.policy(NEW)
    subject.set_policy(NEW, [THEIRS])
    await asyncio.sleep(1.1)
    subject.put(NEW, a="not theirs")
    subject.set_policy(NEW, deny)
    with pytest.raises(PermanentError, match="differ between primary and recovery: a") as caught:
        await subject.provider().verify_consistency(subject.asked("verify"))
    assert caught.value.code is Code.INCONSISTENT


async def test_a_replication_that_stands_still_is_found_by_a_marker(tmp_path: Path, world: World) -> None:
    subject = Buckets(tmp_path, world)
    subject.replicate_by_service()
    with pytest.raises(PermanentError) as caught:
        await subject.provider(frozen_after="300ms").measure_lag(subject.asked("lag"))
    assert caught.value.code is Code.REPLICA_FROZEN


async def test_without_replication_the_lag_is_the_age_of_what_has_not_come(tmp_path: Path, world: World) -> None:
    subject = Buckets(tmp_path, world)
    subject.put(OLD, a="1")
    result = await subject.provider().measure_lag(subject.asked("lag"))
    assert 0 <= result.after["lag_seconds"] < 30
    assert result.after["lag_bytes"] == 1
    await subject.provider().sync_delta(subject.asked("sync"))
    assert (await subject.provider().measure_lag(subject.asked("lag"))).after["lag_seconds"] == 0
