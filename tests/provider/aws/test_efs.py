"""The kind `aws.efs`, against the simulator."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pydantic import ValidationError

from activities.providers.aws.efs import PROVIDER
from activities.providers.aws.efs.provider import EfsProvider
from infra.awssim.faults import Kind, Rule
from infra.awssim.handle import Simulator
from tests.awssim.world import EAST, WEST, World
from tests.provider.aws.kit import REGIONS, AwsConformance, AwsSubject, worker
from tests.provider.conformance import EPOCH, over
from tests.provider.support import NEW, OLD, request
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import FenceProof, Reach
from workflows.model.plan import Mode
from workflows.model.runbook import Component

MEDIA = Component.model_validate({"role": "data", "kind": "aws.efs", "replication": {"mode": "continuous"}})
THEIRS = {"Sid": "theirs", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "elasticfilesystem:ClientMount"}


class Pair(AwsSubject):
    """A file system in the east that is replicated to one in the west."""

    operation, verb, undo_verb = "none", "observe", ""
    acts_at, mode = NEW, Mode.UNPLANNED

    def __init__(self, folder: Path, world: World) -> None:
        self.efs = {site: world.client("efs", region) for site, region in REGIONS.items()}
        self.ids = {site: self.make(site, world.name()) for site in REGIONS}
        self.replicate(OLD, NEW)
        super().__init__(folder, world)
        self.planned: Any = None
        self.proofs: tuple[FenceProof, ...] = ()

    def make(self, site: str, token: str, **more: Any) -> str:
        return str(self.efs[site].create_file_system(CreationToken=token, **more)["FileSystemId"])

    def replicate(self, source: str, target: str) -> None:
        self.efs[target].update_file_system_protection(
            FileSystemId=self.ids[target], ReplicationOverwriteProtection="DISABLED"
        )
        wanted = [{"Region": REGIONS[target], "FileSystemId": self.ids[target]}]
        self.efs[source].create_replication_configuration(SourceFileSystemId=self.ids[source], Destinations=wanted)

    def follows(self, site: str) -> str | None:
        """The source of what stands at a site."""
        try:
            (found,) = self.efs[site].describe_replication_configurations(FileSystemId=self.ids[site])["Replications"]
        except ClientError:
            return None
        copy = found["Destinations"][0]["FileSystemId"]
        return str(found["SourceFileSystemId"]) if copy == self.ids[site] else None

    def sids(self, site: str) -> list[str] | None:
        try:
            found = self.efs[site].describe_file_system_policy(FileSystemId=self.ids[site])
        except ClientError:
            return None
        return [one["Sid"] for one in json.loads(found["Policy"])["Statement"]]

    def put(self, site: str, *statements: dict[str, Any]) -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self.efs[site].put_file_system_policy(FileSystemId=self.ids[site], Policy=document)

    def provider(self, over_: bool = False, **more: Any) -> EfsProvider:
        sites = {site: {"region": region, "file_system": self.ids[site]} for site, region in REGIONS.items()}
        limits = {"read_timeout": "3s", "settle": "8s", "policy_takes": "0s", "follows_within": "8s"}
        settings = PROVIDER.Settings.model_validate({"sites": sites, **limits, **more})
        return EfsProvider(settings, worker(self.folder, over if over_ else lambda: None))

    def asked(self, where: str = "", epoch: int = EPOCH, old: str = OLD, new: str = NEW, **more: Any) -> StepRequest:
        found = request(
            where or self.acts_at,
            f"media.{self.verb}",
            epoch,
            MEDIA,
            before=self.planned,
            mode=self.mode,
            proofs=self.proofs,
            **more,
        )
        target = found.target.model_copy(update={"source": old, "target": new})
        return self.own(found.model_copy(update={"target": target}))

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        done: StepResult = await getattr(self.provider(over, overwrite=True), self.verb)(self.asked(where, epoch))
        return done

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        asked = self.asked(epoch=epoch, undo=True, result=result)
        done: StepResult = await getattr(self.provider(), self.undo_verb)(asked)
        return done

    async def state(self) -> Any:
        return [(self.follows(site), self.sids(site)) for site in REGIONS]

    async def disturb(self) -> None:
        self.planned = await self.provider().observe("media", self.acts_at, "control")
        self.put(self.acts_at, THEIRS | {"Sid": "seawall-fence-3"})


class Fenced(Pair):
    operation, verb, undo_verb, acts_at, mode = "PutFileSystemPolicy", "fence", "unfence", OLD, Mode.PLANNED


class TestFence(AwsConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Fenced:
        return Fenced(tmp_path, world)

    async def test_the_probe_is_refused_and_what_is_not_proved_is_said(self, subject: Fenced) -> None:
        assert await subject.provider().probe_write(OLD) is Reach.SERVING
        proof = (await subject.do()).proof
        assert proof is not None
        assert "denies every client" in proof.method
        assert "connected before nothing is measured" in proof.detail
        assert await subject.provider().probe_write(OLD) is Reach.REFUSED

    async def test_other_statements_stay(self, subject: Fenced) -> None:
        subject.put(OLD, THEIRS)
        result = await subject.do()
        assert subject.sids(OLD) == ["theirs", f"seawall-fence-{EPOCH}"]
        await subject.undo(result=result)
        assert subject.sids(OLD) == ["theirs"]

    async def test_it_waits_until_the_policy_counts_as_taken_effect(self, subject: Fenced) -> None:
        done = await subject.provider(policy_takes="1s").fence(subject.asked())
        assert done.proof is not None
        assert "stood for 1.00 s" in done.proof.method


class Promoted(Pair):
    operation, verb, undoable = "DeleteReplicationConfiguration", "promote", False


class TestPromote(AwsConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Promoted:
        return Promoted(tmp_path, world)

    async def test_a_deletion_that_takes_its_time_is_waited_for_and_not_asked_for_again(
        self, subject: Promoted, sim: Simulator
    ) -> None:
        sim.control.set_delays({"efs.replication": 1000})
        with pytest.raises(PermanentError, match="never whole"):
            await subject.do()
        sim.control.set_delays({"efs.replication": 2})
        await asyncio.sleep(2)
        with pytest.raises(OutcomeUnknownError, match="DELETING"):
            await subject.provider(settle="0s").promote(subject.asked())
        assert not (await subject.do()).changed
        assert await subject.count() == 1


class Rebuilt(Pair):
    operation, verb, undoable, acts_at = "CreateReplicationConfiguration", "rebuild_replica", False, OLD

    def __init__(self, folder: Path, world: World) -> None:
        super().__init__(folder, world)
        self.efs[NEW].delete_replication_configuration(SourceFileSystemId=self.ids[OLD])
        self.mark = world.mark()


class TestRebuild(AwsConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Rebuilt:
        return Rebuilt(tmp_path, world)

    async def test_what_only_the_old_one_has_is_not_overwritten_before_the_runbook_says_so(
        self, subject: Rebuilt
    ) -> None:
        found = (await subject.provider().archive_diverged(subject.asked())).divergence
        assert found is not None
        assert (found.diverged, found.complete) == (True, False)
        with pytest.raises(PermanentError, match="cannot tell which files") as caught:
            await subject.provider().rebuild_replica(subject.asked())
        assert caught.value.code is Code.PRECONDITION_CHANGED
        assert subject.follows(OLD) is None
        assert subject.effects("UpdateFileSystemProtection") == []

    async def test_nothing_follows_what_does_not_serve(self, subject: Rebuilt) -> None:
        subject.put(NEW, THEIRS | {"Sid": "seawall-fence-3"})
        with pytest.raises(PermanentError) as caught:
            await subject.do()
        assert caught.value.code is Code.ROLE_MISMATCH


@pytest.fixture
def pair(tmp_path: Path, world: World) -> Pair:
    return Pair(tmp_path, world)


async def test_a_lost_region_is_never_asked_by_a_failover(pair: Pair, sim: Simulator) -> None:
    sim.control.set_faults([Rule(kind=Kind.REGION_GONE, region=EAST)])
    before = {call.operation: call.count for call in sim.control.calls() if call.region == EAST}
    provider = pair.provider()
    point = (await provider.choose_recovery_point(pair.asked())).point
    assert point is not None
    assert point.expected_loss.seconds is not None
    assert 0 <= point.expected_loss.seconds < 5
    await provider.sync_delta(pair.asked())
    assert (await provider.promote(pair.asked())).changed
    assert pair.effects("DeleteReplicationConfiguration")[0].region == WEST
    assert {call.operation: call.count for call in sim.control.calls() if call.region == EAST} == before
    seen = {site: (await provider.observe("media", site, "control")).reach for site in (OLD, NEW)}
    assert seen == {OLD: Reach.SILENT, NEW: Reach.SERVING}


async def test_a_replication_that_was_ended_here_alone_is_in_the_way_home(pair: Pair) -> None:
    provider = pair.provider(deletion="local", overwrite=True)
    await provider.promote(pair.asked())
    assert await provider.probe_write(NEW) is Reach.SERVING
    with pytest.raises(PermanentError, match="another file system") as caught:
        await provider.rebuild_replica(pair.asked(OLD))
    assert caught.value.code is Code.TARGET_UNFIT


async def test_it_goes_out_and_home_as_planned(pair: Pair) -> None:
    provider, pair.mode = pair.provider(), Mode.PLANNED
    for epoch, (old, new) in enumerate(((OLD, NEW), (NEW, OLD)), start=EPOCH):
        seen = {site: await provider.observe("media", site, "control") for site in (OLD, NEW)}
        steps = ((old, "fence"), (new, "sync_delta"), (new, "promote"), (old, "archive_diverged"))
        for site, verb in (*steps, (old, "rebuild_replica"), (new, "protect"), (new, "verify_consistency")):
            pair.verb = verb
            pair.planned = seen[site]
            done = await getattr(provider, verb)(pair.asked(site, epoch, old, new))
            pair.proofs += (done.proof,) if done.proof else ()
            assert done.divergence is None or not done.divergence.diverged
        assert pair.follows(old) == pair.ids[new]
        assert pair.follows(new) is None
        assert pair.sids(new) is None
        assert pair.sids(old) == [f"seawall-fence-{epoch}"]
        assert (await provider.measure_lag(pair.asked(new, epoch, old, new))).after["lag_seconds"] < 5


async def test_a_planned_move_waits_until_all_before_the_fence_has_arrived(pair: Pair, sim: Simulator) -> None:
    pair.mode = Mode.PLANNED
    proof = (await pair.provider().fence(pair.asked(OLD))).proof
    assert proof is not None
    pair.proofs = (proof,)
    sim.control.set_delays({"efs.replication": 1000})
    with pytest.raises(OutcomeUnknownError, match="the copy is as of"):
        await pair.provider(follows_within="1s").sync_delta(pair.asked())
    sim.control.set_delays({"efs.replication": 0})
    assert not (await pair.provider().sync_delta(pair.asked())).changed


async def test_a_copy_that_does_not_follow_is_frozen_and_never_promoted(pair: Pair) -> None:
    pair.efs[NEW].delete_replication_configuration(SourceFileSystemId=pair.ids[OLD])
    for verb, code in (("measure_lag", Code.REPLICA_FROZEN), ("promote", Code.PROMOTE_REFUSED)):
        pair.verb = verb
        with pytest.raises(PermanentError) as caught:
            await getattr(pair.provider(), verb)(pair.asked())
        assert caught.value.code is code


async def test_sites_that_cannot_change_places_are_told(pair: Pair, world: World) -> None:
    pair.ids[OLD] = pair.make(OLD, world.name(), Encrypted=True)
    found = (await pair.provider().compare_sites(pair.asked())).findings
    assert {one.code for one in found if one.blocking} == {"ENCRYPTION_DIFFERS", "NO_MOUNT_TARGET"}


async def test_an_earlier_moment_is_refused(pair: Pair) -> None:
    with pytest.raises(PermanentError) as caught:
        await pair.provider().choose_recovery_point(pair.asked(choice="latest-verified"))
    assert caught.value.code is Code.UNSUPPORTED


def test_every_verb_can_be_done_by_hand(pair: Pair) -> None:
    for verb in sorted(pair.provider().verbs):
        pair.verb = verb.value
        assert pair.provider().by_hand(verb, pair.asked()).commands, verb


@pytest.mark.parametrize(
    ("sites", "words"),
    [
        ({OLD: (EAST, "vol-0123456789abcdef0")}, "pattern"),
        ({OLD: (EAST, "fs-0123456789abcdef0"), NEW: (EAST, "fs-0123456789abcdef1")}, "two sites are in one region"),
    ],
)
def test_settings_that_mean_nothing_are_refused(sites: dict[str, tuple[str, str]], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        PROVIDER.Settings.model_validate(
            {"sites": {site: {"region": region, "file_system": one} for site, (region, one) in sites.items()}}
        )
