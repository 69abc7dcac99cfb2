"""The resolver that users ask: caches every answer for as long as its TTL says, and not a moment longer or shorter.

python -m infra.lab.resolver --listen HOST:PORT --upstream HOST:PORT
"""

import argparse
import asyncio
import time
from dataclasses import dataclass

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rdtypes.ANY.SOA
import dns.rrset

from infra.lab.dns_wire import serve

UPSTREAM_SECONDS = 1.0
CACHE_LIMIT = 10_000


@dataclass(frozen=True)
class Entry:
    """An answer, and the moments (monotonic seconds) between which it holds."""

    message: dns.message.Message
    kept_at: float
    expires: float


class Resolver:
    """A cache in front of one authoritative server."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._cache: dict[tuple[dns.name.Name, int], Entry] = {}

    async def handle(self, wire: bytes) -> bytes | None:
        """The answer to a query; None for noise."""
        if len(wire) < 12 or wire[2] & 0x80:
            return None
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        response = dns.message.make_response(query, recursion_available=True)
        if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
            response.set_rcode(dns.rcode.NOTIMP)
            return response.to_wire()
        try:
            entry = await self._find(query.question[0].name, query.question[0].rdtype)
        except (OSError, dns.exception.DNSException):
            response.set_rcode(dns.rcode.SERVFAIL)
            return response.to_wire()
        response.set_rcode(entry.message.rcode())
        age = int(time.monotonic() - entry.kept_at)
        for rrset in entry.message.answer:
            rest = max(0, rrset.ttl - age)
            response.answer.append(dns.rrset.from_rdata_list(rrset.name, rest, list(rrset)))
        return response.to_wire()

    async def _find(self, name: dns.name.Name, rdtype: int) -> Entry:
        now = time.monotonic()
        kept = self._cache.get((name, rdtype))
        if kept and now < kept.expires:
            return kept
        query = dns.message.make_query(name, dns.rdatatype.RdataType.make(rdtype))
        query.flags &= ~dns.flags.RD
        answer, _ = await dns.asyncquery.udp_with_fallback(query, self._host, UPSTREAM_SECONDS, self._port)
        # The TTL counts from the question: from the answer it would outlive the record's own promise.
        entry = Entry(answer, now, now + _lifetime(answer))
        if len(self._cache) >= CACHE_LIMIT:
            self._cache.clear()
        self._cache[(name, rdtype)] = entry
        return entry


def _lifetime(answer: dns.message.Message) -> float:
    if answer.answer:
        return float(min(rrset.ttl for rrset in answer.answer))
    for rrset in answer.authority:
        for rdata in rrset:
            if isinstance(rdata, dns.rdtypes.ANY.SOA.SOA):
                return float(min(rrset.ttl, rdata.minimum))
    return 0.0


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description="Caching resolver of the lab.")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--upstream", required=True, metavar="HOST:PORT")
    options = parser.parse_args()
    host, _, port = options.listen.rpartition(":")
    upstream, _, upstream_port = options.upstream.rpartition(":")
    asyncio.run(serve(host, int(port), Resolver(upstream, int(upstream_port)).handle))


if __name__ == "__main__":
    main()
