"""Signatures: what is signed, what one changed byte does, and secrets in rotation. Nothing here needs a server."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from workers.door import Caller
from workers.hooks.callers import Asked, Callers, Known
from workers.hooks.callers import asked as as_asked
from workers.hooks.problems import Refusal
from workers.hooks.run_ids import RunIds
from workers.hooks.settings import SECRETS, TOKENS, read_hook_settings
from workers.hooks.signing import TOLERANCE, Keyring, sign, signed_content
from workflows.model.failure import Code, PermanentError

NOW = 1_795_000_000
OLD, NEW, OTHER = (name * 16 for name in (b"old", b"new", b"eve"))
RING = Keyring({"ci": (NEW, OLD), "eve": (OTHER,)})
CALLERS = Callers(RING, Keyring({"alertmanager": (b"t" * 32,)}), None)
BODY = b'{"reason": "site A is gone"}'
PATH = "/v1/applications/shop/proposals"


def request(secret: bytes = NEW, at: int = NOW, **changed: Any) -> Asked:
    headers = {
        "webhook-id": "msg_12345678",
        "webhook-timestamp": str(at),
        "webhook-signature": sign(secret, "msg_12345678", at, "POST", PATH, BODY),
    }
    return replace(Asked("POST", PATH, PATH, headers, BODY), **changed)


async def known(asked: Asked, now: float = NOW) -> Known | int:
    """Who asks, or the status with which they are sent away."""
    try:
        return await CALLERS.of(asked, now)
    except Refusal as refusal:
        return refusal.status


def test_the_signature_is_that_of_standard_webhooks_over_the_request_line_and_the_body() -> None:
    made = sign(b"k" * 32, "msg_1", 1674087231, "POST", "/v1/x?y=1", b"{}")
    right = hmac.new(b"k" * 32, b"msg_1.1674087231.POST /v1/x?y=1\n{}", hashlib.sha256).digest()
    assert made == "v1," + base64.b64encode(right).decode()


async def test_both_secrets_of_a_rotation_count_and_no_other() -> None:
    for secret in (NEW, OLD):
        found = await known(request(secret))
        assert isinstance(found, Known)
        assert (found.how, found.identity, found.key) == ("hmac", "ci", "msg_12345678")
    found = await known(request(OTHER))
    assert isinstance(found, Known)
    assert found.identity == "eve", "a secret speaks for its holder only"
    assert await known(request(b"x" * 48)) == 401


async def test_one_of_several_signatures_is_enough() -> None:
    asked = request()
    both = f"v1,{base64.b64encode(b'0' * 32).decode()} v1a,else {asked.headers['webhook-signature']}"
    assert isinstance(await known(replace(asked, headers={**asked.headers, "webhook-signature": both})), Known)
    many = " ".join([asked.headers["webhook-signature"]] * 9)
    assert await known(replace(asked, headers={**asked.headers, "webhook-signature": many})) == 401


@pytest.mark.parametrize(("age", "counts"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)])
async def test_a_time_counts_for_five_minutes_in_both_directions(age: int, counts: bool) -> None:
    assert isinstance(await known(request(at=NOW - age)), Known) is counts


def changes(asked: Asked) -> Iterator[tuple[str, Asked]]:
    """The request with one byte changed, at every place that there is; and one more, and one less."""
    for at in range(len(asked.body)):
        yield f"body {at}", replace(asked, body=_flipped(asked.body, at))
    yield "body longer", replace(asked, body=asked.body + b" ")
    yield "body shorter", replace(asked, body=asked.body[:-1])
    for at in range(len(asked.target)):
        yield f"path {at}", replace(asked, target=_flipped(asked.target.encode(), at).decode("latin-1"))
    yield "query", replace(asked, target=f"{asked.target}?")
    for method in ("GET", "PUT", "post", "POS", "POSTT"):
        yield method, replace(asked, method=method)
    for name, value in asked.headers.items():
        for at in range(len(value)):
            bent = _flipped(value.encode(), at).decode("latin-1")
            yield f"{name} {at}", replace(asked, headers={**asked.headers, name: bent})
        yield f"no {name}", replace(asked, headers={**asked.headers, name: ""})


def _flipped(text: bytes, at: int) -> bytes:
    return text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :]


async def test_one_changed_byte_anywhere_is_refused() -> None:
    tried = 0
    for what, asked in changes(request()):
        assert await known(asked) in (400, 401), what
        tried += 1
    assert tried > 120


async def test_nobody_without_a_signature_or_with_a_token_for_alerts_is_known() -> None:
    bare = request()
    for headers in ({}, {"authorization": "Basic YTpi"}, {"authorization": "Bearer " + "t" * 32}):
        assert await known(replace(bare, headers=headers)) == 401


@given(st.text(), st.text(), st.text())
async def test_headers_of_any_form_are_a_clean_refusal(id: str, at: str, signature: str) -> None:
    headers = {"webhook-id": id, "webhook-timestamp": at, "webhook-signature": signature}
    assert await known(replace(request(), headers=headers)) == 401


@given(st.from_regex(r"[A-Za-z0-9_-]{8,20}", fullmatch=True), st.integers(0, 10**11), st.binary(max_size=40))
def test_no_two_requests_have_the_same_signed_bytes(id: str, at: int, body: bytes) -> None:
    content = signed_content(id, at, "POST", PATH, body)
    head, _, rest = content.partition(b"\n")
    assert rest == body
    assert head.decode() == f"{id}.{at}.POST {PATH}"
    assert not content.startswith(b"{"), "what PagerDuty signs cannot be taken for this"


@pytest.mark.parametrize(
    ("client", "where"), [(("203.0.113.7", 1), "203.0.113.7"), (("<script>", 1), ""), (("::1", 1), "::1"), (None, "")]
)
def test_only_an_address_is_told_as_where_somebody_came_from(client: tuple[str, int] | None, where: str) -> None:
    scope = {"method": "GET", "path": "/v1/a b", "query_string": b"x=1", "headers": [], "client": client}
    found = as_asked(scope, b"")
    assert found.where == where
    assert found.target == "/v1/a%20b?x=1"


@pytest.mark.parametrize("name", ["webhook-id", "Webhook-Signature", "authorization", "idempotency-key"])
def test_a_header_that_counts_may_stand_there_once(name: str) -> None:
    twice = [(name.encode(), b"a"), (name.lower().encode(), b"b")]
    scope = {"method": "GET", "path": "/v1", "query_string": b"", "headers": twice}
    with pytest.raises(Refusal) as refused:
        as_asked(scope, b"")
    assert refused.value.status == 400


# --- Settings ---


def settings(folder: Path, **environment: str) -> Any:
    return read_hook_settings(folder, environment)


def test_secrets_are_read_from_json_or_a_file_and_never_shown(tmp_path: Path) -> None:
    text = json.dumps({"ci": ["canary-new-" + "n" * 32, "canary-old-" + "o" * 32], "pagerduty": "canary-" + "p" * 32})
    file = tmp_path / "secrets.json"
    file.write_text(text)
    for value in (text, str(file), f"@{file}"):
        found = settings(tmp_path, **{SECRETS: value})
        assert sorted(name for name, _ in found.secrets.each()) == ["ci", "ci", "pagerduty"]
        assert "canary" not in f"{found} {found!r} {found.secrets}"


def test_a_secret_as_standard_webhooks_writes_it_is_decoded(tmp_path: Path) -> None:
    raw = bytes(range(32))
    found = settings(tmp_path, **{SECRETS: json.dumps({"ci": "whsec_" + base64.b64encode(raw).decode()})})
    assert list(found.secrets.each()) == [("ci", raw)]


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, "are all empty"),
        ({SECRETS: '{"ci": "canary-short"}'}, "fewer than 32"),
        ({SECRETS: '{"ci": []}'}, "fewer than 32"),
        ({SECRETS: '{"ci": 12345678901234567890123456789012}'}, "fewer than 32"),
        ({SECRETS: '{"Canary Name": "' + "x" * 40 + '"}'}, "lower-case"),
        ({SECRETS: '{"ci": "whsec_canary!!' + "x" * 40 + '"}'}, "Base64"),
        ({SECRETS: '{"ci": canary'}, "no JSON object"),
        ({SECRETS: "/no/such/canary"}, "neither"),
        ({SECRETS: "{}"}, "are all empty"),
        ({SECRETS: '{"a": "' + "x" * 40 + '", "b": "' + "x" * 40 + '"}'}, "twice"),
        ({SECRETS: '{"a": "' + "x" * 40 + '"}', TOKENS: '{"b": "' + "x" * 40 + '"}'}, "twice"),
        ({"SEAWALL_OIDC_ISSUER": "https://canary"}, "belong together"),
    ],
)
def test_settings_that_do_not_fit_are_told_without_what_stands_in_them(
    tmp_path: Path, environment: dict[str, str], says: str
) -> None:
    with pytest.raises(PermanentError) as refused:
        settings(tmp_path, **environment)
    assert refused.value.code is Code.CONFIGURATION
    assert says in str(refused.value)
    assert "canary" not in str(refused.value).lower()


def test_the_tolerance_is_what_the_description_says() -> None:
    assert TOLERANCE == 300


def test_the_id_of_a_run_is_the_same_for_one_key_and_nobody_else_can_foretell_it() -> None:
    gateway, other = RunIds(Ed25519PrivateKey.generate()), RunIds(Ed25519PrivateKey.generate())
    ci, anna = Caller("ci", "hmac", "203.0.113.7"), Caller("anna", "oidc")
    made = gateway.of("failover", "shop", ci, "msg_1")
    assert made == gateway.of("failover", "shop", replace(ci, where="elsewhere"), "msg_1")
    assert re.fullmatch(r"failover/shop/hook-[0-9a-f]{20}", made)
    others = [
        gateway.of("failover", "shop", ci, "msg_2"),
        gateway.of("failover", "shop", anna, "msg_1"),
        gateway.of("drill", "shop", ci, "msg_1"),
        other.of("failover", "shop", ci, "msg_1"),
        RunIds(None).of("failover", "shop", ci, "msg_1"),
    ]
    assert len({one.rpartition("/")[2] for one in [made, *others]}) == 6
