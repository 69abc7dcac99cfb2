"""One zone: answers, and RFC 2136 updates as one atomic compare-and-set that is on disk before it is answered."""

import os
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
import dns.update
import dns.zone
from dns.rdatatype import RdataType
from dns.transaction import Transaction

_META = range(128, 256)
"""Types that ask (AXFR, ANY ...) and are never stored."""


class Refused(Exception):
    """The update changes nothing; `rcode` says why."""

    def __init__(self, rcode: dns.rcode.Rcode) -> None:
        super().__init__(dns.rcode.to_text(rcode))
        self.rcode = rcode


class Zone:
    """A zone that lives in a file."""

    def __init__(self, origin: str, path: Path) -> None:
        self.origin = dns.name.from_text(origin)
        self._path = path
        text = path.read_text(encoding="utf-8")
        self._zone = dns.zone.from_text(text, origin=self.origin, relativize=False)

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        """The authoritative answer to a query."""
        response = dns.message.make_response(query)
        if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
            response.set_rcode(dns.rcode.NOTIMP)
            return response
        name, rdtype = query.question[0].name, query.question[0].rdtype
        if not name.is_subdomain(self.origin) or rdtype in _META:
            response.set_rcode(dns.rcode.REFUSED)
            return response
        response.flags |= dns.flags.AA
        found = self._zone.get_rdataset(name, rdtype)
        if found is not None:
            response.answer.append(dns.rrset.from_rdata_list(name, found.ttl, list(found)))
            return response
        soa = self._zone.get_rdataset(self.origin, RdataType.SOA)
        if soa is not None:
            response.authority.append(dns.rrset.from_rdata_list(self.origin, soa.ttl, list(soa)))
        if not any(known.is_subdomain(name) for known in self._zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response

    def update(self, message: dns.update.UpdateMessage) -> None:
        """Apply all of an update, or nothing of it.

        Raises:
            Refused: a prerequisite does not hold, or the update is not for this zone or not well formed.
        """
        if not message.zone or message.zone[0].name != self.origin:
            raise Refused(dns.rcode.NOTAUTH)
        with self._zone.writer() as transaction:
            self._require(transaction, message.prerequisite)
            before = self._zone.to_text(relativize=False)
            try:
                for change in message.update:
                    self._apply(transaction, change)
                transaction.update_serial(name=self.origin)
            except (ValueError, dns.exception.DNSException) as error:
                # The zone's own rules: a CNAME beside other data, a TTL out of range.
                raise Refused(dns.rcode.REFUSED) from error
        try:
            self._save()
        except OSError as error:
            # What is not on disk must not be served either: a restart would take it back.
            self._zone = dns.zone.from_text(before, origin=self.origin, relativize=False)
            raise Refused(dns.rcode.SERVFAIL) from error

    def _require(self, transaction: Transaction, conditions: list[dns.rrset.RRset]) -> None:
        """RFC 2136 section 3.2."""
        wanted: dict[tuple[dns.name.Name, RdataType], set[dns.rdata.Rdata]] = {}
        for condition in conditions:
            name, rdtype = condition.name, condition.rdtype
            if not name.is_subdomain(self.origin):
                raise Refused(dns.rcode.NOTZONE)
            if condition.deleting is None:
                wanted.setdefault((name, rdtype), set()).update(condition)
                continue
            must_exist = condition.deleting == dns.rdataclass.ANY
            if rdtype == RdataType.ANY:
                if transaction.name_exists(name) != must_exist:
                    raise Refused(dns.rcode.NXDOMAIN if must_exist else dns.rcode.YXDOMAIN)
            elif (transaction.get(name, rdtype) is not None) != must_exist:
                raise Refused(dns.rcode.NXRRSET if must_exist else dns.rcode.YXRRSET)
        for (name, rdtype), values in wanted.items():
            stands = transaction.get(name, rdtype)
            if stands is None or set(stands) != values:
                raise Refused(dns.rcode.NXRRSET)

    def _apply(self, transaction: Transaction, change: dns.rrset.RRset) -> None:
        """RFC 2136 section 3.4. The apex keeps its SOA and NS whatever is asked."""
        name, rdtype = change.name, change.rdtype
        if not name.is_subdomain(self.origin):
            raise Refused(dns.rcode.NOTZONE)
        at_apex = name == self.origin
        if change.deleting is None:
            if rdtype in _META or (at_apex and rdtype == RdataType.SOA):
                raise Refused(dns.rcode.FORMERR)
            self._add(transaction, change)
        elif at_apex and rdtype in (RdataType.ANY, RdataType.SOA, RdataType.NS):
            raise Refused(dns.rcode.REFUSED)
        elif change.deleting == dns.rdataclass.ANY:
            if rdtype == RdataType.ANY:
                transaction.delete(name)
            else:
                transaction.delete(name, rdtype)
        else:
            for rdata in change:
                transaction.delete(name, rdata)

    @staticmethod
    def _add(transaction: Transaction, change: dns.rrset.RRset) -> None:
        merged = dns.rdataset.Rdataset(change.rdclass, change.rdtype)
        stands = transaction.get(change.name, change.rdtype)
        for rdata in [*(stands or ()), *change]:
            merged.add(rdata, change.ttl)
        merged.ttl = change.ttl
        transaction.replace(change.name, merged)

    def _save(self) -> None:
        draft = self._path.with_suffix(".tmp")
        with draft.open("w", encoding="utf-8") as file:
            self._zone.to_file(file, relativize=False)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
