"""Requests of traffic components."""

from typing import Any

from tests.provider.conformance import EPOCH
from tests.provider.support import NEW, OLD, request
from workflows.model.messages import StepRequest, Target
from workflows.model.runbook import Component

FRONT = Component.model_validate({"role": "traffic", "kind": "dns"})


def front_request(application: str, epoch: int = EPOCH, where: str = "", source: str = OLD, **more: Any) -> StepRequest:
    """A flip to `where`, of an application that has the register for itself."""
    site = where or NEW
    asked = request(site, "front.flip_dns", epoch, FRONT, **more)
    target = Target(name="front", component=FRONT, site=site, source=source, target=site)
    return asked.model_copy(update={"target": target, "ref": asked.ref.model_copy(update={"application": application})})
