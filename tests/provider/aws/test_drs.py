"""The kind `aws.drs`, against a fake of the service: servers are looked at, and launched."""

import asyncio
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activities.providers.aws.drs import PROVIDER
from activities.providers.aws.drs.look import seconds
from infra.awssim.faults import Kind, Rule
from tests.awssim.world import EAST, WEST, World
from tests.provider.aws.drs_kit import Pair, Promote
from tests.provider.aws.kit import AwsConformance
from tests.provider.conformance import EPOCH
from tests.provider.support import NEW, OLD
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, TemporaryError
from workflows.model.observed import Reach
from workflows.model.verbs import Verb


class TestPromote(AwsConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Promote:
        return Promote(tmp_path, world)

    async def test_it_needs_nothing_of_the_region_that_is_lost(self, subject: Promote) -> None:
        subject.stop(OLD, *subject.machines.values())
        async with subject.met_by(Rule(kind=Kind.REGION_GONE, region=EAST)):
            point = (await subject.provider().choose_recovery_point(subject.asked("choose"))).point
            await subject.do()
            assert await subject.provider().probe_write(NEW) is Reach.SERVING
            assert await subject.provider().probe_write(OLD) is Reach.SILENT
        assert point is not None
        assert point.position == "STALLED"

    async def test_what_an_earlier_launch_serves_is_never_ended_by_another(self, subject: Promote) -> None:
        subject.strange_launch()
        before = await subject.state()
        with pytest.raises(PermanentError) as caught:
            await subject.do()
        assert (caught.value.code, await subject.state()) == (Code.ROLE_MISMATCH, before)

    async def test_a_clone_of_a_drill_makes_way(self, subject: Promote) -> None:
        subject.strange_launch(drill=True)
        (drill,) = subject.launched()
        assert (await subject.do()).changed
        (real,) = subject.launched()
        assert (drill["isDrill"], real["isDrill"]) == (True, False)
        assert drill["recoveryInstanceID"] != real["recoveryInstanceID"]

    async def test_a_run_that_takes_over_goes_on_with_what_was_launched(self, subject: Promote) -> None:
        await subject.do()
        asked = subject.asked("promote", EPOCH + 1)
        ref = asked.ref.model_copy(update={"workflow_id": "failover/shop/2"})
        found = await subject.provider().promote(asked.model_copy(update={"ref": ref, "adopts": EPOCH}))
        assert not found.changed
        assert await subject.count() == 1

    async def test_a_server_without_data_is_named_before_anything_is_launched(
        self, tmp_path: Path, world: World
    ) -> None:
        world.sim.control.set_delays({"drs.sync": 1000})
        subject = Promote(tmp_path, world)
        with pytest.raises(PermanentError, match="web is INITIAL_SYNC") as caught:
            await subject.do()
        assert (caught.value.code, await subject.count()) == (Code.TARGET_UNFIT, 0)

    async def test_a_job_of_somebody_else_is_waited_for(self, subject: Promote) -> None:
        subject.sim.control.set_delays({"drs.job": 1000})
        subject.strange_launch(drill=True)
        with pytest.raises(TemporaryError, match="a job holds"):
            await subject.do()
        subject.sim.control.set_delays({"drs.job": 0})
        assert (await subject.do()).changed

    async def test_a_job_that_takes_its_time_is_waited_for_and_told(self, subject: Promote) -> None:
        subject.sim.control.set_delays({"drs.job": 0.6, "ec2.instance": 0.4})
        said: list[str] = []
        provider = subject.provider()
        provider.context = replace(provider.context, heartbeat=said.append)
        await provider.promote(subject.asked("promote"))
        assert said[0] == "DRS has launched 0 of 1 servers"
        assert said[-1] == "0 of 1 servers run"


async def test_all_servers_are_launched_by_one_job_and_bear_our_tags(tmp_path: Path, world: World) -> None:
    subject = Pair(tmp_path, world)
    result = await subject.do()
    assert await subject.count() == 1
    ids = sorted(result.after["machines"].values())
    assert ids == [one["ec2InstanceID"] for one in subject.launched()]
    wanted = [{"Name": "tag:seawall:component", "Values": [subject.component]}]
    (found,) = [
        sorted(one["InstanceId"] for listed in page["Reservations"] for one in listed["Instances"])
        for page in [subject.ec2[NEW].describe_instances(Filters=wanted)]
    ]
    assert found == ids


async def test_a_retry_launches_only_what_could_not_be_launched(tmp_path: Path, world: World) -> None:
    subject = Pair(tmp_path, world)
    template = subject.drs[NEW].get_launch_configuration(sourceServerID=subject.servers["web"])["ec2LaunchTemplateID"]
    subject.ec2[NEW].create_launch_template_version(
        LaunchTemplateId=template,
        LaunchTemplateData={"NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": "subnet-00000000"}]},
    )
    subject.ec2[NEW].modify_launch_template(LaunchTemplateId=template, DefaultVersion="2")
    with pytest.raises(OutcomeUnknownError, match="could not launch web; 1 of 2"):
        await subject.do()
    (first,) = subject.launched()
    subject.ec2[NEW].modify_launch_template(LaunchTemplateId=template, DefaultVersion="1")
    await subject.do()
    assert first in subject.launched()
    assert len(subject.launched()) == 2


async def test_an_earlier_moment_is_launched_of_the_snapshots_of_that_moment(tmp_path: Path, world: World) -> None:
    subject = Pair(tmp_path, world)
    await asyncio.sleep(1.1)  # The fake takes a snapshot a second.
    listed = (await subject.provider().list_points(subject.asked("list"))).points
    assert listed[0].kind == "stream"
    point = (await subject.provider().choose_recovery_point(subject.asked("choose", choice=listed[-1].name))).point
    assert point is not None
    assert point.name == listed[-1].name
    restored = await subject.provider().restore(subject.asked("restore", point=point))
    assert not restored.changed
    await subject.provider().promote(subject.asked("promote", point=point))
    assert set(restored.after["snapshots"]) == {"db", "web"}
    moments = [datetime.fromisoformat(one["pointInTimeSnapshotDateTime"]) for one in subject.launched()]
    assert min(moments) == point.taken
    gone = point.model_copy(update={"name": "pit-00000000000000000"})
    with pytest.raises(PermanentError) as caught:
        await subject.provider().restore(subject.asked("restore", point=gone))
    assert caught.value.code is Code.NOT_FOUND


async def test_how_far_it_is_behind_is_told_and_a_stalled_server_is_no_replica(tmp_path: Path, world: World) -> None:
    subject = Promote(tmp_path, world)
    assert (await subject.provider().measure_lag(subject.asked("lag"))).after["lag_seconds"] == 0
    seen = await subject.provider().observe("servers", NEW, "control")
    assert (seen.reach, seen.facts["receiving"], seen.facts["lag_seconds"]) == (Reach.STANDBY, True, 0)
    assert (await subject.provider().observe("servers", OLD, "control")).reach is Reach.SERVING
    assert [one for one in await subject.provider().preflight("servers", NEW) if one.blocking] == []
    subject.stop(OLD, *subject.machines.values())
    with pytest.raises(PermanentError, match="web is STALLED") as caught:
        await subject.provider().measure_lag(subject.asked("lag"))
    assert caught.value.code is Code.REPLICA_FROZEN


async def test_a_home_where_the_service_was_never_used_is_seen_all_the_same(tmp_path: Path, world: World) -> None:
    subject = Promote(tmp_path, world)
    settings = subject.provider().settings.model_dump()
    settings["sites"][OLD] |= {"region": "eu-west-1", "instances": {"web": world.instance("eu-west-1a")}}
    assert await subject.provider(sites=settings["sites"]).probe_write(OLD) is Reach.SERVING


def test_no_planned_move_is_offered() -> None:
    assert not {Verb.FENCE, Verb.UNFENCE} & PROVIDER.verbs


def test_by_hand_a_promote_names_every_server_and_how_to_see_whether_it_was_begun(tmp_path: Path, world: World) -> None:
    subject = Pair(tmp_path, world)
    page = subject.provider().by_hand(Verb.PROMOTE, subject.asked("promote"))
    (start,) = page.act
    assert all(server in start.line for server in subject.servers.values())
    assert any("describe-jobs" in one.line for one in page.look)
    for verb in PROVIDER.verbs:
        assert subject.provider().by_hand(verb, subject.asked(verb.value)) is not None


@pytest.mark.parametrize(
    ("text", "found"), [("PT2M30S", 150.0), ("P1DT1S", 86401.0), ("PT0S", 0.0), ("P0D", 0.0), ("", None), ("2 m", None)]
)
def test_durations(text: str, found: float | None) -> None:
    assert seconds(text) == found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"servers": {"web": "i-0123456789abcdef0"}}, "String should match"),
        ({"servers": {"other": "s-0123456789abcdef0"}}, "the same names"),
        ({"servers": {}}, "exactly one of them"),
        ({"instances": {"web": "i-0123456789abcdef0"}}, "exactly one of them"),
        ({"servers": {}, "instances": {"web": "i-0123456789abcdef1"}}, "is home"),
        ({"region": EAST}, "in one region"),
    ],
)
def test_settings_that_cannot_be_right_are_refused(change: dict[str, Any], words: str) -> None:
    sites: dict[str, Any] = {
        OLD: {"region": EAST, "instances": {"web": "i-0123456789abcdef0"}},
        NEW: {"region": WEST, "servers": {"web": "s-0123456789abcdef0"}},
    }
    PROVIDER.Settings.model_validate({"sites": sites, "prune_cap": 1})
    sites[NEW] |= change
    with pytest.raises(ValidationError, match=words):
        PROVIDER.Settings.model_validate({"sites": sites, "prune_cap": 1})
