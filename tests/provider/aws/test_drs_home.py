"""The kind `aws.drs`, against a fake of the service: servers are drilled, and replicated back."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.providers.aws.drs.home import unprotected
from activities.providers.aws.drs.look import Launched, Machine, Server, Standing
from activities.providers.base import now
from infra.awssim.faults import Kind, Rule
from tests.awssim.world import World
from tests.provider.aws.drs_kit import Clone, Promote, Rebuild
from tests.provider.aws.kit import AwsConformance
from tests.provider.conformance import EPOCH
from tests.provider.support import NEW, OLD
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError
from workflows.model.messages import Bubble
from workflows.model.observed import Reach


class TestClone(AwsConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Clone:
        return Clone(tmp_path, world)

    async def test_into_another_subnet_than_the_bubbles_nothing_is_launched(self, subject: Clone) -> None:
        subject.lead_into(subject.ec2[NEW].describe_subnets()["Subnets"][1]["SubnetId"])
        with pytest.raises(PermanentError) as caught:
            await subject.do()
        assert (caught.value.code, await subject.count()) == (Code.ISOLATION_UNPROVEN, 0)

    async def test_the_clones_are_the_bubbles_and_serve_nobody(self, subject: Clone) -> None:
        await subject.do()
        (found,) = subject.launched()
        assert found["isDrill"]
        assert found["tags"]["seawall:bubble"] == "drill-1"
        tagged = [{"Name": "tag:seawall:bubble", "Values": ["drill-1"]}]
        assert subject.ec2[NEW].describe_instances(InstanceIds=[found["ec2InstanceID"]], Filters=tagged)["Reservations"]
        assert await subject.provider().probe_write(NEW) is Reach.STANDBY
        assert not (await subject.provider().promote(subject.asked("promote"))).changed

    async def test_when_the_drill_is_over_its_clones_go_and_nothing_else(
        self, subject: Clone, tmp_path: Path, world: World
    ) -> None:
        real = Promote(tmp_path, world)
        await real.do()
        await subject.do()
        prune = subject.asked("prune")
        assert not (await subject.provider().prune(prune)).changed
        subject.bubble = Bubble(name="drill-2", site=NEW, expires=now() - timedelta(seconds=1))
        subject.ec2[NEW].terminate_instances(InstanceIds=[subject.launched()[0]["ec2InstanceID"]])
        await subject.do()
        (clone,) = subject.launched()
        subject.bubble = None
        async with subject.met_by(Rule(kind=Kind.CUT, operation="TerminateRecoveryInstances")):
            with pytest.raises(OutcomeUnknownError):
                await subject.provider().prune(subject.asked("prune"))
        assert not (await subject.provider().prune(subject.asked("prune"))).changed
        assert len(subject.effects("TerminateRecoveryInstances")) == 1
        assert subject.launched() == []
        (gone,) = subject.ec2[NEW].describe_instances(InstanceIds=[clone["ec2InstanceID"]])["Reservations"]
        assert gone["Instances"][0]["State"]["Name"] == "terminated"
        assert [one["ec2InstanceState"] for one in real.launched()] == ["RUNNING"]
        assert not (await real.provider().prune(real.asked("prune"))).changed


class TestRebuild(AwsConformance):
    @pytest.fixture
    async def subject(self, tmp_path: Path, world: World) -> Rebuild:
        return await Rebuild(tmp_path, world).ready()

    async def test_while_the_old_servers_run_nothing_is_turned_round(self, subject: Rebuild) -> None:
        subject.ec2[OLD].start_instances(InstanceIds=list(subject.machines.values()))
        with pytest.raises(PermanentError) as caught:
            await subject.do()
        assert (caught.value.code, await subject.count()) == (Code.ROLE_MISMATCH, 0)

    async def test_home_and_out_again_the_runbook_stays_right(self, subject: Rebuild) -> None:
        provider = subject.provider()
        home = {"source": NEW, "target": OLD}
        subject.sim.control.set_delays({"drs.sync": 1000})
        await subject.do()
        with pytest.raises(OutcomeUnknownError, match="INITIAL_SYNC"):
            await subject.provider(settle="100ms").protect(subject.asked("protect"))
        subject.sim.control.set_delays({"drs.sync": 0})
        assert (await provider.protect(subject.asked("protect"))).after["lag_seconds"] == 0

        def turned(verb: str, epoch: int, where: str) -> Any:
            asked = subject.asked(verb, epoch, where)
            return asked.model_copy(update={"target": asked.target.model_copy(update=home)})

        (out,) = subject.launched()
        subject.stop(NEW, out["ec2InstanceID"])
        back = await provider.promote(turned("promote", EPOCH + 1, OLD))
        assert await provider.probe_write(OLD) is Reach.SERVING
        assert back.after["machines"]["web"] not in subject.machines.values()
        assert (await provider.rebuild_replica(turned("rebuild", EPOCH + 1, NEW))).changed
        await provider.protect(turned("protect", EPOCH + 1, OLD))
        (forward,) = [one for one in subject.listed(NEW) if one["sourceServerID"] == subject.servers["web"]]
        assert subject.protected(forward) == back.after["machines"]["web"]
        subject.stop(OLD, back.after["machines"]["web"])
        assert (await provider.promote(subject.asked("promote", EPOCH + 2))).changed
        assert await provider.probe_write(NEW) is Reach.SERVING
        assert await provider.probe_write(OLD) is Reach.STANDBY


def test_a_machine_that_was_launched_into_is_not_taken_for_protected_by_its_id() -> None:
    launched = Launched(id="i-1", arn="", instance="i-1", state="running", job="drsjob-1", drill=False, reversing=False)
    here = Standing(servers={}, launched={"web": launched}, machines={"web": Machine(id="i-1", state="running")})
    stale = Server(id="s-1", state="CONTINUOUS", lag=0.0, protects="i-1")
    there = Standing(servers={"web": stale}, launched={}, machines={})
    assert unprotected(here, there) == ["web"]
    turned = launched.model_copy(update={"reversing": True})
    assert unprotected(here.model_copy(update={"launched": {"web": turned}}), there) == []
