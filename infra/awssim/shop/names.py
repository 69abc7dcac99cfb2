"""Answers the public name as Route 53 does, whose name servers are in no region: a lost one takes nothing from them."""

import dns.exception
import dns.message
import dns.rcode
import dns.rrset

from .plane import Plane


class Names:
    """For `infra.lab.dns_wire.serve`. Asked for anything but an address, it has nothing to say."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane

    async def handle(self, wire: bytes) -> bytes | None:
        """The answer to a query; None for noise."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        response = dns.message.make_response(query)
        for asked in query.question:
            name = asked.name.to_text(omit_final_dot=True).lower()
            addresses, ttl = self._plane.answers(name)
            if addresses:
                response.answer.append(dns.rrset.from_text(asked.name, ttl, "IN", "A", *addresses))
            else:
                response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire()
