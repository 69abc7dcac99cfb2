"""The name server does what RFC 2136 says, and the resolver keeps an answer exactly for its TTL."""

import base64
import time

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update
import pytest

from infra.lab.info import LabInfo
from infra.lab.load import ask_address

pytestmark = pytest.mark.lab

ZONE, NAME = "lab.test.", "shop"


def _update(info: LabInfo, *, signed: bool = True, secret: str | None = None) -> dns.update.UpdateMessage:
    if not signed:
        return dns.update.UpdateMessage(ZONE)
    key = dns.tsig.Key("seawall", secret or info.secrets()["SEAWALL_LAB_TSIG_SECRET"], dns.tsig.HMAC_SHA256)
    return dns.update.UpdateMessage(ZONE, keyring={key.name: key}, keyname=key.name)


def _send(info: LabInfo, update: dns.update.UpdateMessage, *, tcp: bool = False) -> str:
    send = dns.query.tcp if tcp else dns.query.udp
    return dns.rcode.to_text(send(update, info.dns_host, timeout=3, port=info.dns_port).rcode())


def _address(info: LabInfo) -> str:
    return ask_address(info.public_name, info.dns_host, info.dns_port)[0]


def test_a_flip_is_a_compare_and_set(info: LabInfo) -> None:
    a, b = info.sites["primary"].address, info.sites["recovery"].address
    for old, new, tcp in ((a, b, False), (b, a, True)):
        flip = _update(info)
        flip.present(NAME, "A", old)
        flip.present("_seawall.shop", "TXT", '"epoch=0"')
        flip.replace(NAME, 1, "A", new)
        assert _send(info, flip, tcp=tcp) == "NOERROR"
        assert _address(info) == new
        assert _send(info, flip, tcp=tcp) == "NXRRSET"
        assert _address(info) == new


def test_an_update_is_applied_wholly_or_not_at_all(info: LabInfo) -> None:
    update = _update(info)
    update.delete(NAME, "A")
    update.add("elsewhere.example.", 1, "A", "127.0.0.9")
    assert _send(info, update) == "NOTZONE"
    assert _address(info) == info.sites["primary"].address


@pytest.mark.parametrize(
    ("condition", "rcode"),
    [
        (lambda update: update.absent(NAME), "YXDOMAIN"),
        (lambda update: update.absent(NAME, "A"), "YXRRSET"),
        (lambda update: update.present("nobody"), "NXDOMAIN"),
        (lambda update: update.present(NAME, "MX"), "NXRRSET"),
        (lambda update: update.present(NAME, "A", "127.0.0.99"), "NXRRSET"),
    ],
)
def test_a_prerequisite_that_does_not_hold_is_named(info: LabInfo, condition, rcode: str) -> None:  # type: ignore[no-untyped-def]
    update = _update(info)
    condition(update)
    update.replace(NAME, 1, "A", "127.0.0.66")
    assert _send(info, update) == rcode
    assert _address(info) == info.sites["primary"].address


def test_unsigned_and_wrongly_signed_updates_are_refused(info: LabInfo) -> None:
    unsigned = _update(info, signed=False)
    unsigned.replace(NAME, 1, "A", "127.0.0.66")
    assert _send(info, unsigned) == "REFUSED"
    forged = _update(info, secret=base64.b64encode(b"not the secret at all").decode())
    forged.replace(NAME, 1, "A", "127.0.0.66")
    with pytest.raises(dns.tsig.PeerBadSignature):
        _send(info, forged)
    stranger = dns.tsig.Key("stranger", base64.b64encode(b"x" * 32).decode(), dns.tsig.HMAC_SHA256)
    update = dns.update.UpdateMessage(ZONE, keyring={stranger.name: stranger}, keyname=stranger.name)
    update.replace(NAME, 1, "A", "127.0.0.66")
    with pytest.raises(dns.tsig.PeerBadKey):
        _send(info, update)
    assert _address(info) == info.sites["primary"].address


def test_the_resolver_believes_an_answer_for_its_ttl_and_no_longer(info: LabInfo) -> None:
    host, _, port = info.resolver.rpartition(":")
    update = _update(info)
    update.replace("brief", 1, "A", "127.0.0.7")
    assert _send(info, update) == "NOERROR"
    began = time.monotonic()
    assert ask_address("brief.lab.test", host, int(port))[0] == "127.0.0.7"
    update = _update(info)
    update.replace("brief", 1, "A", "127.0.0.8")
    assert _send(info, update) == "NOERROR"
    while ask_address("brief.lab.test", host, int(port))[0] == "127.0.0.7":
        assert time.monotonic() - began < 3
        time.sleep(0.01)
    assert 0.95 < time.monotonic() - began < 1.5


def test_what_does_not_exist_is_said_to_be_missing(info: LabInfo) -> None:
    for host, port in ((info.dns_host, info.dns_port), (info.resolver.split(":")[0], int(info.resolver.split(":")[1]))):
        absent = dns.query.udp(dns.message.make_query("nobody.lab.test", "A"), host, timeout=3, port=port)
        assert absent.rcode() == dns.rcode.NXDOMAIN
        other = dns.query.udp(dns.message.make_query("shop.lab.test", "MX"), host, timeout=3, port=port)
        assert (other.rcode(), other.answer) == (dns.rcode.NOERROR, [])
