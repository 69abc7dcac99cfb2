"""The kind `aws.ecs`, against the simulator."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activities.providers.registry import Registry
from tests.awssim.world import WEST, World
from tests.provider.aws.levels_kit import Levelled, Rules
from tests.provider.support import NEW
from workflows.model.failure import OutcomeUnknownError
from workflows.model.observed import Reach


class Tasks(Levelled):
    """A service of ECS without tasks, of which 2 are wanted."""

    kind, operation = "aws.ecs", "UpdateService"

    def make(self, world: World) -> Any:
        self.client, name = world.client("ecs", WEST), world.name()
        self.client.create_cluster(clusterName=name)
        container = {"name": "web", "image": "web", "memory": 128}
        self.client.register_task_definition(family=name, containerDefinitions=[container])
        self.client.create_service(cluster=name, serviceName=name, taskDefinition=name, desiredCount=0)
        return name

    def settings(self) -> dict[str, Any]:
        return {"cluster": self.made, "services": [{"name": self.made, "desired": 2}]}

    def elsewhere(self) -> dict[str, Any]:
        return {"services": [{"name": "nobody", "desired": 2}]}

    async def state(self) -> Any:
        (found,) = self.client.describe_services(cluster=self.made, services=[self.made])["services"]
        return found["desiredCount"]

    def set(self, level: int) -> None:
        self.client.update_service(cluster=self.made, service=self.made, desiredCount=level)

    async def disturb(self) -> None:
        self.planned = await self.observe()
        self.set(1)
        self.mark = self.world.mark()


class TestService(Rules):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Tasks:
        return Tasks(tmp_path, world)

    async def test_a_count_alone_is_not_enough(self, subject: Tasks) -> None:
        """The simulator runs the tasks of a count that is changed, and none of one that a service is made with."""
        again = subject.world.name()
        subject.client.create_service(
            cluster=subject.made, serviceName=again, taskDefinition=subject.made, desiredCount=2
        )
        site = {"region": WEST, "cluster": subject.made, "services": [{"name": again, "desired": 2}]}
        provider = subject.provider(sites={NEW: site}, settle="400ms")
        assert (await provider.observe(subject.component, NEW, "control")).reach is Reach.STANDBY
        with pytest.raises(OutcomeUnknownError, match="0 of 2 tasks run"):
            await provider.start_instances(subject.asked())


@pytest.mark.parametrize(
    "wrong",
    [
        {"cluster": "c", "services": []},
        {"cluster": "c", "services": [{"name": "a", "desired": 1, "idle": 2}]},
        {"cluster": "c", "services": [{"name": "a", "desired": 1}] * 2},
    ],
)
def test_what_means_nothing_is_refused_when_it_is_read(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Registry().get("aws.ecs").Settings.model_validate({"sites": {NEW: {"region": WEST, **wrong}}})
