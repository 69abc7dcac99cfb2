"""The kind `aws.lambda`, against the simulator."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activities.providers.registry import Registry
from tests.awssim.world import WEST, World
from tests.provider.aws.levels_kit import Levelled, Rules
from tests.provider.support import NEW


class Mapping(Levelled):
    """A mapping of Lambda from a queue, which is off."""

    kind, operation = "aws.lambda", "UpdateEventSourceMapping"

    def make(self, world: World) -> Any:
        self.client, name = world.client("lambda", WEST), world.name()
        policy = {"Version": "2012-10-17", "Statement": []}
        role = world.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(policy))["Role"]
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("app.py", "def run(event, context): return None")
        self.client.create_function(
            FunctionName=name, Runtime="python3.11", Role=role["Arn"], Handler="app.run",
            Code={"ZipFile": code.getvalue()},
        )  # fmt: skip
        queues = world.client("sqs", WEST)
        address = queues.create_queue(QueueName=name)["QueueUrl"]
        queue = queues.get_queue_attributes(QueueUrl=address, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        made = self.client.create_event_source_mapping(EventSourceArn=queue, FunctionName=name, Enabled=False)
        return made["UUID"]

    def settings(self) -> dict[str, Any]:
        return {"mappings": [self.made]}

    def elsewhere(self) -> dict[str, Any]:
        return {"mappings": ["00000000-0000-0000-0000-000000000000"]}

    async def state(self) -> Any:
        return self.client.get_event_source_mapping(UUID=self.made)["State"]

    def set(self, level: int) -> None:
        self.client.update_event_source_mapping(UUID=self.made, Enabled=bool(level))

    async def disturb(self) -> None:
        self.set(1)
        self.planned = await self.observe()
        self.set(0)
        self.mark = self.world.mark()


class TestMapping(Rules):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Mapping:
        return Mapping(tmp_path, world)


async def test_of_two_the_one_that_stood_as_wanted_stays_so_after_an_undo(tmp_path: Path, world: World) -> None:
    one, other = Mapping(tmp_path, world), Mapping(tmp_path, world)
    other.set(1)
    one.settings = lambda: {"mappings": [one.made, other.made]}  # type: ignore[method-assign]
    await one.do()
    assert [await each.state() for each in (one, other)] == ["Enabled", "Enabled"]
    await one.undo()
    assert [await each.state() for each in (one, other)] == ["Disabled", "Enabled"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"mappings": ["i-0123456789abcdef0"]},
        {"mappings": [""]},
        {"mappings": []},
    ],
)
def test_what_means_nothing_is_refused_when_it_is_read(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Registry().get("aws.lambda").Settings.model_validate({"sites": {NEW: {"region": WEST, **wrong}}})
