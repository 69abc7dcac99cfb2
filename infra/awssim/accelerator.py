"""Global Accelerator: endpoint groups of one listener with their traffic dials.

A change of a dial is deployed after the delay `globalaccelerator.accelerator`; until then the accelerator is
IN_PROGRESS. Source: Global Accelerator API reference, UpdateEndpointGroup and DescribeAccelerator.
"""

import threading
import time
import uuid
from typing import Any

from infra.awssim import states
from infra.awssim.call import Call
from infra.awssim.own import Answers, Refused

SERVICE = "globalaccelerator"
DELAY = "globalaccelerator.accelerator"


class Accelerators:
    """All accelerators of the simulator."""

    def __init__(self) -> None:
        self._changed: dict[str, float] = {}
        """By accelerator: when it was changed last; monotonic seconds."""
        self._groups: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    @property
    def answers(self) -> Answers:
        """What it can."""
        return {
            (SERVICE, "CreateAccelerator"): self._create,
            (SERVICE, "CreateEndpointGroup"): self._create_group,
            (SERVICE, "DescribeAccelerator"): self._describe,
            (SERVICE, "DescribeEndpointGroup"): self._describe_group,
            (SERVICE, "UpdateEndpointGroup"): self._update_group,
        }

    def _create(self, call: Call) -> dict[str, Any]:
        arn = f"arn:aws:globalaccelerator::{call.account}:accelerator/{uuid.uuid4()}"
        with self._lock:
            self._changed[arn] = time.monotonic()
        return {"Accelerator": {"AcceleratorArn": arn, "Name": call.given["Name"], "Status": self._status(arn)}}

    def _create_group(self, call: Call) -> dict[str, Any]:
        given = call.given
        arn = f"{given['ListenerArn']}/endpoint-group/{uuid.uuid4().hex[:12]}"
        dial = given.get("TrafficDialPercentage")
        made = {"EndpointGroupArn": arn, "EndpointGroupRegion": given["EndpointGroupRegion"]}
        with self._lock:
            self._groups[arn] = made | {"TrafficDialPercentage": 100.0 if dial is None else dial}
            return {"EndpointGroup": dict(self._groups[arn])}

    def _describe(self, call: Call) -> dict[str, Any]:
        arn = call.given["AcceleratorArn"]
        if arn not in self._changed:
            raise Refused("AcceleratorNotFoundException", f"There is no accelerator {arn}.")
        return {"Accelerator": {"AcceleratorArn": arn, "Status": self._status(arn)}}

    def _describe_group(self, call: Call) -> dict[str, Any]:
        with self._lock:
            return {"EndpointGroup": dict(self._group(call))}

    def _update_group(self, call: Call) -> dict[str, Any]:
        dial = call.given.get("TrafficDialPercentage")
        if dial is not None and not 0 <= dial <= 100:
            raise Refused("InvalidArgumentException", "A traffic dial is between 0 and 100.")
        with self._lock:
            group = self._group(call)
            if dial is not None:
                group["TrafficDialPercentage"] = dial
            self._changed[group["EndpointGroupArn"].split("/listener/")[0]] = time.monotonic()
            return {"EndpointGroup": dict(group)}

    def _group(self, call: Call) -> dict[str, Any]:
        found = self._groups.get(call.given["EndpointGroupArn"])
        if found is None:
            raise Refused("EndpointGroupNotFoundException", "There is no such endpoint group.")
        return found

    def _status(self, arn: str) -> str:
        return "IN_PROGRESS" if time.monotonic() - self._changed[arn] < states.delay(DELAY) else "DEPLOYED"
