"""ARC routing controls: a cluster with its five endpoints, controls that are on or off, and safety rules of both kinds.

One state stands behind the five endpoints, as behind a quorum; which endpoint is asked tells the region that a call is
signed for, so that a rule of that region takes the endpoint away. Invariant: an update is carried out wholly or not at
all, and never against a safety rule: an assertion rule speaks of what stands after the update, a gating rule of whether
its target controls may be updated at all.

Source: Recovery Cluster and Recovery Control Configuration API references. They do not say by which of their errors a
safety rule refuses; here it is `ConflictException`. Nor do they say whether one update may open a gate and go through
it; here the gate has to stand open before.
"""

import threading
import time
import uuid
from typing import Any

from infra.awssim.call import Call
from infra.awssim.own import Answers, Refused

CONFIG, CLUSTER = "route53-recovery-control-config", "route53-recovery-cluster"
REGIONS = ("ap-northeast-1", "ap-southeast-2", "eu-west-1", "us-east-1", "us-west-2")


class Arc:
    """All clusters of the simulator."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}
        self._changed: dict[str, float] = {}
        """When a control was changed last; monotonic seconds."""
        self._rules: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    @property
    def answers(self) -> Answers:
        """What it can."""
        return {
            (CONFIG, "CreateRoutingControl"): self._create_control,
            (CONFIG, "CreateSafetyRule"): self._create_rule,
            (CLUSTER, "GetRoutingControlState"): self._get,
            (CLUSTER, "UpdateRoutingControlStates"): self._update,
        }

    def _create_control(self, call: Call) -> dict[str, Any]:
        panel = call.given.get("ControlPanelArn") or f"{_prefix(call)}:controlpanel/{uuid.uuid4().hex}"
        arn = f"{panel}/routingcontrol/{uuid.uuid4().hex[:16]}"
        with self._lock:
            self._states[arn] = "Off"
        made = {"ControlPanelArn": panel, "Name": call.given["RoutingControlName"], "RoutingControlArn": arn}
        return {"RoutingControl": made | {"Status": "DEPLOYED"}}

    def _create_rule(self, call: Call) -> dict[str, Any]:
        kinds = [kind for kind in ("AssertionRule", "GatingRule") if call.given.get(kind)]
        if len(kinds) != 1:
            raise Refused("ValidationException", "A safety rule is an assertion rule or a gating rule.")
        rule = call.given[kinds[0]]
        arn = f"{rule['ControlPanelArn']}/safetyrule/{uuid.uuid4().hex[:16]}"
        with self._lock:
            self._rules[arn] = rule
        return {kinds[0]: rule | {"SafetyRuleArn": arn, "Status": "DEPLOYED"}}

    def _get(self, call: Call) -> dict[str, Any]:
        arn = call.given["RoutingControlArn"]
        with self._lock:
            return {"RoutingControlArn": arn, "RoutingControlState": self._state(arn)}

    def _update(self, call: Call) -> dict[str, Any]:
        wanted = {
            entry["RoutingControlArn"]: entry["RoutingControlState"]
            for entry in call.given["UpdateRoutingControlStateEntries"]
        }
        overridden = set(call.given.get("SafetyRulesToOverride") or ())
        with self._lock:
            if overridden - set(self._rules):
                raise Refused("ResourceNotFoundException", "A safety rule that is to be overridden does not exist.")
            for arn in wanted:
                self._state(arn)
            for arn, rule in self._rules.items():
                if arn not in overridden and set(_guarded(rule)) & set(wanted):
                    self._insist(rule, wanted)
            self._changed |= {arn: time.monotonic() for arn in wanted if self._states[arn] != wanted[arn]}
            self._states |= wanted
        return {}

    def _state(self, arn: str) -> str:
        if arn not in self._states:
            raise Refused("ResourceNotFoundException", f"There is no routing control {arn}.")
        return self._states[arn]

    def _insist(self, rule: dict[str, Any], wanted: dict[str, str]) -> None:
        """The rule holds, and the controls that it guards have stood still for its wait period."""
        config, gates = rule["RuleConfig"], rule.get("GatingControls")
        judged, stands = (gates, self._states) if gates else (rule["AssertedControls"], self._states | wanted)
        needed = {"AND": len(judged), "OR": 1}.get(config["Type"], config["Threshold"])
        holds = sum(stands.get(arn) == "On" for arn in judged) >= needed
        if holds == config["Inverted"]:
            raise Refused("ConflictException", f"The safety rule {rule['Name']} does not allow this.")
        still = time.monotonic() - max(self._changed.get(arn, float("-inf")) for arn in _guarded(rule))
        if still * 1000 < rule["WaitPeriodMs"]:
            raise Refused("ConflictException", f"The wait period of the safety rule {rule['Name']} is not over.")


def _guarded(rule: dict[str, Any]) -> list[str]:
    """The controls of which an update is judged by the rule."""
    found: list[str] = rule.get("TargetControls") or rule["AssertedControls"]
    return found


def _prefix(call: Call) -> str:
    return f"arn:aws:route53-recovery-control::{call.account}"
