"""What a caching resolver tells users, as far as the runbook names one."""

import asyncio
import contextlib
import time
from collections.abc import Sequence

from activities.providers.base import Context

from .records import Sets

MARGIN_SECONDS = 2.0
QUESTION_SECONDS = 2.0
PAUSE_SECONDS = 0.2


async def seconds_until_told(resolver: str, wanted: Sequence[Sets], ttl: int, context: Context) -> float | None:
    """How long until the resolver told the new answer of the first record that has values; None when it did not within
    the TTL of the old one and a margin, or when all of them are aliases, whose addresses nobody knows beforehand."""
    name, kind, values = _first(wanted)
    started = time.monotonic()
    while values and time.monotonic() - started < ttl + MARGIN_SECONDS:
        if await _ask(resolver, name, kind) == values:
            return time.monotonic() - started
        context.heartbeat(f"waiting for the resolver to tell the new answer of {name}")
        await asyncio.sleep(PAUSE_SECONDS)
    return None


def _first(wanted: Sequence[Sets]) -> tuple[str, str, set[str]]:
    """Name, type and values of the record that answers."""
    for one in (one for sets in wanted for one in sets):
        if one.get("ResourceRecords") and one.get("Weight") != 0 and one.get("Failover") != "SECONDARY":
            return (
                one["Name"],
                one["Type"],
                {str(value["Value"]).rstrip(".").lower() for value in one["ResourceRecords"]},
            )
    return "", "", set()


async def _ask(resolver: str, name: str, kind: str) -> set[str]:
    # dnspython is of another dependency group: settings that name a resolver want it, and others do not.
    import dns.asyncquery
    import dns.exception
    import dns.message
    import dns.rdatatype

    host, _, port = resolver.rpartition(":")
    question = dns.message.make_query(name, kind)
    with contextlib.suppress(dns.exception.DNSException, OSError, EOFError):
        told, _ = await dns.asyncquery.udp_with_fallback(question, host, timeout=QUESTION_SECONDS, port=int(port))
        sets = (one for one in told.answer if dns.rdatatype.to_text(one.rdtype) == kind)
        return {data.to_text().rstrip(".").lower() for one in sets for data in one}
    return set()
