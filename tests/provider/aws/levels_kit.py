"""What the tests of `aws.asg`, `aws.ecs`, `aws.eks` and `aws.lambda` share: a part at rest, and the rules of levels."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

import pytest

from activities.providers.aws.component import AwsProvider
from activities.providers.registry import Registry
from infra.awssim.faults import Kind, Rule
from infra.awssim.handle import Simulator
from tests.awssim.world import WEST, World
from tests.provider.aws.kit import AwsConformance, AwsSubject, worker
from tests.provider.conformance import EPOCH, over
from tests.provider.support import NEW, request
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import Bubble, StepRequest, StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import Component


class Levelled(AwsSubject):
    """One part in the west, at rest."""

    kind: str

    def __init__(self, folder: Path, world: World) -> None:
        self.made: Any = self.make(world)
        super().__init__(folder, world)
        self.planned: Observation | None = None

    @abstractmethod
    def make(self, world: World) -> Any:
        """Make it; by what it is found."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Of its site."""

    @abstractmethod
    def elsewhere(self) -> dict[str, Any]:
        """Settings that name a part which is not there."""

    @abstractmethod
    def set(self, level: int) -> None:
        """As a stranger would."""

    def provider(self, over_: bool = False, **limits: Any) -> AwsProvider:
        found = Registry().get(self.kind)
        site = {"region": WEST, **self.settings()}
        settings = found.Settings.model_validate({"sites": {NEW: site}, "settle": "5s", **limits})
        provider = found(settings, worker(self.folder, over if over_ else lambda: None))
        assert isinstance(provider, AwsProvider)
        return provider

    def asked(self, site: str = NEW, epoch: int = EPOCH, step: str = "web.start_instances", **more: Any) -> StepRequest:
        component = Component.model_validate({"role": "compute", "kind": self.kind})
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


class Rules(AwsConformance):
    """What all of them keep besides."""

    async def test_it_serves_where_it_runs_and_rests_elsewhere(self, subject: Levelled) -> None:
        assert (await subject.observe()).reach is Reach.STANDBY
        await subject.do()
        assert (await subject.observe()).reach is Reach.SERVING

    async def test_stopped_as_a_step_it_rests_and_an_undo_brings_it_back(self, subject: Levelled) -> None:
        await subject.do()
        serving = await subject.state()
        assert (await subject.stop()).changed
        assert (await subject.observe()).reach is Reach.STANDBY
        assert not (await subject.stop()).changed
        back = subject.asked(step="web.stop_at_source", undo=True)
        assert (await subject.provider().start_instances(back)).changed
        assert await subject.state() == serving

    async def test_a_region_that_is_gone_is_silent(self, subject: Levelled, sim: Simulator) -> None:
        sim.control.set_faults([Rule(kind=Kind.REGION_GONE, region=WEST)])
        assert (await subject.observe()).reach is Reach.SILENT

    async def test_a_drill_changes_nothing_of_production(self, subject: Levelled) -> None:
        before, asked = await subject.state(), subject.asked()
        bubble = Bubble(name="b", site=NEW, expires="2030-01-01T00:00:00Z")
        asked = asked.model_copy(update={"target": asked.target.model_copy(update={"bubble": bubble})})
        with pytest.raises(PermanentError, match="simulated"):
            await subject.provider().start_instances(asked)
        assert await subject.state() == before

    async def test_what_is_not_there_is_named(self, subject: Levelled) -> None:
        known, stranger = subject.settings(), subject.elsewhere()
        subject.settings = lambda: known | stranger  # type: ignore[method-assign]
        with pytest.raises(PermanentError, match="There is no") as caught:
            await subject.do()
        assert caught.value.code is Code.NOT_FOUND
        assert (await subject.observe()).reach is Reach.REFUSED
