"""What stands at the name: its addresses, and beside them the epoch under which they were written.

The TXT record at `_seawall.<record>` holds `epoch=N key=... was=...`: the step that wrote it, and the addresses that
stood there before, so that an undo knows them even when the answer of the flip was lost.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from .settings import DnsSettings

LABEL = "_seawall"
TRIES = 2


class ServerSilent(Exception):
    """The name server did not answer, or not to the question."""


@dataclass(frozen=True)
class Standing:
    """The two records, as read at one server."""

    addresses: tuple[str, ...] = ()
    ttl: int | None = None
    txt: str | None = None
    """The whole text as read: the left side of the compare-and-set."""
    epoch: int | None = None
    key: str = ""
    was: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """As JSON values."""
        return {"addresses": list(self.addresses), "ttl": self.ttl, "epoch": self.epoch, "key": self.key}


def compose(epoch: int, key: str, was: tuple[str, ...]) -> str:
    """The text of the TXT record: at most 255 bytes, which is one string."""
    words = f"epoch={epoch} key={quote(key, safe=':/.-_')}"
    return f"{words} was={','.join(was)}"[:255] if was and len(words) < 200 else words[:255]


def parse(text: str) -> tuple[int | None, str, tuple[str, ...]]:
    """Epoch, key and earlier addresses; an epoch that is no number is None."""
    found = dict(word.partition("=")[::2] for word in text.split())
    epoch = found.get("epoch", "")
    was = tuple(address for address in found.get("was", "").split(",") if address)
    return (int(epoch) if epoch.isdigit() else None), unquote(found.get("key", "")), was


def names(settings: DnsSettings) -> tuple[dns.name.Name, dns.name.Name]:
    """The names of the address record and of the epoch record."""
    owner = dns.name.from_text(settings.record)
    return owner, dns.name.Name((LABEL.encode(), *owner.labels))


async def ask(
    host: str, port: int, name: dns.name.Name, kind: dns.rdatatype.RdataType, timeout: float
) -> dns.rrset.RRset | None:
    """The record set at a server; None when there is none.

    Raises:
        ServerSilent: no answer, or one that is no answer (SERVFAIL, REFUSED).
    """
    question = dns.message.make_query(name, kind)
    for turn in range(TRIES):
        try:
            answer, _ = await dns.asyncquery.udp_with_fallback(question, host, timeout=timeout / TRIES, port=port)
            break
        except (dns.exception.DNSException, OSError, EOFError) as error:
            if turn == TRIES - 1:
                raise ServerSilent(f"The name server at {host}:{port} does not answer.") from error
    if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        word = dns.rcode.to_text(answer.rcode())
        raise ServerSilent(f"The name server at {host}:{port} answers {word} for {name}.")
    return answer.get_rrset(answer.answer, name, dns.rdataclass.IN, kind)


async def read(settings: DnsSettings) -> Standing:
    """Both records at the authoritative server. Raises ServerSilent."""
    owner, epoch_owner = names(settings)
    timeout = settings.timeout.total_seconds()
    address = await ask(settings.server, settings.port, owner, dns.rdatatype.A, timeout)
    text = await ask(settings.server, settings.port, epoch_owner, dns.rdatatype.TXT, timeout)
    addresses = tuple(sorted(data.address for data in address)) if address else ()
    ttl = address.ttl if address else None
    if not text:
        return Standing(addresses, ttl)
    words = b"".join(text[0].strings).decode(errors="replace")
    return Standing(addresses, ttl, words, *parse(words))


async def resolved(settings: DnsSettings) -> tuple[str, ...] | None:
    """What the resolver tells users; None when it does not answer or is not set."""
    if settings.resolver is None:
        return None
    host, _, port = settings.resolver.rpartition(":")
    try:
        found = await ask(host, int(port), names(settings)[0], dns.rdatatype.A, settings.timeout.total_seconds())
    except ServerSilent:
        return None
    return tuple(sorted(data.address for data in found)) if found else ()
