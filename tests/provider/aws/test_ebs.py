"""The kind `aws.ebs`, against the simulator: a set is taken and copied, and kept for a while."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activities.providers.aws.ebs import PROVIDER
from activities.providers.aws.ebs.sets import GIB
from activities.providers.base import now
from infra.awssim.faults import Kind, Rule
from tests.awssim.world import EAST, WEST, World
from tests.provider.aws.ebs_kit import KEY, NAMES, Restore, Snapshot
from tests.provider.aws.kit import AwsConformance, persist
from tests.provider.support import NEW, OLD
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError


class TestSnapshot(AwsConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Snapshot:
        return Snapshot(tmp_path, world)

    async def test_a_copy_whose_answer_is_lost_is_made_once(self, subject: Snapshot) -> None:
        async with subject.met_by(Rule(kind=Kind.CUT, operation="CopySnapshot", times=1)):
            with pytest.raises(OutcomeUnknownError):
                await subject.do()
        await subject.do()
        assert len(subject.effects("CopySnapshot")) == 1

    async def test_a_set_that_is_too_large_is_not_begun(self, subject: Snapshot) -> None:
        large = subject.ec2[OLD].create_volume(AvailabilityZone=f"{EAST}a", Size=11)["VolumeId"]
        subject.ec2[OLD].detach_volume(
            VolumeId=subject.volumes["data"], InstanceId=subject.instances[OLD], Device=NAMES["data"]
        )
        subject.attach(OLD, large, NAMES["data"])
        with pytest.raises(PermanentError) as caught:
            await subject.do()
        assert (caught.value.code, await subject.state()) == (Code.LIMIT_EXCEEDED, [[], []])

    async def test_a_whole_copy_is_known_without_the_source(self, subject: Snapshot) -> None:
        await subject.do()
        async with subject.met_by(Rule(kind=Kind.REGION_GONE, region=EAST)):
            assert not (await subject.do()).changed
            chosen = await subject.provider().choose_recovery_point(subject.asked("choose"))
        assert chosen.point

    async def test_it_takes_the_time_that_it_takes_and_says_so(self, subject: Snapshot) -> None:
        subject.sim.control.set_delays({"ec2.snapshot": 0.5})
        started = now()
        point = (await subject.do()).point
        assert point
        assert now() - started > timedelta(seconds=1)


class Pair(Snapshot):
    names = ("data", "log")


async def test_a_set_is_one_moment_of_its_volumes_and_of_no_others(tmp_path: Path, world: World) -> None:
    subject = Pair(tmp_path, world)
    point = await subject.taken()
    assert len(subject.effects("CreateSnapshots")) == 1
    assert {one["VolumeId"] for one in subject.snapshots(OLD)} == set(subject.volumes.values())
    assert all(one["Encrypted"] for one in subject.snapshots(NEW))
    assert (point.size, bool(point.verified), point.kind) == (2 * GIB, True, "snapshot")
    assert "crash-consistent" in point.proof


async def test_a_set_that_lacks_a_volume_is_named_and_never_chosen(tmp_path: Path, world: World) -> None:
    subject = Pair(tmp_path, world)
    first = await subject.taken(verb="first")
    second = await subject.taken(verb="second")
    newest = [one for one in subject.snapshots(NEW) if {"Key": "seawall:set", "Value": second.name} in one["Tags"]]
    subject.ec2[NEW].delete_snapshot(SnapshotId=newest[0]["SnapshotId"])
    chosen = await subject.provider().choose_recovery_point(subject.asked("choose"))
    assert chosen.point
    assert chosen.point.name == first.name
    assert second.name in chosen.detail
    with pytest.raises(PermanentError, match="not whole"):
        await subject.provider().restore(subject.asked("restore", point=second))


async def test_images_go_with_the_set_and_the_point_names_them(tmp_path: Path, world: World) -> None:
    subject = Snapshot(tmp_path, world)
    image = world.image(EAST)
    subject.images = [image]
    async with subject.met_by(Rule(kind=Kind.CUT, operation="CopyImage", times=1)):
        result = await persist(subject.do)
    made = result.after["images"][image]
    assert subject.ec2[NEW].describe_images(ImageIds=[made])["Images"][0]["State"] == "available"
    assert len(subject.effects("CopyImage")) == 1
    (listed,) = (await subject.provider().list_points(subject.asked("list"))).points
    assert f"image {image} is {made} there" in listed.proof


async def test_what_is_old_goes_at_both_sites_and_the_newest_stay(tmp_path: Path, world: World) -> None:
    subject = Snapshot(tmp_path, world)
    points = []
    for number in range(4):
        points.append(await subject.taken(verb=f"take-{number}"))
        await asyncio.sleep(1.0)  # The simulator's times of snapshots are whole seconds.
    strange = world.client("ec2", WEST).create_snapshot(VolumeId=world.volume(f"{WEST}a"))["SnapshotId"]
    restore = Restore(tmp_path, world)
    restore.instances, restore.point = subject.instances, points[0]
    await restore.do()
    await restore.undo()
    asked = subject.asked("prune")
    with pytest.raises(PermanentError) as caught:
        await subject.provider(prune_cap=4).prune(asked)
    assert caught.value.code is Code.LIMIT_EXCEEDED
    assert len(subject.snapshots(NEW)) == 4
    result = await subject.provider().prune(asked)
    kept = {tag["Value"] for one in subject.snapshots(NEW) for tag in one["Tags"] if tag["Key"] == "seawall:set"}
    assert kept == {point.name for point in points[2:]}
    assert len(subject.snapshots(OLD)) == 2
    assert len(result.after["volumes"]) == 1
    assert world.client("ec2", WEST).describe_snapshots(SnapshotIds=[strange])["Snapshots"]
    assert not (await subject.provider().prune(asked)).changed


async def test_a_clean_up_does_without_a_site_that_is_gone(tmp_path: Path, world: World) -> None:
    subject = Snapshot(tmp_path, world)
    for number in range(3):
        await subject.taken(verb=f"take-{number}")
    async with subject.met_by(Rule(kind=Kind.REGION_GONE, region=EAST)):
        result = await subject.provider().prune(subject.asked("prune"))
    assert len(result.after["removed"]) == 1
    assert "nothing was removed" in result.detail


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"zone": f"{EAST}a"}, "is not in"),
        ({"kms_key": KEY.replace(WEST, EAST)}, "must be a key of"),
        ({"volumes": {"other": {"instance": "i-0123456789abcdef0", "device": "/dev/sdf"}}}, "the same names"),
        ({"volumes": {"data": {"instance": "vol-0123456789abcdef0", "device": "/dev/sdf"}}}, "String should match"),
    ],
)
def test_settings_that_cannot_be_right_are_refused(change: dict[str, Any], words: str) -> None:
    place = {"instance": "i-0123456789abcdef0", "device": "/dev/sdf"}
    sites: dict[str, Any] = {
        site: {"region": region, "zone": f"{region}a", "volumes": {"data": place}, "size_cap": 1}
        for site, region in ((OLD, EAST), (NEW, WEST))
    }
    PROVIDER.Settings.model_validate({"sites": sites, "prune_cap": 1})
    sites[NEW] |= change
    with pytest.raises(ValidationError, match=words):
        PROVIDER.Settings.model_validate({"sites": sites, "prune_cap": 1})
