"""PagerDuty, Alertmanager and Opsgenie, by payloads of the form that they document. The services themselves were not
asked."""

import asyncio
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.hooks.kit import SECRETS, TOKENS, Desk
from tests.support.bed import eventually
from workers.hooks.alerts import Alertmanager, Opsgenie, PagerDuty

pytestmark = pytest.mark.asyncio(loop_scope="session")


def incident(application: Any = "shop", event_type: str = "incident.triggered", age: float = 0, **event: Any) -> Any:
    """As of a V3 webhook subscription."""
    return {
        "event": {
            "id": "01DF2QV4Z3SVNTZN3D0ALA1CPR",
            "event_type": event_type,
            "resource_type": "incident",
            "occurred_at": (datetime.now(UTC) - timedelta(seconds=age)).isoformat(),
            "agent": {"id": "PLH1HKV", "type": "user_reference"},
            "client": None,
            "data": {
                "id": "PT4KHLK",
                "type": "incident",
                "status": "triggered",
                "title": "The shop does not answer",
                "service": {"id": "PF9KMXH", "summary": "API"},
                "custom_fields": [{"name": "seawall_application", "type": "field_value", "value": application}],
            },
        }
        | event
    }


def group(*alerts: tuple[str, str, str], key: str = '{}:{alertname="Down"}') -> Any:
    """As of Alertmanager, webhook version 4: each alert has an application, a status and a start."""
    made = [
        {
            "status": status,
            "labels": {"alertname": "Down", "seawall_application": application},
            "annotations": {"summary": "It does not answer"},
            "startsAt": since,
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example.org/graph",
            "fingerprint": "c6eadffa33fcdf37",
        }
        for application, status, since in alerts
    ]
    return {
        "version": "4",
        "groupKey": key,
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "seawall",
        "groupLabels": {"alertname": "Down"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example.org",
        "alerts": made,
    }


def action(application: str, what: str = "Create", **alert: Any) -> Any:
    """As of an outgoing webhook of Opsgenie."""
    return {
        "action": what,
        "alert": {
            "alertId": "70413a06-38d6-4c85-92b8-5ebc900d42e2",
            "message": "The shop does not answer",
            "tags": [],
            "details": {"seawall_application": application},
            "priority": "P1",
            **alert,
        },
        "source": {"name": "web", "type": "API"},
        "integrationName": "Webhook",
    }


async def page(d: Desk, content: Any, signature: str = "") -> httpx.Response:
    body = json.dumps(content).encode()
    made = hmac.new(SECRETS["pagerduty"].encode(), body, hashlib.sha256).hexdigest()
    headers = {"content-type": "application/json", "x-pagerduty-signature": signature or f"v1={'0' * 64},v1={made}"}
    address = "https://hooks.example.org/v1/propose/pagerduty"
    return await d.send(httpx.Request("POST", address, headers=headers, content=body))


async def tell(d: Desk, tool: str, content: Any, token: str = "") -> httpx.Response:
    headers = {"content-type": "application/json", "authorization": f"Bearer {token or TOKENS[tool]}"}
    address = f"https://hooks.example.org/v1/propose/{tool}"
    return await d.send(httpx.Request("POST", address, headers=headers, content=json.dumps(content).encode()))


async def only_run(d: Desk, answer: httpx.Response) -> Any:
    """What was proposed: at the gate, and alone."""
    (made,) = answer.json()["proposals"]
    run = d.bed.client.get_workflow_handle(made["run"])

    async def asked() -> bool:
        gate = (await d.bed.progress(run)).gate
        return gate is not None and gate.step == "approve"

    await eventually(asked)
    assert await eventually(lambda: d.all_runs()) == {made["run"]}
    return run


async def test_an_incident_of_pagerduty_proposes_and_its_retry_does_not(d: Desk) -> None:
    content = incident(d.application)
    first = await page(d, content)
    assert first.status_code == 200, first.text
    assert first.json()["proposals"][0]["already_proposed"] is False
    again = await page(d, content)
    assert again.json()["proposals"][0]["already_proposed"] is True
    run = await only_run(d, first)
    resolved = await page(d, incident(d.application, "incident.resolved", id="01DF2QV4Z3SVNTZN3D0ALA1CPS"))
    assert resolved.status_code == 200
    assert resolved.json() == {"proposals": [], "noted": "incident.resolved asks for nothing."}
    assert (await d.bed.progress(run)).gate is not None, "nobody takes a proposal back but people"
    await run.cancel()


@pytest.mark.parametrize("age", [1801, 86_400, -301])
async def test_an_old_delivery_of_pagerduty_proposes_nothing(d: Desk, age: float) -> None:
    assert (await page(d, incident(d.application, age=age))).status_code == 409
    assert await d.all_runs() == set()


async def test_a_delivery_that_pagerduty_did_not_sign_is_refused(d: Desk) -> None:
    for signature in ("v1=" + "0" * 64, "v1=", "v2=" + "0" * 64, "x", "v1=" + "é" * 3):
        if signature.isascii():
            assert (await page(d, incident(d.application), signature)).status_code == 401
    signed_with_token = hmac.new(TOKENS["opsgenie"].encode(), b"{}", hashlib.sha256).hexdigest()
    assert (await page(d, {}, f"v1={signed_with_token}")).status_code == 401
    assert await d.all_runs() == set()


async def test_alertmanager_proposes_once_however_often_it_repeats(d: Desk) -> None:
    since = "2026-11-22T14:05:00.123456789Z"
    storm = [group((d.application, "firing", since), key=f"group {n}") for n in range(20)]
    answers = await asyncio.gather(*(tell(d, "alertmanager", one) for one in storm))
    assert {one.status_code for one in answers} == {200}
    run = await only_run(d, answers[0])
    solved = await tell(d, "alertmanager", group((d.application, "resolved", since)))
    assert solved.json()["proposals"] == []
    await run.cancel()


async def test_opsgenie_proposes_by_a_detail_or_a_tag(d: Desk) -> None:
    first = await tell(d, "opsgenie", action(d.application))
    run = await only_run(d, first)
    by_tag = action("x", details={}, tags=[f"seawall_application:{d.application}"], alertId="another")
    again = await tell(d, "opsgenie", by_tag)
    assert again.json()["proposals"][0]["run"] == run.id
    closed = await tell(d, "opsgenie", action(d.application, "Close"))
    assert closed.json()["noted"] == "Close asks for nothing."
    await run.cancel()


async def test_a_token_for_alerts_counts_for_alerts_only(d: Desk) -> None:
    assert (await tell(d, "alertmanager", group(), "wrong")).status_code == 401
    assert (await tell(d, "alertmanager", group(), SECRETS["ci"])).status_code == 401, "a secret is no token"
    async with d.http() as client:
        bearer = {"authorization": f"Bearer {TOKENS['alertmanager']}"}
        assert (await client.get("/v1/applications", headers=bearer)).status_code == 401


async def test_an_alert_for_an_application_of_others_is_refused(d: Desk) -> None:
    for answer in (await page(d, incident("other")), await tell(d, "opsgenie", action("other"))):
        assert answer.status_code == 403
    assert await d.all_runs() == set()


# --- Reading, without a server ---


async def test_what_names_no_application_is_noted() -> None:
    for value in (None, 7, ["shop"], "Not A Name", "shop\n", "../shop", ""):
        assert PagerDuty.model_validate(incident(value)).read().alerts == ()
    assert Opsgenie.model_validate(action("x", details={}, tags=["seawall_application"])).read().alerts == ()
    assert Alertmanager.model_validate(group()).read().noted


async def test_custom_fields_that_are_set_later_propose_too() -> None:
    content = incident("shop", "incident.custom_field_values.updated")
    content["event"]["data"] |= {"title": "", "incident": {"id": "PBAZLIU", "summary": "An incident"}}
    (alert,) = PagerDuty.model_validate(content).read().alerts
    assert (alert.application, alert.reason) == ("shop", "PagerDuty: An incident")


async def test_a_group_of_many_applications_is_one_alert_for_each_by_its_earliest() -> None:
    late, early = "2026-11-22T15:00:00Z", "2026-11-22T14:00:00Z"
    several = group(("b", "firing", late), ("b", "firing", early), ("a", "firing", late), ("c", "resolved", early))
    found = Alertmanager.model_validate(several).read().alerts
    assert [one.application for one in found] == ["a", "b"]
    assert found[1].key.endswith("14:00:00+00:00")
    many = group(*((f"app-{n}", "firing", late) for n in range(50)))
    assert len(Alertmanager.model_validate(many).read().alerts) == 10


async def test_words_of_an_alert_are_one_short_line() -> None:
    content = incident("shop")
    content["event"]["data"]["title"] = "<script>alert(1)</script>\r\nSet-Cookie: x\n" + "x" * 5000
    (alert,) = PagerDuty.model_validate(content).read().alerts
    assert "\n" not in alert.reason
    assert len(alert.reason) == 300
