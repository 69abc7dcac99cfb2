"""A control panel of ARC to test with."""

from typing import Any

from infra.awssim.arc import CLUSTER, CONFIG, REGIONS
from tests.awssim.world import WEST, World


class Panel:
    """Two routing controls, one of them on, of which at least one must be on."""

    def __init__(self, world: World, wait: int = 0) -> None:
        self.world = world
        self.clients: dict[str, Any] = {}
        config = world.client(CONFIG, WEST)
        first = config.create_routing_control(ClusterArn="arn:aws:cluster", RoutingControlName=world.name())
        panel = first["RoutingControl"]["ControlPanelArn"]
        second = config.create_routing_control(
            ClusterArn="arn:aws:cluster", ControlPanelArn=panel, RoutingControlName=world.name()
        )
        self.arns = [made["RoutingControl"]["RoutingControlArn"] for made in (first, second)]
        self.ask({self.arns[0]: "On"})
        self.made = config.create_safety_rule(
            AssertionRule={
                "Name": "one-is-on",
                "ControlPanelArn": panel,
                "AssertedControls": self.arns,
                "RuleConfig": {"Type": "OR", "Threshold": 1, "Inverted": False},
                "WaitPeriodMs": wait,
            }
        )
        self.rule = self.made["AssertionRule"]["SafetyRuleArn"]

    def gate(self, wait: int = 0, inverted: bool = False) -> tuple[str, dict[str, Any]]:
        """A third control, which is off, and a gating rule: only while it is on may the two be changed."""
        config = self.world.client(CONFIG, WEST)
        panel = self.arns[0].split("/routingcontrol/")[0]
        made = config.create_routing_control(
            ClusterArn="arn:aws:cluster", ControlPanelArn=panel, RoutingControlName=self.world.name()
        )
        gate = str(made["RoutingControl"]["RoutingControlArn"])
        rule: dict[str, Any] = config.create_safety_rule(
            GatingRule={
                "Name": "only-while-open",
                "ControlPanelArn": panel,
                "GatingControls": [gate],
                "TargetControls": self.arns,
                "RuleConfig": {"Type": "OR", "Threshold": 1, "Inverted": inverted},
                "WaitPeriodMs": wait,
            }
        )
        return gate, rule

    def ask(self, states: dict[str, str], region: str = REGIONS[0], **more: Any) -> Any:
        entries = [{"RoutingControlArn": arn, "RoutingControlState": state} for arn, state in states.items()]
        if region not in self.clients:
            self.clients[region] = self.world.once(CLUSTER, region)
        return self.clients[region].update_routing_control_states(UpdateRoutingControlStateEntries=entries, **more)

    def states(self, region: str = REGIONS[0]) -> list[str]:
        client = self.world.client(CLUSTER, region)
        return [client.get_routing_control_state(RoutingControlArn=arn)["RoutingControlState"] for arn in self.arns]
