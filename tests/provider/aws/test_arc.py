"""The kind `aws.arc`, against the simulator."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activities.providers.aws.arc import PROVIDER, ArcProvider
from infra.awssim.arc import REGIONS as ENDPOINT_REGIONS
from infra.awssim.faults import Kind, Rule
from infra.awssim.handle import Simulator
from tests.awssim.panel import Panel
from tests.awssim.world import EAST, World
from tests.provider.aws.front import front_request
from tests.provider.aws.kit import REGIONS, AwsConformance, AwsSubject, worker
from tests.provider.conformance import EPOCH, over
from tests.provider.support import NEW, OLD
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, TemporaryError
from workflows.model.messages import StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.plan import Mode
from workflows.model.verbs import Verb

ARN = "arn:aws:route53-recovery-control::123456789012:controlpanel/0a/routingcontrol/0{}"


class Front(AwsSubject):
    """Two routing controls, of which that of the old site is on, and one of which must be on."""

    operation = "UpdateRoutingControlStates"

    def __init__(self, folder: Path, world: World, wait: int = 0) -> None:
        self.panel = Panel(world, wait)
        self.name = world.name()
        self.planned: Observation | None = None
        super().__init__(folder, world)

    def settings(self, **more: Any) -> Any:
        sites = {
            site: {"region": region, "controls": [arn]}
            for (site, region), arn in zip(REGIONS.items(), self.panel.arns, strict=True)
        }
        endpoints = [{"url": f"{self.sim.url}/arc/{region}/v1", "region": region} for region in ENDPOINT_REGIONS]
        return PROVIDER.Settings.model_validate(
            {"sites": sites, "endpoints": endpoints, "read_timeout": "5s", "rule_wait": "0s", **more}
        )

    def provider(self, over_: bool = False, **more: Any) -> ArcProvider:
        return ArcProvider(self.settings(**more), worker(self.folder, over if over_ else lambda: None))

    async def plan(self) -> "Front":
        self.planned = await self.provider().observe("front", OLD, "control")
        assert self.planned.reach is Reach.SERVING
        return self

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        return await self.provider(over).flip_dns(front_request(self.name, epoch, where, before=self.planned))

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        return await self.provider().restore_dns(front_request(self.name, epoch, undo=True, result=result))

    async def state(self) -> Any:
        return self.panel.states()

    async def disturb(self) -> None:
        self.panel.ask({self.panel.arns[1]: "On"})


async def front(folder: Path, world: World) -> Front:
    return await Front(folder, world).plan()


class TestControls(AwsConformance):
    @pytest.fixture
    async def subject(self, tmp_path: Path, world: World) -> Front:
        return await front(tmp_path, world)

    async def test_a_lost_answer_is_unknown_and_then_read_back(self, subject: Front) -> None:  # type: ignore[override]
        """At once, at another endpoint: all of them tell the same."""
        async with subject.held():
            assert (await subject.do()).changed
        assert not (await subject.do()).changed
        assert await subject.count() == 1

    async def test_an_error_of_the_service_is_unknown_and_then_read_back(self, subject: Front) -> None:  # type: ignore[override]
        """It is asked of the others before it is sent to one of them."""
        async with subject.met_by(Rule(kind=Kind.ERROR, operation=subject.operation, status=500, times=1)):
            assert (await subject.do()).changed
        assert await subject.count() == 1


async def test_both_controls_turn_in_one_call(tmp_path: Path, world: World) -> None:
    subject = await front(tmp_path, world)
    await subject.do()
    assert await subject.state() == ["Off", "On"]
    reach = {site: (await subject.provider().observe("front", site, "control")).reach for site in (OLD, NEW)}
    assert reach == {OLD: Reach.STANDBY, NEW: Reach.SERVING}
    assert await subject.count() == 1


async def test_two_endpoints_and_the_failed_region_may_be_gone(tmp_path: Path, world: World, sim: Simulator) -> None:
    subject = await front(tmp_path, world)
    gone = [ENDPOINT_REGIONS[0], ENDPOINT_REGIONS[1], EAST]
    sim.control.set_faults([Rule(kind=Kind.REGION_GONE, region=region, with_global=True) for region in gone])
    assert (await subject.do()).changed
    assert await subject.count() == 1
    assert subject.panel.states("us-west-2") == ["Off", "On"]


async def test_an_endpoint_that_is_taken_out_is_not_waited_for(tmp_path: Path, world: World, sim: Simulator) -> None:
    subject = await front(tmp_path, world)
    away = "EndpointTemporarilyUnavailableException"
    sim.control.set_faults(
        [Rule(kind=Kind.ERROR, region=region, code=away, status=503) for region in ENDPOINT_REGIONS[:4]]
    )
    assert (await subject.do()).changed


async def test_with_all_endpoints_gone_it_is_silent_and_tried_again_later(
    tmp_path: Path, world: World, sim: Simulator
) -> None:
    subject = await front(tmp_path, world)
    sim.control.set_faults([Rule(kind=Kind.REGION_GONE, service="route53-recovery-cluster")])
    assert (await subject.provider().observe("front", OLD, "control")).reach is Reach.SILENT
    with pytest.raises(TemporaryError) as caught:
        await subject.do()
    assert caught.value.code is Code.UNREACHABLE


async def test_what_may_have_landed_and_cannot_be_looked_at_is_unknown(
    tmp_path: Path, world: World, sim: Simulator
) -> None:
    subject = await front(tmp_path, world)
    asked: list[int] = []

    def last_moment() -> None:
        asked.append(1)
        if len(asked) == 2:
            gone = Rule(kind=Kind.THROTTLE, operation="GetRoutingControlState")
            sim.control.set_faults([Rule(kind=Kind.CUT, operation=subject.operation, times=1), gone])

    with pytest.raises(OutcomeUnknownError):
        await ArcProvider(subject.settings(settle="1s"), worker(tmp_path, last_moment)).flip_dns(
            front_request(subject.name)
        )
    assert await subject.count() == 1
    sim.control.clear_faults()
    assert not (await subject.do()).changed


async def test_a_safety_rule_is_kept_until_the_runbook_says_otherwise(tmp_path: Path, world: World) -> None:
    subject = await front(tmp_path, world)
    config = world.client("route53-recovery-control-config", REGIONS[NEW])
    strict = config.create_safety_rule(
        AssertionRule={
            "Name": "never-both-moves",
            "ControlPanelArn": subject.panel.arns[0].split("/routingcontrol/")[0],
            "AssertedControls": [subject.panel.arns[0]],
            "RuleConfig": {"Type": "AND", "Threshold": 1, "Inverted": False},
            "WaitPeriodMs": 0,
        }
    )["AssertionRule"]["SafetyRuleArn"]
    with pytest.raises(PermanentError, match="as a safety rule of the panel does") as caught:
        await subject.do()
    assert caught.value.code is Code.CONFIGURATION
    assert await subject.state() == ["On", "Off"]
    allowed = subject.provider(safety_rules_to_override=[strict])
    assert (await allowed.flip_dns(front_request(subject.name))).changed


async def test_a_gating_rule_that_is_not_met_is_kept_until_the_runbook_says_otherwise(
    tmp_path: Path, world: World
) -> None:
    subject = await front(tmp_path, world)
    _, made = subject.panel.gate()
    with pytest.raises(PermanentError) as caught:
        await subject.do()
    assert caught.value.code is Code.CONFIGURATION
    assert "a safety rule of the panel" in caught.value.sentence
    assert "gating rule" in caught.value.next_step
    assert "safety_rules_to_override" in caught.value.next_step
    assert (await subject.state(), await subject.count()) == (["On", "Off"], 0)
    allowed = subject.provider(safety_rules_to_override=[made["GatingRule"]["SafetyRuleArn"]])
    assert (await allowed.flip_dns(front_request(subject.name, before=subject.planned))).changed
    assert (await subject.state(), await subject.count()) == (["Off", "On"], 1)


async def test_an_open_gate_lets_users_through(tmp_path: Path, world: World) -> None:
    subject = await front(tmp_path, world)
    gate, _ = subject.panel.gate()
    subject.panel.ask({gate: "On"})
    assert (await subject.do()).changed
    assert await subject.state() == ["Off", "On"]


async def test_a_wait_period_passes_by_itself(tmp_path: Path, world: World) -> None:
    subject = await Front(tmp_path, world, wait=1500).plan()
    patient = subject.provider(rule_wait="20s")
    await patient.flip_dns(front_request(subject.name))
    assert (await patient.restore_dns(front_request(subject.name, undo=True))).changed
    assert await subject.state() == ["On", "Off"]


async def test_an_older_run_that_wakes_up_late_is_refused_in_both_directions(tmp_path: Path, world: World) -> None:
    """The older one sent users there, the newer one sent them home as planned; both sites remember the newer."""
    subject = await front(tmp_path, world)
    await subject.do(EPOCH)
    home = front_request(subject.name, EPOCH + 1, where=OLD, source=NEW, mode=Mode.PLANNED)
    await subject.provider().flip_dns(home)
    for where in (OLD, NEW):
        with pytest.raises(PermanentError) as caught:
            await subject.provider().flip_dns(front_request(subject.name, EPOCH, where=where))
        assert caught.value.code is Code.STALE_EPOCH
    assert await subject.state() == ["On", "Off"]


async def test_the_commands_are_the_same_calls(tmp_path: Path, world: World) -> None:
    subject = await front(tmp_path, world)
    hand = subject.provider().by_hand(Verb.FLIP_DNS, front_request(subject.name))
    for command, wanted in ((hand.act[0], ["Off", "On"]), (hand.undo[0], ["On", "Off"])):
        words = shlex.split(command.line)
        assert words[:4] == ["aws", "--region", ENDPOINT_REGIONS[0], "--endpoint-url"]
        pairs = [dict(part.split("=") for part in word.split(",")) for word in words[8:]]
        subject.panel.ask({pair["RoutingControlArn"]: pair["RoutingControlState"] for pair in pairs})
        assert await subject.state() == wanted


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"endpoints": [{"url": "https://a", "region": "us-west-2"}]}, "in five regions"),
        ({"endpoints": [{"url": "https://a", "region": "us-west-2"}] * 5}, "in five regions"),
        ({"sites": {OLD: {"region": EAST, "controls": [ARN.format(1)] * 2}}}, "named once"),
        ({"sites": {OLD: {"region": EAST, "controls": []}}}, "never sent nowhere"),
        ({"sites": {OLD: {"region": EAST, "controls": ["i-0123456789abcdef0"]}}}, "pattern"),
    ],
)
def test_settings_that_mean_nothing_are_refused(changes: dict[str, Any], words: str) -> None:
    endpoints = [{"url": "https://a", "region": region} for region in ENDPOINT_REGIONS]
    right = {"sites": {OLD: {"region": EAST, "controls": [ARN.format(1)]}}, "endpoints": endpoints}
    assert PROVIDER.Settings.model_validate(right)
    with pytest.raises(ValidationError, match=words):
        PROVIDER.Settings.model_validate(right | changes)
