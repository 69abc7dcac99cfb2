"""The services that moto has not: their answers and refusals keep to botocore's service models."""

import time

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from infra.awssim.arc import CLUSTER, CONFIG, REGIONS
from infra.awssim.faults import Kind, Rule
from infra.awssim.ledger import Outcome
from tests.awssim.contract import faults_of_error, faults_of_reply
from tests.awssim.panel import Panel
from tests.awssim.world import EAST, WEST, World

NOBODY = "arn:aws:route53-recovery-control::123456789012:controlpanel/0/routingcontrol/0"


def test_routing_controls_keep_to_their_model(world: World) -> None:
    panel = Panel(world)
    config, cluster = world.client(CONFIG, WEST), world.client(CLUSTER, REGIONS[0])
    assert faults_of_reply(config, "CreateSafetyRule", panel.made) == []
    told = cluster.get_routing_control_state(RoutingControlArn=panel.arns[0])
    assert faults_of_reply(cluster, "GetRoutingControlState", told) == []
    done = panel.ask({panel.arns[1]: "On"})
    assert faults_of_reply(cluster, "UpdateRoutingControlStates", done) == []
    for operation, ask in {
        "GetRoutingControlState": lambda: cluster.get_routing_control_state(RoutingControlArn=NOBODY),
        "UpdateRoutingControlStates": lambda: panel.ask({NOBODY: "On"}),
    }.items():
        with pytest.raises(ClientError) as caught:
            ask()
        assert faults_of_error(cluster, operation, caught.value) == []


def test_an_update_is_carried_out_wholly_or_not_at_all_and_seen_at_every_endpoint(world: World) -> None:
    panel = Panel(world)
    first, second = panel.arns
    with pytest.raises(ClientError, match="ResourceNotFound"):
        panel.ask({first: "Off", second: "On", NOBODY: "On"})
    assert panel.states() == ["On", "Off"]
    panel.ask({first: "Off", second: "On"}, REGIONS[1])
    assert [panel.states(region) for region in REGIONS] == [["Off", "On"]] * 5


def test_an_assertion_rule_holds_until_it_is_overridden(world: World) -> None:
    panel = Panel(world)
    mark = world.mark()
    with pytest.raises(ClientError, match="ConflictException") as caught:
        panel.ask({panel.arns[0]: "Off"})
    assert faults_of_error(world.client(CLUSTER, REGIONS[0]), "UpdateRoutingControlStates", caught.value) == []
    panel.ask({panel.arns[0]: "Off"}, SafetyRulesToOverride=[panel.rule])
    assert panel.states() == ["Off", "Off"]
    assert world.outcomes("UpdateRoutingControlStates", mark) == [Outcome.REFUSED, Outcome.TOOK_EFFECT]


def test_a_gating_rule_lets_its_targets_change_only_while_the_gate_is_open(world: World) -> None:
    panel = Panel(world)
    gate, made = panel.gate()
    assert faults_of_reply(world.client(CONFIG, WEST), "CreateSafetyRule", made) == []
    across = {panel.arns[0]: "Off", panel.arns[1]: "On"}
    for update in (across, across | {gate: "On"}):
        with pytest.raises(ClientError, match="only-while-open") as caught:
            panel.ask(update)
        assert faults_of_error(world.client(CLUSTER, REGIONS[0]), "UpdateRoutingControlStates", caught.value) == []
        assert panel.states() == ["On", "Off"]
    panel.ask({gate: "On"})
    panel.ask(across)
    assert panel.states() == ["Off", "On"]
    panel.ask({gate: "Off"})
    panel.ask({panel.arns[0]: "On"}, SafetyRulesToOverride=[made["GatingRule"]["SafetyRuleArn"]])
    assert panel.states() == ["On", "On"]


def test_an_inverted_gate_is_open_while_its_control_is_off(world: World) -> None:
    panel = Panel(world)
    gate, _ = panel.gate(inverted=True)
    panel.ask({panel.arns[1]: "On"})
    panel.ask({gate: "On"})
    with pytest.raises(ClientError, match="ConflictException"):
        panel.ask({panel.arns[1]: "Off"})


def test_the_wait_period_of_a_gating_rule_is_that_of_its_targets(world: World) -> None:
    panel = Panel(world)
    gate, _ = panel.gate(wait=1500)
    panel.ask({gate: "On"})
    with pytest.raises(ClientError, match="wait period of the safety rule only-while-open"):
        panel.ask({panel.arns[1]: "On"})
    time.sleep(1.5)
    panel.ask({panel.arns[1]: "On"})
    assert panel.states() == ["On", "On"]


def test_a_safety_rule_is_of_one_kind(world: World) -> None:
    with pytest.raises(ClientError, match="ValidationException") as caught:
        world.once(CONFIG, WEST).create_safety_rule()
    assert faults_of_error(world.client(CONFIG, WEST), "CreateSafetyRule", caught.value) == []


def test_within_the_wait_period_nothing_is_changed_again(world: World) -> None:
    panel = Panel(world, wait=1500)
    panel.ask({panel.arns[0]: "Off", panel.arns[1]: "On"}, SafetyRulesToOverride=[panel.rule])
    with pytest.raises(ClientError, match="ConflictException"):
        panel.ask({panel.arns[0]: "On"})
    time.sleep(1.5)
    panel.ask({panel.arns[0]: "On"})
    assert panel.states() == ["On", "On"]


def test_an_endpoint_that_is_gone_leaves_the_others(world: World) -> None:
    panel = Panel(world)
    world.sim.control.set_faults([Rule(kind=Kind.REGION_GONE, region=REGIONS[0])])
    with pytest.raises(ConnectionClosedError):
        world.once(CLUSTER, REGIONS[0]).get_routing_control_state(RoutingControlArn=panel.arns[0])
    assert panel.states(REGIONS[1]) == ["On", "Off"]


def test_dials_keep_to_their_model_and_take_their_time(world: World) -> None:
    client = world.client("globalaccelerator", WEST)
    made = client.create_accelerator(Name=world.name(), IdempotencyToken=world.name())
    assert faults_of_reply(client, "CreateAccelerator", made) == []
    accelerator = made["Accelerator"]["AcceleratorArn"]
    group = client.create_endpoint_group(
        ListenerArn=f"{accelerator}/listener/0", EndpointGroupRegion=EAST, IdempotencyToken=world.name()
    )
    assert faults_of_reply(client, "CreateEndpointGroup", group) == []
    arn = group["EndpointGroup"]["EndpointGroupArn"]
    world.sim.control.set_delays({"globalaccelerator.accelerator": 1000})
    done = client.update_endpoint_group(EndpointGroupArn=arn, TrafficDialPercentage=0)
    assert faults_of_reply(client, "UpdateEndpointGroup", done) == []
    assert client.describe_endpoint_group(EndpointGroupArn=arn)["EndpointGroup"]["TrafficDialPercentage"] == 0
    assert client.describe_accelerator(AcceleratorArn=accelerator)["Accelerator"]["Status"] == "IN_PROGRESS"
    world.sim.control.set_delays({"globalaccelerator.accelerator": 0})
    told = client.describe_accelerator(AcceleratorArn=accelerator)
    assert faults_of_reply(client, "DescribeAccelerator", told) == []
    assert told["Accelerator"]["Status"] == "DEPLOYED"
    for operation, ask in {
        "UpdateEndpointGroup": lambda: client.update_endpoint_group(EndpointGroupArn="nobody"),
        "DescribeEndpointGroup": lambda: client.describe_endpoint_group(EndpointGroupArn="nobody"),
        "DescribeAccelerator": lambda: client.describe_accelerator(AcceleratorArn="nobody"),
    }.items():
        with pytest.raises(ClientError) as caught:
            ask()
        assert faults_of_error(client, operation, caught.value) == []


def test_what_it_has_not_it_says(world: World) -> None:
    with pytest.raises(ClientError, match="NotImplemented"):
        world.once(CLUSTER, REGIONS[0]).list_routing_controls()
