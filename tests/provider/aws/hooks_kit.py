"""What the tests of `aws.ssm` and `aws.invoke` share: a hook to start with and one to stop with, and the rules."""

import contextlib
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
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError
from workflows.model.messages import Bubble, StepRequest, StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import Component


class Hooked(AwsSubject):
    """Two hooks in the west. What stands is the one that has run last."""

    kind: str
    field: str
    """Of the settings, for the hook's name."""

    def __init__(self, folder: Path, world: World) -> None:
        super().__init__(folder, world)
        self.start, self.stop = self.make(), self.make()
        self.mark = world.mark()
        self.planned: Observation | None = None
        self.more: dict[str, Any] = {"idempotent": True}
        self.hooks = {"start": self.start, "stop": self.stop}

    @abstractmethod
    def make(self, fails: bool = False) -> str:
        """A hook; its name."""

    @abstractmethod
    def ran(self) -> list[str]:
        """The hooks that have run, told past the provider."""

    @abstractmethod
    def change(self) -> None:
        """Give the start another content."""

    def provider(self, over_: bool = False) -> AwsProvider:
        found = Registry().get(self.kind)
        hooks = {way: {self.field: name, **self.more} for way, name in self.hooks.items()}
        settings = found.Settings.model_validate({"sites": {NEW: {"region": WEST, **hooks}}})
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

    async def state(self) -> Any:
        return (self.ran() or [self.stop])[-1]

    async def disturb(self) -> None:
        self.planned = await self.observe()
        self.change()

    async def observe(self) -> Observation:
        return await self.provider().observe(self.component, NEW, "control")


class Rules(AwsConformance):
    """What all of them keep besides."""

    async def test_it_is_unknown_whether_it_serves_and_one_that_is_gone_is_named(self, subject: Hooked) -> None:
        assert (await subject.observe()).reach is Reach.UNKNOWN
        subject.hooks["start"] = "nobody"
        seen = await subject.observe()
        assert (seen.reach, seen.detail) == (Reach.REFUSED, "There is no nobody.")
        with pytest.raises(PermanentError, match="There is no nobody") as caught:
            await subject.do()
        assert caught.value.code is Code.NOT_FOUND

    async def test_a_region_that_is_gone_is_silent(self, subject: Hooked, sim: Simulator) -> None:
        sim.control.set_faults([Rule(kind=Kind.REGION_GONE, region=WEST)])
        assert (await subject.observe()).reach is Reach.SILENT

    async def test_a_drill_runs_no_hook(self, subject: Hooked) -> None:
        asked = subject.asked()
        bubble = Bubble(name="b", site=NEW, expires="2030-01-01T00:00:00Z")
        asked = asked.model_copy(update={"target": asked.target.model_copy(update={"bubble": bubble})})
        with pytest.raises(PermanentError, match="simulated"):
            await subject.provider().start_instances(asked)
        assert subject.ran() == []

    async def test_without_a_hook_nothing_is_done_and_the_step_says_so(self, subject: Hooked) -> None:
        await subject.do()
        del subject.hooks["stop"]
        result = await subject.undo()
        assert (result.changed, "no hook to stop" in result.detail) == (False, True)
        assert await subject.state() == subject.start

    async def test_stopped_as_a_step_of_its_own_an_undo_starts_it_again(self, subject: Hooked) -> None:
        stop = subject.asked(step="web.stop_at_source")
        assert (await subject.provider().stop_instances(stop)).changed
        back = subject.asked(step="web.stop_at_source", undo=True)
        assert (await subject.provider().start_instances(back)).changed
        assert subject.ran() == [subject.stop, subject.start]

    async def test_one_that_fails_is_named_and_undone_all_the_same(self, subject: Hooked) -> None:
        subject.hooks["start"] = subject.make(fails=True)
        subject.more["idempotent"] = False
        for _ in range(2):
            with pytest.raises(PermanentError, match="has failed") as caught:
                await subject.do()
            assert caught.value.code is Code.CHECK_FAILED
            self.clean(caught.value, subject)
        assert subject.ran() == [subject.hooks["start"]]
        assert (await subject.undo()).changed

    async def test_one_that_failed_and_may_run_twice_runs_again_when_it_is_asked_for_again(
        self, subject: Hooked
    ) -> None:
        subject.hooks["start"] = subject.make(fails=True)
        for _ in range(2):
            with pytest.raises(PermanentError, match="has failed"):
                await subject.do()
        assert subject.ran() == [subject.hooks["start"]] * 2


class OnceOnly:
    """For hooks whose request has no token."""

    async def test_one_that_may_not_run_twice_is_never_asked_for_again(self, subject: Hooked) -> None:
        subject.more["idempotent"] = False
        rule = Rule(kind=Kind.ERROR, operation=subject.operation, status=500)
        async with subject.met_by(rule):
            with contextlib.suppress(OutcomeUnknownError):
                await subject.do()
        with pytest.raises(OutcomeUnknownError, match="not begun again"):
            await subject.do()
        assert subject.ran() == []
        assert subject.arrived() == self.asked_for(subject)

    @staticmethod
    def asked_for(subject: Hooked) -> int:
        """How often it was asked for in all, by the tests before too."""
        return len(subject.world.lines(subject.operation))

    async def test_a_request_that_was_throttled_is_made_again_though_it_may_not_run_twice(
        self, subject: Hooked
    ) -> None:
        subject.more["idempotent"] = False
        async with subject.met_by(Rule(kind=Kind.THROTTLE, operation=subject.operation, times=1)):
            with contextlib.suppress(Exception):
                await subject.do()
        assert (await subject.do()).changed
        assert subject.ran() == [subject.start]
