"""Vouchers: a gateway's word is good for one statement, for a few minutes, by its key alone."""

import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from activities import keys
from activities.people.vouchers import GOOD_FOR, LEEWAY, read, voucher
from workflows.model.policy import Gateway, Policy

KEY = Ed25519PrivateKey.generate()
PUBLIC = keys.write(KEY.public_key().public_bytes_raw())
POLICY = Policy(gateways={"chat": Gateway(key=PUBLIC, vouches=("slack",))})
SAID = "seawall: anna says approve"


def test_a_good_one_is_marked_and_told() -> None:
    mark, words, why_not = read(voucher("chat", KEY, "anna", "slack", SAID, "slack C01"), "anna", SAID, POLICY)
    assert (len(mark), words, why_not) == (32, "Slack, vouched for by chat (slack C01)", "")
    other = read(voucher("chat", KEY, "anna", "slack", SAID), "anna", SAID, POLICY)[0]
    assert other != mark, "each is one of its own"


def changed(**claims: object) -> str:
    good = jwt.decode(voucher("chat", KEY, "anna", "slack", SAID), options={"verify_signature": False})
    return jwt.encode({**good, **claims}, KEY, algorithm="EdDSA")


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": -LEEWAY - 5, "iat": -200},
        {"exp": GOOD_FOR * 2},
        {"iat": 3600, "exp": 3600},
        {"iss": "elsewhere"},
        {"sub": "ben"},
        {"stm": "0" * 64},
        {"amr": ["oidc"]},
        {"amr": "slack"},
        {"amr": []},
    ],
)
def test_a_claim_that_is_not_as_it_must_be_proves_nothing(claims: dict[str, object]) -> None:
    now = int(time.time())  # of the test: a collection of tests is minutes older
    claims = {name: now + value if isinstance(value, int) else value for name, value in claims.items()}
    mark, words, why_not = read(changed(**claims), "anna", SAID, POLICY)
    assert (mark, words) == ("", "")
    assert why_not


@pytest.mark.parametrize("missing", ["iss", "sub", "amr", "stm", "iat", "exp", "jti"])
def test_a_claim_that_is_missing_proves_nothing(missing: str) -> None:
    good = jwt.decode(voucher("chat", KEY, "anna", "slack", SAID), options={"verify_signature": False})
    del good[missing]
    assert read(jwt.encode(good, KEY, algorithm="EdDSA"), "anna", SAID, POLICY)[0] == ""


def test_no_other_key_and_no_other_algorithm() -> None:
    good = jwt.decode(voucher("chat", KEY, "anna", "slack", SAID), options={"verify_signature": False})
    forged = [
        jwt.encode(good, Ed25519PrivateKey.generate(), algorithm="EdDSA"),
        jwt.encode(good, PUBLIC, algorithm="HS256"),
        jwt.encode(good, "", algorithm="none"),
        "",
        "a.b.c",
    ]
    for token in forged:
        assert read(token, "anna", SAID, POLICY)[0] == ""
    assert "no gateway" in read(voucher("chat", KEY, "anna", "slack", SAID), "anna", SAID, None)[2]
    assert "no gateway" in read(voucher("chat", KEY, "anna", "slack", SAID), "anna", SAID, Policy())[2]
