"""ID tokens: real keys of a provider that is really asked, and tokens that must count for nothing."""

from collections.abc import Iterator

import pytest

from tests.hooks.idp import AUDIENCE, ISSUER, Provider, confused, nameless, provider, token, unsigned
from workers.hooks.oidc import LONGEST, BadToken, Oidc
from workflows.model.failure import Code, PermanentError


@pytest.fixture(scope="module")
def idp() -> Iterator[Provider]:
    with provider() as made:
        yield made


@pytest.fixture
def oidc(idp: Provider) -> Oidc:
    idp.status, idp.published = 200, ["rsa-1", "ec-1", "ed-1"]
    return Oidc(ISSUER, AUDIENCE, idp.url)


@pytest.mark.parametrize("kid", ["rsa-1", "ec-1", "ed-1"])
def test_a_token_of_the_provider_says_who_it_is(oidc: Oidc, kid: str) -> None:
    assert oidc.identity(token(kid)) == "anna@example.org"


def test_an_address_that_is_not_verified_is_nobodys(oidc: Oidc) -> None:
    assert oidc.identity(token(email_verified=False)) == "anna-subject"
    assert oidc.identity(token(email_verified="true")) == "anna-subject"
    assert oidc.identity(token(without=("email_verified",))) == "anna-subject"
    assert oidc.identity(token(without=("email",))) == "anna-subject"


def test_a_token_without_nbf_counts_as_most_providers_send_none(oidc: Oidc) -> None:
    assert oidc.identity(token(without=("nbf",))) == "anna@example.org"


BAD = {
    "expired": lambda: token(exp=1_000_000_000),
    "not yet": lambda: token(nbf=9_000_000_000),
    "issued in the future": lambda: token(iat=9_000_000_000),
    "of another issuer": lambda: token(iss="https://evil.example.org"),
    "for another audience": lambda: token(aud="another"),
    "for several": lambda: token(aud=[AUDIENCE, "another"]),
    "for several, given to another": lambda: token(aud=[AUDIENCE, "another"], azp="another"),
    "of an unpublished key": lambda: token("rsa-next"),
    "by a key under another's name": lambda: token("rsa-next", header={"kid": "rsa-1"}),
    "alg none": unsigned,
    "HS256 with the public key": confused,
    "a subject that looks like an address": lambda: token(sub="anna@example.org", email_verified=False),
    "without a key's name": nameless,
    "a changed signature": lambda: token()[:-6] + "AAAAAA",
    "too long": lambda: "x" * (LONGEST + 1),
    "no token": lambda: "canary",
    "empty": lambda: "",
    "dots": lambda: "..",
    "not ASCII": lambda: "ä.ö.ü",
} | {f"without {name}": (lambda name=name: token(without=(name,))) for name in ("iss", "sub", "aud", "exp", "iat")}


@pytest.mark.parametrize("what", BAD)
def test_what_must_count_for_nothing(oidc: Oidc, what: str) -> None:
    with pytest.raises(BadToken) as refused:
        oidc.identity(BAD[what]())
    assert "canary" not in str(refused.value)
    assert "anna" not in str(refused.value)


def test_a_token_for_several_that_was_given_to_us_counts(oidc: Oidc) -> None:
    assert oidc.identity(token(aud=[AUDIENCE, "another"], azp=AUDIENCE)) == "anna@example.org"


def test_keys_are_kept_so_that_an_outage_of_the_provider_is_not_noticed(oidc: Oidc, idp: Provider) -> None:
    before = idp.asked
    for _ in range(5):
        oidc.identity(token())
    assert idp.asked == before + 1
    idp.status = 500
    assert oidc.identity(token("ec-1")) == "anna@example.org"


def test_a_provider_that_is_down_is_told_as_such_with_the_ways_that_need_none(idp: Provider) -> None:
    idp.status = 500
    fresh = Oidc(ISSUER, AUDIENCE, idp.url)
    for _ in range(3):
        with pytest.raises(PermanentError) as refused:
            fresh.identity(token())
        assert refused.value.code is Code.UNREACHABLE
        assert "sealed codes" in refused.value.next_step
    gone = Oidc(ISSUER, AUDIENCE, "http://127.0.0.1:9/keys")
    with pytest.raises(PermanentError, match="does not answer"):
        gone.identity(token())


def test_while_the_provider_is_down_it_is_not_asked_for_each_stranger(idp: Provider) -> None:
    idp.status = 500
    fresh = Oidc(ISSUER, AUDIENCE, idp.url)
    before = idp.asked
    for _ in range(20):
        with pytest.raises(PermanentError):
            fresh.identity(token("rsa-next"))
    assert idp.asked == before + 1
