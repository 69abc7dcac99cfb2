"""The endpoints for PagerDuty, Alertmanager and Opsgenie. An alert proposes, or is noted; it never does more."""

import time
from typing import Any

from fastapi import APIRouter

from workers.door import Caller
from workers.hooks.alerts import Alertmanager, Opsgenie, PagerDuty, Read
from workers.hooks.callers import ALERTMANAGER, OPSGENIE, PAGERDUTY
from workers.hooks.forms import Heard
from workers.hooks.problems import Refusal, documented
from workers.hooks.proposals import Proposals
from workers.hooks.routes import CallerOf, ProposalsOf
from workers.hooks.signing import TOLERANCE

LATEST_SECONDS = 1800
"""PagerDuty tries again for some twenty minutes, always with the same bytes. After this its delivery is too old."""

_TOKEN: dict[str, Any] = {"security": [{"alert_token": []}]}
_RESPONSES = documented(400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 503)

router = APIRouter(tags=["alerts"], responses=_RESPONSES)


@router.post(PAGERDUTY, summary="PagerDuty, V3 webhook", openapi_extra={"security": [{"pagerduty": []}]})
async def pagerduty(caller: CallerOf, proposals: ProposalsOf, body: PagerDuty) -> Heard:
    """An incident that is triggered proposes a failover of the application that its custom field `seawall_application`
    names."""
    age = time.time() - body.event.occurred_at.timestamp()
    if not -TOLERANCE <= age <= LATEST_SECONDS:
        raise Refusal(409, "REPLAYED", "This event is too old, or of the future, to propose anything.")
    return await _heard(caller, proposals, body.read())


@router.post(ALERTMANAGER, summary="Alertmanager, webhook", openapi_extra=_TOKEN)
async def alertmanager(caller: CallerOf, proposals: ProposalsOf, body: Alertmanager) -> Heard:
    """Alerts that fire propose a failover of each application in their label `seawall_application`."""
    return await _heard(caller, proposals, body.read())


@router.post(OPSGENIE, summary="Opsgenie, outgoing webhook", openapi_extra=_TOKEN)
async def opsgenie(caller: CallerOf, proposals: ProposalsOf, body: Opsgenie) -> Heard:
    """A new alert proposes a failover of the application in its detail, or tag, `seawall_application`."""
    return await _heard(caller, proposals, body.read())


async def _heard(caller: Caller, proposals: Proposals, found: Read) -> Heard:
    made = [await proposals.propose(caller, one.application, one.reason, one.key) for one in found.alerts]
    return Heard(proposals=made, noted=found.noted)
