"""The kind `aws.eks`, against the simulator."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activities.providers.registry import Registry
from infra.awssim.handle import Simulator
from tests.awssim.world import WEST, World
from tests.provider.aws.levels_kit import Levelled, Rules
from tests.provider.support import NEW
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, TemporaryError


class Nodes(Levelled):
    """A node group of EKS without nodes, of which 2 are wanted."""

    kind, operation = "aws.eks", "UpdateNodegroupConfig"

    def make(self, world: World) -> Any:
        self.client = world.client("eks", WEST)
        return world.nodegroup(WEST)

    def settings(self) -> dict[str, Any]:
        cluster, name = self.made
        return {"cluster": cluster, "nodegroups": [{"name": name, "desired": 2}]}

    def elsewhere(self) -> dict[str, Any]:
        return {"nodegroups": [{"name": "nobody", "desired": 2}]}

    async def state(self) -> Any:
        cluster, name = self.made
        sizes = self.client.describe_nodegroup(clusterName=cluster, nodegroupName=name)["nodegroup"]["scalingConfig"]
        return sizes["minSize"], sizes["desiredSize"]

    def set(self, level: int) -> None:
        cluster, name = self.made
        scaling = {"desiredSize": level}
        self.client.update_nodegroup_config(clusterName=cluster, nodegroupName=name, scalingConfig=scaling)

    async def disturb(self) -> None:
        self.planned = await self.observe()
        self.set(1)
        self.mark = self.world.mark()


class TestNodegroup(Rules):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Nodes:
        return Nodes(tmp_path, world)

    async def test_nodes_are_counted_and_not_the_word_of_eks(self, subject: Nodes) -> None:
        cluster, name = subject.made
        told = subject.client.describe_nodegroup(clusterName=cluster, nodegroupName=name)["nodegroup"]
        behind = told["resources"]["autoScalingGroups"][0]["name"]
        subject.world.client("autoscaling", WEST).delete_auto_scaling_group(AutoScalingGroupName=behind)
        with pytest.raises(OutcomeUnknownError, match="0 of 2 nodes run, ACTIVE"):
            await subject.provider(settle="400ms").start_instances(subject.asked())

    async def test_a_group_that_may_not_grow_so_far_is_named_before_anything_is_touched(self, subject: Nodes) -> None:
        cluster, name = subject.made
        site = {"region": WEST, "cluster": cluster, "nodegroups": [{"name": name, "desired": 9}]}
        with pytest.raises(PermanentError, match=f"{name} may not grow") as caught:
            await subject.provider(sites={NEW: site}).start_instances(subject.asked())
        assert (caught.value.code, subject.effects()) == (Code.CONFIGURATION, [])

    async def test_a_group_that_is_still_changing_is_tried_again_later(self, subject: Nodes, sim: Simulator) -> None:
        sim.control.set_delays({"eks.nodegroup": 1000})
        subject.set(1)
        with pytest.raises(TemporaryError, match="still being changed") as caught:
            await subject.do()
        assert caught.value.delay
        sim.control.set_delays({"eks.nodegroup": 0})
        assert (await subject.do()).changed

    async def test_it_waits_until_the_change_is_over(self, subject: Nodes, sim: Simulator) -> None:
        sim.control.set_delays({"eks.nodegroup": 1000})
        with pytest.raises(OutcomeUnknownError, match="2 of 2 nodes run, UPDATING"):
            await subject.provider(settle="400ms").start_instances(subject.asked())


@pytest.mark.parametrize(
    "wrong",
    [
        {"cluster": "c", "nodegroups": [{"name": "a", "desired": 1, "minimum": 2}]},
        {"cluster": "c", "nodegroups": [{"name": "a", "desired": 1}] * 2},
    ],
)
def test_what_means_nothing_is_refused_when_it_is_read(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Registry().get("aws.eks").Settings.model_validate({"sites": {NEW: {"region": WEST, **wrong}}})
