"""What a zone holds for us, and the one batch that changes it. Pure.

Invariants:

* A batch deletes every record exactly as it was read, and creates it anew. Route 53 refuses the whole batch when one of
  them is not what was read: that is the compare-and-set which it has no call for.
* The guard, a TXT record at `_seawall.NAME` (the first of the zone's names), is part of every batch. It holds
  `epoch=N key=... was=...`, so that a batch which was built before a later run's can never land after it.
* No record is left without an answer.
"""

import hashlib
import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from workflows.model.failure import Code, PermanentError
from workflows.model.messages import Ref

from .settings import LABEL, Record, Simple, Weighted, plain

Set = dict[str, Any]
"""A `ResourceRecordSet` as boto3 has it."""
Sets = tuple[Set, ...]
ALIAS_TTL = GUARD_TTL = 60
"""Seconds. An alias of a load balancer has 60; Route 53 does not tell those of others."""


@dataclass(frozen=True)
class Zone:
    """Our part of one zone, as it was read at once."""

    id: str
    records: tuple[Record, ...]
    stands: tuple[Sets, ...]
    """For each of the records."""
    guard: Set | None

    @property
    def guard_name(self) -> str:
        """Where the epoch stands."""
        return guard_name(self.records)

    @property
    def words(self) -> dict[str, str]:
        """What the guard says."""
        values = (self.guard or {}).get("ResourceRecords") or [{"Value": ""}]
        return dict(word.partition("=")[::2] for word in str(values[0]["Value"]).strip('"').split())

    @property
    def epoch(self) -> int | None:
        """Under which it was changed last."""
        found = self.words.get("epoch", "")
        return int(found) if found.isdigit() else None

    @property
    def digest(self) -> str:
        """The same for the same records."""
        return hashlib.sha256(json.dumps([canon(sets) for sets in self.stands]).encode()).hexdigest()[:16]

    def wanted(self, site: str) -> tuple[Sets, ...]:
        """What every record is to be while the application runs at a site."""
        return tuple(wanted(*pair, site) for pair in zip(self.records, self.stands, strict=True))

    def is_as(self, others: Sequence[Sets]) -> bool:
        """Whether all of its records are these."""
        return [canon(sets) for sets in self.stands] == [canon(sets) for sets in others]

    def pointing_at(self, site: str) -> int:
        """How many of its records send users to a site, whatever their TTL."""
        pairs = zip(self.stands, self.wanted(site), strict=True)
        return sum(canon(stands, ttl=False) == canon(sets, ttl=False) for stands, sets in pairs)


def guard_name(records: Sequence[Record]) -> str:
    """The same whatever the order of the records; the star of a wildcard is left out."""
    return f"{LABEL}.{min(record.host.removeprefix('*.') for record in records)}."


def select(records: Sequence[Record], listed: Sequence[Set]) -> tuple[tuple[Sets, ...], Set | None]:
    """What stands for each of the records, and the guard, out of all that a zone holds.

    Raises:
        PermanentError: CONFIGURATION, when a record is of another routing than the runbook says.
    """
    found: dict[tuple[str, str], dict[str, Set]] = {}
    for one in listed:
        found.setdefault((plain(one["Name"]), one["Type"]), {})[one.get("SetIdentifier", "")] = one
    stands = tuple(_of(record, found.get((record.host, record.type), {})) for record in records)
    return stands, found.get((plain(guard_name(records)), "TXT"), {}).get("")


def _of(record: Record, found: dict[str, Set]) -> Sets:
    if isinstance(record, Simple):
        if set(found) - {""} or any("TrafficPolicyInstanceId" in one for one in found.values()):
            raise _other_routing(record, "it is not a simple one")
        return tuple(found.values())
    member = "Weight" if isinstance(record, Weighted) else "Failover"
    ours = {site.set_identifier for site in record.at.values()}
    if any(one.get("Weight") for name, one in found.items() if name not in ours):
        raise _other_routing(record, "others beside those of the runbook have weight")
    for site in record.at.values():
        if member not in found.get(site.set_identifier, {}):
            raise _other_routing(record, f"there is no {record.routing} one with the identifier {site.set_identifier}")
    return tuple(found[site.set_identifier] for site in record.at.values())


def _other_routing(record: Record, why: str) -> PermanentError:
    return PermanentError(
        Code.CONFIGURATION,
        f"The {record.type} record {record.name} in {record.zone} does not fit the runbook: {why}.",
        "Mend `routing` and the identifiers in the runbook, or the record.",
    )


def wanted(record: Record, stands: Sets, site: str) -> Sets:
    """What the record is to be while the application runs at a site."""
    if isinstance(record, Simple):
        return (_simple(record, site),)
    pairs = zip(record.at.items(), stands, strict=True)
    if isinstance(record, Weighted):
        return tuple(one | {"Weight": record.at[name].weight if name == site else 0} for (name, _), one in pairs)
    return tuple(one | {"Failover": "PRIMARY" if name == site else "SECONDARY"} for (name, _), one in pairs)


def _simple(record: Simple, site: str) -> Set:
    made: Set = {"Name": f"{record.host}.", "Type": record.type}
    answer = record.at[site]
    if answer.alias is None:
        return made | {"TTL": record.seconds, "ResourceRecords": [{"Value": value} for value in answer.values]}
    return made | {
        "AliasTarget": {
            "HostedZoneId": answer.alias.zone,
            "DNSName": f"{plain(answer.alias.name)}.",
            "EvaluateTargetHealth": answer.alias.evaluate_target_health,
        }
    }


def canon(sets: Sets, ttl: bool = True) -> list[str]:
    """A form in which equal records are equal texts: Route 53 adds dots, and the order of values means nothing."""
    return sorted(json.dumps(_canon(one, ttl), sort_keys=True) for one in sets)


def _canon(one: Set, ttl: bool) -> Set:
    found = {key: value for key, value in one.items() if value is not None and (ttl or key != "TTL")}
    found["Name"] = plain(one["Name"])
    if one.get("ResourceRecords"):
        found["ResourceRecords"] = sorted(_value(one["Type"], value["Value"]) for value in one["ResourceRecords"])
    if one.get("AliasTarget"):
        found["AliasTarget"] = one["AliasTarget"] | {"DNSName": plain(one["AliasTarget"]["DNSName"])}
    return found


def _value(kind: str, value: str) -> str:
    return plain(value) if kind == "CNAME" else str(ipaddress.ip_address(value))


def batch(zone: Zone, sets: Sequence[Sets], ref: Ref) -> list[dict[str, Any]]:
    """The changes that make these of the zone's records, if they and the guard are what was read.

    Raises:
        PermanentError: INVALID_INPUT, when a record would be left without an answer.
    """
    for record, wanted_ in zip(zone.records, sets, strict=True):
        if not any(one.get("ResourceRecords") or one.get("AliasTarget") for one in wanted_) or _weightless(wanted_):
            raise PermanentError(
                Code.INVALID_INPUT, f"This change would leave {record.name} without an answer.", "It was not sent."
            )
    guard = {
        "Name": zone.guard_name,
        "Type": "TXT",
        "TTL": GUARD_TTL,
        "ResourceRecords": [{"Value": f'"{guard_text(zone, ref)}"'}],
    }
    old = [one for stands in zone.stands for one in stands] + ([zone.guard] if zone.guard else [])
    new = [one for wanted_ in sets for one in wanted_] + [guard]
    return [{"Action": "DELETE", "ResourceRecordSet": one} for one in old] + [
        {"Action": "CREATE", "ResourceRecordSet": one} for one in new
    ]


def guard_text(zone: Zone, ref: Ref) -> str:
    """At most 255 characters, which is one string of a TXT record."""
    sites = [site for site in zone.records[0].at if zone.pointing_at(site) == len(zone.records)]
    return f"epoch={ref.epoch} key={quote(ref.key, safe=':/.-_')} was={','.join(sites) or '?'}"[:255]


def _weightless(sets: Sets) -> bool:
    """With no weight anywhere, Route 53 answers with all of them."""
    return all(one.get("Weight") == 0 for one in sets)


def longest_ttl(sets: Sequence[Sets]) -> int:
    """Seconds for which somebody may still be told what these records say."""
    return max((int(one.get("TTL", ALIAS_TTL)) for found in sets for one in found), default=0)
