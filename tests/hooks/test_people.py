"""People behind a gateway, by ID tokens: a whole failover, and what each of them may not."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio

from tests.hooks.idp import Provider, provider
from tests.hooks.kit import Desk, desk, token
from tests.support.bed import Crew, eventually
from tests.support.flow import kept
from tests.support.sim import Fault
from workflows.model.progress import RunState

pytestmark = pytest.mark.asyncio(loop_scope="session")

WHY = {"operation": "failover", "reason": "site A is gone"}


@pytest.fixture(scope="module")
def idp() -> Iterator[Provider]:
    with provider() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def d(workers: Crew, idp: Provider) -> AsyncIterator[Desk]:
    idp.status = 200
    async with desk(workers, idp.environment) as made:
        yield made


async def test_a_failover_from_the_start_to_the_report_by_two_people(d: Desk) -> None:
    started = await d.spoken("POST", d.starts, WHY)
    assert started.status_code == 202, started.text
    run = started.json()["run"]
    gate = await d.gate(started)
    own = await d.spoken("POST", f"/v1/runs/{run}/approve", {"code": gate.code})
    assert own.status_code == 403, "carl is an operator and no approver"
    seen = await d.spoken("GET", f"/v1/runs/{run}", by="olga")
    assert seen.json()["gate"]["code"] == gate.code
    agreed = await d.spoken("POST", f"/v1/runs/{run}/approve", {"code": gate.code, "comment": "seen it"}, by="anna")
    assert agreed.status_code == 200, agreed.text
    report = await d.run(started).result()
    assert report.end_state is RunState.RECOVERED
    assert [(one.approver, one.proof) for one in report.approvals] == [
        ("carl", "OpenID Connect, vouched for by webhook (127.0.0.1)"),
        ("anna", "OpenID Connect, vouched for by webhook (127.0.0.1)"),
    ]
    read = await d.spoken("GET", f"/v1/runs/{run}/report", by="olga")
    assert read.json()["end_state"] == "RECOVERED"
    assert read.json()["requested_by"] == "carl"
    kept(d.bed.world)
    assert d.bed.world.route == "recovery"
    listed = await d.spoken("GET", f"/v1/runs?application={d.application}", by="olga")
    assert [one["run"] for one in listed.json()["runs"]] == [run]
    found = (await d.spoken("GET", "/v1/applications", by="olga")).json()["applications"]
    assert [(one["application"], one["active_site"], one["protected"]) for one in found] == [
        (d.application, "recovery", False)
    ]


async def test_a_no_undoes_what_was_made_ready(d: Desk) -> None:
    started = await d.spoken("POST", d.starts, WHY)
    gate = await d.gate(started)
    said = await d.spoken("POST", f"/v1/runs/{started.json()['run']}/reject", {"code": gate.code}, by="anna")
    assert said.status_code == 200
    assert (await d.run(started).result()).end_state is RunState.COMPENSATED
    late = await d.spoken("POST", f"/v1/runs/{started.json()['run']}/approve", {"code": gate.code}, by="anna")
    assert late.status_code in (404, 409)


async def test_what_is_parked_is_acknowledged_and_answered(d: Desk) -> None:
    d.bed.world.faults["flip_dns"] = Fault("refuse", 1)
    started = await d.spoken("POST", d.starts, WHY)
    path, gate = f"/v1/runs/{started.json()['run']}", await d.gate(started)
    assert (await d.spoken("POST", f"{path}/answers", {"action": "pause"})).status_code == 200
    assert (await d.spoken("POST", f"{path}/answers", {"action": "resume"})).status_code == 200
    await d.spoken("POST", f"{path}/approve", {"code": gate.code}, by="anna")
    await d.bed.until(d.run(started), RunState.PARKED)
    seen = await d.spoken("POST", f"{path}/acknowledge", {"note": "on my way"}, by="anna")
    assert seen.status_code == 200
    assert "anna" in seen.json()["sentence"]
    assert (await d.spoken("POST", f"{path}/answers", {"action": "retry"}, by="olga")).status_code == 403
    wrong = await d.spoken("POST", f"{path}/answers", {"action": "retry", "step": "no.such"})
    assert wrong.status_code == 409
    assert (await d.spoken("POST", f"{path}/answers", {"action": "retry", "reason": "it is back"})).status_code == 200
    assert (await d.run(started).result()).end_state is RunState.RECOVERED


async def test_one_key_is_one_run_for_one_person_and_another_one_for_another(d: Desk) -> None:
    first, second = await asyncio.gather(*(d.spoken("POST", d.starts, WHY, key="carls-key-1") for _ in range(2)))
    won = first if first.status_code == 202 else second
    assert {first.status_code, second.status_code} <= {202, 409}
    await d.gate(won)
    again = await d.spoken("POST", d.starts, WHY, key='"carls-key-1"')
    assert again.json() == won.json()
    assert await eventually(lambda: d.all_runs()) == {won.json()["run"]}
    reused = await d.spoken("POST", d.starts, {**WHY, "planned": True}, key="carls-key-1")
    assert reused.status_code == 422
    await d.run(won).cancel()


@pytest.mark.parametrize("key", ["short", "with space in it", "a.dot.in.it", "x" * 129])
async def test_a_key_is_wanted_and_has_a_form(d: Desk, key: str) -> None:
    async with d.http() as client:
        headers = {"authorization": f"Bearer {token(email='carl@example.org')}"}
        bare = await client.post(d.starts, json=WHY, headers=headers)
        assert (bare.status_code, bare.json()["type"]) == (400, "urn:seawall:problem:KEY_WANTED")
        headers["idempotency-key"] = key
        assert (await client.post(d.starts, json=WHY, headers=headers)).status_code == 400
    assert await d.all_runs() == set()


async def test_a_person_whom_the_policy_does_not_know_may_nothing(d: Desk) -> None:
    answer = await d.spoken("GET", "/v1/applications", by="eve")
    assert answer.status_code == 403
    for by in ("olga", "anna"):
        refused = await d.spoken("POST", d.starts, WHY, by=by)
        assert refused.status_code == 403
        assert d.application in refused.json()["detail"]
    assert await d.all_runs() == set()


async def test_an_identity_provider_that_is_down_is_a_503_and_machines_go_on(d: Desk, idp: Provider) -> None:
    idp.status = 500
    fresh = d.reborn()
    answer = await fresh.spoken("GET", "/v1/applications")
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert "sealed codes need no identity provider" in answer.json()["next_step"]
    assert (await fresh.signed("GET", "/v1/applications")).status_code == 200


async def test_without_a_token_there_is_not_even_a_404(d: Desk) -> None:
    async with d.http() as client:
        for path in ("/v1/applications", "/v1/nothing", "/docs", "/"):
            answer = await client.get(path)
            assert answer.status_code == 401
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["www-authenticate"] == "Bearer"
        assert (await client.get("/healthz")).json() == {"ok": True}
        assert (await client.get("/openapi.json")).status_code == 200
        bad = httpx.Request("GET", "https://hooks.example.org/v1/runs", headers=[("authorization", "Bearer a")] * 2)
        assert (await client.send(bad)).status_code == 400
