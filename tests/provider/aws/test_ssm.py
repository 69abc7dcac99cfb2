"""The kind `aws.ssm`, against the simulator."""

import asyncio
import shlex
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activities.providers.registry import Registry
from infra.awssim.faults import Kind, Rule
from infra.awssim.handle import Simulator
from tests.awssim.world import WEST, World, script
from tests.provider.aws.hooks_kit import Hooked, OnceOnly, Rules
from tests.provider.support import NEW
from workflows.model.failure import Code, PermanentError
from workflows.model.verbs import Verb


class OnInstances(Hooked):
    """Command documents on two instances."""

    kind, field, operation, sort = "aws.ssm", "command", "SendCommand", "Command"

    def __init__(self, folder: Path, world: World) -> None:
        super().__init__(folder, world)
        self.ids = [world.instance(f"{WEST}a") for _ in range(2)]
        self.more["instances"] = self.ids
        self.mark = world.mark()

    def make(self, fails: bool = False) -> str:
        return self.world.document(self.sort, WEST, fails=fails)

    def ran(self) -> list[str]:
        commands = self.world.client("ssm", WEST).list_commands()["Commands"]
        return [one["DocumentName"] for one in reversed(commands) if set(one["InstanceIds"]) & set(self.ids)]

    def change(self) -> None:
        ssm = self.world.client("ssm", WEST)
        made = ssm.update_document(Name=self.start, DocumentVersion="1", Content=script(self.sort, "false"))
        version = made["DocumentDescription"]["DocumentVersion"]
        ssm.update_document_default_version(Name=self.start, DocumentVersion=version)


class Automated(OnInstances):
    """Automation documents."""

    field, operation, sort = "automation", "StartAutomationExecution", "Automation"

    def __init__(self, folder: Path, world: World) -> None:
        super().__init__(folder, world)
        del self.more["instances"]

    def ran(self) -> list[str]:
        return [name for line in self.effects() for name in line.identifiers if name in self.made]

    def make(self, fails: bool = False) -> str:
        name = super().make(fails)
        self.made = [*getattr(self, "made", []), name]
        return name


class TestOnInstances(Rules, OnceOnly):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> OnInstances:
        return OnInstances(tmp_path, world)

    async def test_the_instances_that_failed_are_named_with_their_status(
        self, subject: OnInstances, world: World
    ) -> None:
        stopped = subject.ids[1]
        world.client("ec2", WEST).stop_instances(InstanceIds=[stopped])
        with pytest.raises(PermanentError, match=f"{stopped}: DeliveryTimedOut") as caught:
            await subject.do()
        assert subject.ids[0] not in str(caught.value)

    async def test_by_tags_it_runs_on_all_that_run_and_on_no_more_than_are_allowed(
        self, subject: OnInstances, world: World
    ) -> None:
        tag = {"Key": "role", "Value": subject.component}
        world.client("ec2", WEST).create_tags(Resources=subject.ids, Tags=[tag])
        del subject.more["instances"]
        subject.more |= {"tags": {"role": subject.component}, "most": 1}
        with pytest.raises(PermanentError) as caught:
            await subject.do()
        assert (caught.value.code, subject.ran()) == (Code.LIMIT_EXCEEDED, [])
        subject.more["most"] = 2
        await subject.do()
        (command,) = world.client("ssm", WEST).list_commands(Filters=[{"key": "DocumentName", "value": subject.start}])[
            "Commands"
        ]
        assert sorted(command["InstanceIds"]) == sorted(subject.ids)

    async def test_a_value_of_parameter_store_is_named_and_never_read(self, subject: OnInstances, world: World) -> None:
        subject.more["parameters"] = {"workers": {"parameter": "/shop/workers"}, "names": ["a", "b"]}
        await subject.do()
        (command,) = world.client("ssm", WEST).list_commands(Filters=[{"key": "DocumentName", "value": subject.start}])[
            "Commands"
        ]
        assert command["Parameters"] == {"workers": ["{{ssm:/shop/workers}}"], "names": ["a", "b"]}
        assert subject.arrived("GetParameter") == 0

    async def test_it_waits_for_the_end(self, subject: OnInstances, sim: Simulator) -> None:
        sim.control.set_delays({"ssm.run": 0.6})
        task = asyncio.create_task(subject.do())
        await asyncio.sleep(0.3)
        assert not task.done()
        assert (await task).detail == f"In {WEST}: {subject.start} has run on 2 instances."

    async def test_a_document_of_another_sort_is_refused(self, subject: OnInstances, world: World) -> None:
        subject.hooks["start"] = world.document("Automation", WEST)
        with pytest.raises(PermanentError, match="Name it as `automation`") as caught:
            await subject.do()
        assert caught.value.code is Code.CONFIGURATION

    async def test_by_hand_it_is_typed_with_its_targets(self, subject: OnInstances) -> None:
        subject.more["idempotent"] = False
        page = subject.provider().by_hand(Verb.START_INSTANCES, subject.asked())
        (act,) = page.act
        words = shlex.split(act.line)
        assert words[words.index("--instance-ids") + 1 :] == subject.ids
        assert "NEVER" in act.why


class TestAutomation(Rules):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Automated:
        return Automated(tmp_path, world)

    async def test_a_lost_answer_is_made_good_by_the_token_though_it_may_not_run_twice(
        self, subject: Automated
    ) -> None:
        subject.more["idempotent"] = False
        async with subject.met_by(Rule(kind=Kind.CUT, operation=subject.operation, times=1)):
            with pytest.raises(Exception, match="lost"):
                await subject.do()
        await subject.do()
        assert subject.ran() == [subject.start]

    async def test_the_step_that_failed_is_named(self, subject: Automated) -> None:
        subject.hooks["start"] = subject.make(fails=True)
        with pytest.raises(PermanentError, match="its step run is Failed"):
            await subject.do()


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"start": {"command": "shop-start"}},
        {"start": {"command": "shop-start", "instances": ["vol-0123456789abcdef0"]}},
        {"start": {"command": "shop-start", "tags": {"role": "web"}}},
        {"start": {"command": "shop-start", "instances": ["i-0123456789abcdef0"], "most": 1}},
        {"start": {"command": "shop-start", "instances": ["i-0123456789abcdef0"] * 2}},
        {"start": {"automation": "shop-start", "instances": ["i-0123456789abcdef0"]}},
        {"start": {"automation": "shop-start", "timeout": "2h"}},
        {"start": {"automation": "shop-start", "parameters": {"a": {"secret": "b"}}}},
    ],
)
def test_what_means_nothing_is_refused_when_it_is_read(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Registry().get("aws.ssm").Settings.model_validate({"sites": {NEW: {"region": WEST, **wrong}}})
