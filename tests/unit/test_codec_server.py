"""The codec server, asked as the Web UI asks it, and as others would."""

import json

import httpx
import pytest

from workers.codec import KEYS_VARIABLE, new_key, ring
from workers.codec_server import COOKIE, MOST_BYTES, digest, make_app
from workers.converter import converter

ORIGIN, TOKEN = "https://temporal.example.org", "a-long-random-token"
KEYS = ring({KEYS_VARIABLE: new_key("k1")})
BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def client() -> httpx.AsyncClient:
    """A browser, without its manners."""
    app = make_app(KEYS, [digest("another"), digest(TOKEN)], [ORIGIN])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://codec.example.org")


async def encrypted(value: object) -> dict[str, object]:
    """As the Web UI has it of the server."""
    from google.protobuf import json_format
    from temporalio.api.common.v1 import Payloads

    sent = Payloads(payloads=await converter(KEYS).encode([value]))
    found: dict[str, object] = json.loads(json_format.MessageToJson(sent))
    return found


async def test_the_web_ui_reads_what_is_encrypted_and_sends_what_it_typed(client: httpx.AsyncClient) -> None:
    body = await encrypted({"reason": "canary"})
    answer = await client.post("/decode", json=body, headers={**BEARER, "origin": ORIGIN, "x-namespace": "default"})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    back = await client.post("/encode", content=answer.content, headers=BEARER)
    assert "canary" not in back.text
    again = await client.post("/decode", content=back.content, headers=BEARER)
    assert again.json() == answer.json()


STRANGERS = ({}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}, {"cookie": f"{COOKIE}=x"})


@pytest.mark.parametrize("headers", STRANGERS)
async def test_nobody_without_a_token_reads_anything(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    body = await encrypted("canary")
    for path in ("/decode", "/encode"):
        answer = await client.post(path, json=body, headers=headers)
        assert answer.status_code == 401
        assert "canary" not in answer.text


async def test_a_page_of_another_origin_is_told_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.options(
        "/decode", headers={"origin": "https://evil.example", "access-control-request-method": "POST"}
    )
    assert "access-control-allow-origin" not in answer.headers


async def test_the_login_page_gives_a_cookie_that_works(client: httpx.AsyncClient) -> None:
    assert (await client.post("/login", data={"token": "<script>"})).status_code == 401
    answer = await client.post("/login", data={"token": TOKEN})
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "secure", "samesite=none"))
    assert (await client.post("/decode", json=await encrypted("x"))).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"payloads": 3}', b"\xff\xfe"])
async def test_nonsense_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    assert (await client.post("/decode", content=body, headers=BEARER)).status_code in (200, 400)


async def test_too_much_at_once_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/decode", content=b" " * (MOST_BYTES + 1), headers=BEARER)
    assert answer.status_code == 413


async def test_a_key_that_is_missing_is_told_in_a_sentence(client: httpx.AsyncClient) -> None:
    from google.protobuf import json_format
    from temporalio.api.common.v1 import Payloads

    other = ring({KEYS_VARIABLE: new_key("k9")})
    sent = json_format.MessageToJson(Payloads(payloads=await converter(other).encode(["x"])))
    answer = await client.post("/decode", content=sent, headers=BEARER)
    assert answer.status_code == 422
    assert "'k9'" in answer.json()["message"]
