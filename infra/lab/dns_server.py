"""The lab's authoritative name server: UDP and TCP, updates only when signed (RFC 2136, RFC 8945).

    python -m infra.lab.dns_server --listen HOST:PORT --zone lab.test --file ZONE_FILE --key-name seawall

The key's secret, in base64, comes in the environment variable SEAWALL_LAB_TSIG_SECRET.
"""

import argparse
import asyncio
import os
import struct
import sys
import time
from pathlib import Path

import dns.exception
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TSIG
import dns.rrset
import dns.tsig
import dns.update

from infra.lab.dns_wire import Handler, serve
from infra.lab.dns_zone import Refused, Zone

SECRET = "SEAWALL_LAB_TSIG_SECRET"  # noqa: S105 (the name of a variable)


class Server:
    """Answers one wire message with another."""

    def __init__(self, zone: Zone, key: dns.tsig.Key) -> None:
        self._zone = zone
        self._key = key

    async def handle(self, wire: bytes) -> bytes | None:
        """The answer; None for what deserves none (noise, or answers sent to us)."""
        if len(wire) < 12 or wire[2] & 0x80:
            return None
        try:
            message = dns.message.from_wire(wire, keyring={self._key.name: self._key})
        except (dns.message.UnknownTSIGKey, dns.tsig.BadKey, dns.tsig.BadAlgorithm):
            return self._unsigned(wire, dns.rcode.BADKEY)
        except dns.tsig.BadSignature:
            return self._unsigned(wire, dns.rcode.BADSIG)
        except dns.tsig.BadTime:
            return self._unsigned(wire, dns.rcode.BADTIME)
        except (dns.exception.DNSException, struct.error):
            return _bare(wire, dns.rcode.FORMERR).to_wire()
        if isinstance(message, dns.update.UpdateMessage):
            return self._update(message).to_wire()
        return self._zone.answer(message).to_wire()

    def _update(self, message: dns.update.UpdateMessage) -> dns.message.Message:
        response = dns.message.make_response(message)
        if not message.had_tsig:
            response.set_rcode(dns.rcode.REFUSED)
            return response
        try:
            self._zone.update(message)
        except Refused as refusal:
            response.set_rcode(refusal.rcode)
        return response

    def _unsigned(self, wire: bytes, error: dns.rcode.Rcode) -> bytes:
        """NOTAUTH with a TSIG record that says why, and no signature, as RFC 8945 section 5.3.2 wants."""
        response = _bare(wire, dns.rcode.NOTAUTH)
        record = dns.rdtypes.ANY.TSIG.TSIG(  # type: ignore[no-untyped-call]
            dns.rdataclass.ANY,
            dns.rdatatype.TSIG,
            self._key.algorithm,
            int(time.time()),
            300,
            b"",
            response.id,
            error,
            b"",
        )
        response.tsig = dns.rrset.from_rdata(self._key.name, 0, record)
        return response.to_wire()


def _bare(wire: bytes, rcode: dns.rcode.Rcode) -> dns.message.Message:
    """An answer to a message of which only the header can be trusted to be readable."""
    response = dns.message.Message(id=int.from_bytes(wire[:2], "big"))
    response.flags = 0x8000 | (int.from_bytes(wire[2:4], "big") & 0x7800)
    response.set_rcode(rcode)
    return response


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description="Authoritative name server of the lab.")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--zone", required=True)
    parser.add_argument("--file", required=True, type=Path)
    parser.add_argument("--key-name", default="seawall")
    options = parser.parse_args()
    if not os.environ.get(SECRET):
        sys.exit(f"The variable {SECRET} is not set. Put the key's secret, in base64, into it and start again.")
    key = dns.tsig.Key(options.key_name, os.environ[SECRET], dns.tsig.HMAC_SHA256)
    handler: Handler = Server(Zone(options.zone, options.file), key).handle
    host, _, port = options.listen.rpartition(":")
    asyncio.run(serve(host, int(port), handler))


if __name__ == "__main__":
    main()
