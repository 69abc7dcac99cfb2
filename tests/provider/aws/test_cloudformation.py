"""The kind `aws.cloudformation`, against the simulator."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activities.providers.aws.component import AwsProvider
from activities.providers.registry import Registry
from infra.awssim.faults import Kind, Rule
from infra.awssim.handle import Simulator
from tests.awssim.world import WEST, World, queue_template, seconds
from tests.provider.aws.kit import AwsConformance, AwsSubject, worker
from tests.provider.conformance import EPOCH, over
from tests.provider.support import NEW, request
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import Bubble, StepRequest, StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import Component
from workflows.model.verbs import Verb


class Provisioned(AwsSubject):
    """A stack of one queue, of which another timeout is wanted."""

    operation = "ExecuteChangeSet"

    def __init__(self, folder: Path, world: World) -> None:
        self.stack = world.stack()
        self.client = world.client("cloudformation", WEST)
        self.settings: dict[str, Any] = {
            "stack": self.stack,
            "parameters": {"Seconds": "60"},
            "stopped": {"Seconds": "10"},
            "most_changes": 1,
        }
        self.planned: Observation | None = None
        super().__init__(folder, world)

    def provider(self, over_: bool = False) -> AwsProvider:
        found = Registry().get("aws.cloudformation")
        sites = {NEW: {"region": WEST, **self.settings}}
        settings = found.Settings.model_validate({"sites": sites, "settle": "5s"})
        provider = found(settings, worker(self.folder, over if over_ else lambda: None))
        assert isinstance(provider, AwsProvider)
        return provider

    def asked(self, site: str = NEW, epoch: int = EPOCH, step: str = "web.start_instances", **more: Any) -> StepRequest:
        component = Component.model_validate({"role": "compute", "kind": "aws.cloudformation"})
        return self.own(request(site, step, epoch, component, before=self.planned, **more))

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        return await self.provider(over).start_instances(self.asked(where or NEW, epoch))

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        return await self.provider().stop_instances(self.asked(NEW, epoch, undo=True, result=result))

    async def stop(self, **more: Any) -> StepResult:
        """As a step of its own."""
        return await self.provider().stop_instances(self.asked(step="web.stop_at_source", **more))

    async def observe(self) -> Observation:
        return await self.provider().observe(self.component, NEW, "control")

    async def state(self) -> Any:
        (stack,) = self.client.describe_stacks(StackName=self.stack)["Stacks"]
        return stack["Parameters"], stack["Outputs"]

    def update(self, template: dict[str, Any] | None = None, value: int = 45) -> None:
        """As a stranger would."""
        names = {"StackName": self.stack, "ChangeSetName": self.world.name()}
        body = {"TemplateBody": json.dumps(template)} if template else {"UsePreviousTemplate": True}
        self.client.create_change_set(**names, ChangeSetType="UPDATE", Parameters=seconds(value), **body)
        self.client.execute_change_set(**names)
        self.mark = self.world.mark()

    async def disturb(self) -> None:
        self.planned = await self.observe()
        self.update()

    def upload(self, template: dict[str, Any]) -> str:
        """A template's address in S3."""
        bucket, storage = f"{self.component}-templates", self.world.client("s3", WEST)
        storage.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": WEST})
        storage.put_object(Bucket=bucket, Key="stack.json", Body=json.dumps(template).encode())
        return f"https://{bucket}.s3.{WEST}.amazonaws.com/stack.json"


class TestStack(AwsConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Provisioned:
        return Provisioned(tmp_path, world)

    async def test_a_look_shows_status_outputs_and_the_drift_that_was_found_last(self, subject: Provisioned) -> None:
        assert (await subject.observe()).reach is Reach.STANDBY
        await subject.do()
        seen = await subject.observe()
        assert (seen.reach, seen.facts["stack"]) == (Reach.SERVING, "UPDATE_COMPLETE")
        assert (seen.facts["outputs"], seen.facts["drift"]) == ({"Timeout": "60"}, "NOT_CHECKED")
        assert subject.arrived("DetectStackDrift") == 0

    async def test_a_stack_that_is_gone_and_a_region_that_is_gone_are_told_apart(
        self, subject: Provisioned, sim: Simulator
    ) -> None:
        subject.settings["stack"] = "nobody"
        assert (await subject.observe()).reach is Reach.REFUSED
        with pytest.raises(PermanentError, match="no template of it") as caught:
            await subject.do()
        assert caught.value.code is Code.NOT_FOUND
        sim.control.set_faults([Rule(kind=Kind.REGION_GONE, region=WEST)])
        assert (await subject.observe()).reach is Reach.SILENT

    async def test_when_nothing_would_change_nothing_is_done(self, subject: Provisioned) -> None:
        subject.update(value=60)
        result = await subject.do()
        assert (result.changed, subject.effects()) == (False, [])

    async def test_stopped_as_a_step_it_has_its_other_parameters_and_an_undo_gives_back_what_stood(
        self, subject: Provisioned
    ) -> None:
        before = await subject.state()
        assert (await subject.stop()).changed
        assert (await subject.observe()).facts["parameters"] == {"Seconds": "10"}
        back = subject.asked(step="web.stop_at_source", undo=True)
        assert (await subject.provider().start_instances(back)).changed
        assert await subject.state() == before

    async def test_without_parameters_to_stop_with_it_stays_and_says_so(self, subject: Provisioned) -> None:
        subject.settings["stopped"] = None
        result = await subject.stop()
        assert (result.changed, "stays as it is" in result.detail) == (False, True)

    @pytest.mark.parametrize(
        ("template", "loses"),
        [
            (queue_template(Properties={"QueueName": "another"}), r"Queue \(replaced\)"),
            (queue_template() | {"Resources": {"Other": {"Type": "AWS::SQS::Queue"}}}, r"Queue \(removed\)"),
        ],
    )
    async def test_what_would_be_lost_is_refused_unless_the_runbook_allows_it(
        self, subject: Provisioned, template: dict[str, Any], loses: str
    ) -> None:
        before = await subject.state()
        subject.settings |= {"template_url": subject.upload(template), "most_changes": 2}
        with pytest.raises(PermanentError, match=loses) as caught:
            await subject.do()
        assert (caught.value.code, await subject.state()) == (Code.LIMIT_EXCEEDED, before)
        subject.settings["allow_replacement"] = True
        assert (await subject.do()).changed

    async def test_more_changes_than_the_runbook_lists_are_refused(self, subject: Provisioned) -> None:
        template = queue_template()
        template["Resources"]["Other"] = {"Type": "AWS::SQS::Queue"}
        subject.settings["template_url"] = subject.upload(template)
        with pytest.raises(PermanentError, match="in 2 resources, and its runbook allows 1") as caught:
            await subject.do()
        assert (caught.value.code, subject.effects()) == (Code.LIMIT_EXCEEDED, [])

    async def test_a_stack_that_is_not_there_is_made_and_never_deleted(self, subject: Provisioned) -> None:
        subject.stack = subject.world.name()
        subject.settings |= {"stack": subject.stack, "template_url": subject.upload(queue_template()), "stopped": None}
        assert (await subject.do()).changed
        (made,) = subject.client.describe_stacks(StackName=subject.stack)["Stacks"]
        assert made["Outputs"][0]["OutputValue"] == "60"
        assert {"Key": "seawall:component", "Value": subject.component} in made["Tags"]
        result = await subject.undo()
        assert (result.changed, "stays" in result.detail) == (False, True)
        assert not (await subject.do()).changed

    async def test_a_new_template_is_taken_back_by_the_old_one(self, subject: Provisioned) -> None:
        before = await subject.state()
        template = queue_template()
        template["Outputs"]["More"] = {"Value": "more"}
        subject.settings["template_url"] = subject.upload(template)
        await subject.do()
        assert len((await subject.state())[1]) == 2
        assert (await subject.undo()).changed
        assert await subject.state() == before

    async def test_a_change_that_fails_is_named_and_has_changed_nothing(self, subject: Provisioned) -> None:
        before = await subject.state()
        subject.settings["template_url"] = subject.upload(queue_template(Metadata={"awssim": "fails"}))
        with pytest.raises(PermanentError, match="Queue is UPDATE_FAILED") as caught:
            await subject.do()
        assert (caught.value.code, await subject.state()) == (Code.CHECK_FAILED, before)
        assert not (await subject.undo()).changed

    async def test_an_undo_goes_on_with_a_rollback_that_has_failed(self, subject: Provisioned) -> None:
        subject.settings["template_url"] = subject.upload(queue_template(Metadata={"awssim": "stuck"}))
        with pytest.raises(PermanentError, match="UPDATE_ROLLBACK_FAILED"):
            await subject.do()
        assert (await subject.undo()).changed
        assert (await subject.observe()).facts["stack"] == "UPDATE_ROLLBACK_COMPLETE"

    async def test_it_waits_for_the_end(self, subject: Provisioned, sim: Simulator) -> None:
        sim.control.set_delays({"cloudformation.stack": 1.0})
        task = asyncio.create_task(subject.do())
        await asyncio.sleep(0.5)
        assert not task.done()
        assert (await task).changed

    async def test_a_drill_changes_nothing_of_production(self, subject: Provisioned) -> None:
        asked = subject.asked()
        bubble = Bubble(name="b", site=NEW, expires="2030-01-01T00:00:00Z")
        asked = asked.model_copy(update={"target": asked.target.model_copy(update={"bubble": bubble})})
        with pytest.raises(PermanentError, match="simulated"):
            await subject.provider().start_instances(asked)
        assert subject.effects() == []

    async def test_preflight_finds_what_was_changed_past_it(self, subject: Provisioned) -> None:
        assert await subject.provider().preflight(subject.component, NEW) == ()
        (resource,) = subject.client.describe_stack_resources(StackName=subject.stack)["StackResources"]
        subject.world.client("sqs", WEST).delete_queue(QueueUrl=resource["PhysicalResourceId"])
        (finding,) = await subject.provider().preflight(subject.component, NEW)
        assert finding.code == "STACK_DRIFTED"

    async def test_by_hand_a_change_set_is_looked_at_before_it_is_executed(self, subject: Provisioned) -> None:
        lines = [one.line for one in subject.provider().by_hand(Verb.START_INSTANCES, subject.asked()).act]
        words = ("create-change-set", "describe-change-set", "execute-change-set")
        assert all(word in line for word, line in zip(words, lines, strict=True))


@pytest.mark.parametrize(
    "wrong",
    [
        {"stack": "shop"},
        {"stack": "shop", "most_changes": 0},
        {"stack": "1-shop", "most_changes": 1},
        {"stack": "shop", "most_changes": 1, "template_url": "http://example.test/a.yaml"},
        {"stack": "shop", "most_changes": 1, "stopped": {"Size": "0"}},
    ],
)
def test_what_means_nothing_is_refused_when_it_is_read(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Registry().get("aws.cloudformation").Settings.model_validate({"sites": {NEW: {"region": WEST, **wrong}}})
