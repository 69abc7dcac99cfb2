"""The settings of the kind `aws.route53`, as they stand in a runbook."""

import importlib.util
import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from activities.providers.aws.ids import HostedZoneId
from activities.providers.aws.settings import AwsSettings, AwsSite
from workflows.model.base import Duration, Name, Strict

MOST_VALUES = 1000
MOST_CHARACTERS = 32_000
"""Of the values in one batch; a record is there twice, once as it was and once as it will be. Route 53 Developer Guide,
Quotas, "ChangeResourceRecordSets". An alias has no values."""
GUARD_CHARACTERS = 257
LABEL = "_seawall"

_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
Host = Annotated[str, Field(pattern=rf"^(\*\.)?{_LABEL}(\.{_LABEL})*\.?$", max_length=240)]
Identifier = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,128}$")]
Kind = Literal["A", "AAAA", "CNAME"]


class Alias(Strict):
    """Something of AWS that answers for the name, such as a load balancer."""

    zone: HostedZoneId
    """That of the thing itself: each service has one in each region."""
    name: Host
    evaluate_target_health: bool = False


class Answer(Strict):
    """What the name answers while the application runs at a site: values, or an alias."""

    values: tuple[str, ...] = ()
    alias: Alias | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "Answer":
        if bool(self.values) == bool(self.alias):
            raise ValueError("give either `values` or an `alias`: a name is never left without an answer")
        return self


class _Record(Strict):
    zone: HostedZoneId
    name: Host
    type: Kind

    @property
    def host(self) -> str:
        """The name as it is compared."""
        return plain(self.name)


class Simple(_Record):
    """A record with one answer, which is another one at each site."""

    routing: Literal["simple"]
    ttl: Duration | None = None
    """Of `values`; an alias has that of its target."""
    at: dict[Name, Answer]

    @model_validator(mode="after")
    def _answers_fit(self) -> "Simple":
        if self.type == "CNAME" and any(one.alias or len(one.values) != 1 for one in self.at.values()):
            raise ValueError("a CNAME has exactly one value, and is no alias: an alias is of type A or AAAA")
        for value in (value for one in self.at.values() for value in one.values):
            _insist_on(self.type, value)
        if any(one.values for one in self.at.values()) and self.seconds < 1:
            raise ValueError("`ttl`, at least 1s, is wanted where there are `values`")
        return self

    @property
    def seconds(self) -> int:
        """The TTL."""
        return round(self.ttl.total_seconds()) if self.ttl else 0


class Half(Strict):
    """The record of one site, of those that stand side by side under one name."""

    set_identifier: Identifier


class Share(Half):
    """The record of one site among the weighted ones of a name."""

    weight: Annotated[int, Field(ge=1, le=255)]
    """While the application runs there; 0 while it runs elsewhere."""


class Weighted(_Record):
    """Records that stand side by side, of which one has weight. What they answer is left as it is."""

    routing: Literal["weighted"]
    at: dict[Name, Share]


class Failover(_Record):
    """Two records, primary and secondary, that change places. What they answer is left as it is."""

    routing: Literal["failover"]
    at: dict[Name, Half]

    @model_validator(mode="after")
    def _a_pair(self) -> "Failover":
        if len(self.at) != 2:
            raise ValueError("a failover record has exactly two sites: one primary, one secondary")
        return self


Record = Annotated[Simple | Weighted | Failover, Field(discriminator="routing")]


class Route53Settings(AwsSettings):
    """All records of a zone change at once or not at all; several zones one after another.

    Route 53 takes changes in us-east-1 alone. Where that is the region to fail over from, use `aws.arc`, or failover
    records with health checks, which need no change.
    """

    sites: dict[str, AwsSite]
    records: tuple[Record, ...]
    resolver: Annotated[str, Field(pattern=r"^\S+:\d{1,5}$", examples=["10.0.0.53:53"])] | None = None
    """A caching resolver that users ask: a flip waits until it tells the new answer, at most for the TTL."""

    @model_validator(mode="after")
    def _records_fit(self) -> "Route53Settings":
        if not self.records:
            raise ValueError("at least one record is wanted in `records`")
        if self.resolver:
            ipaddress.ip_address(self.resolver.rpartition(":")[0])
            if importlib.util.find_spec("dns") is None:
                raise ValueError("a `resolver` needs dnspython: pip install 'seawall[dns]'")
        for record in self.records:
            if set(record.at) != set(self.sites):
                raise ValueError(f"{record.name}: `at` names exactly the sites {', '.join(sorted(self.sites))}")
        names = [(record.zone, record.host, record.type) for record in self.records]
        if len(names) != len(set(names)):
            raise ValueError("two of the records are the same record")
        for record in self.records:
            if len({getattr(one, "set_identifier", repr(one)) for one in record.at.values()}) != len(record.at):
                raise ValueError(f"{record.name}: two sites have the same in `at`, and nobody could tell them apart")
        for zone, records in self.by_zone.items():
            _insist_on_a_batch(zone, records)
        return self

    @property
    def by_zone(self) -> Mapping[str, list[Record]]:
        """The records of each zone, in the order of the runbook."""
        found: dict[str, list[Record]] = defaultdict(list)
        for record in self.records:
            found[record.zone].append(record)
        return found


def plain(name: str) -> str:
    """A name as it is compared: in small letters, without its last dot, and with the star that Route 53 escapes."""
    return name.replace("\\052", "*").rstrip(".").lower()


def _insist_on(kind: Kind, value: str) -> None:
    if kind == "A":
        ipaddress.IPv4Address(value)
    elif kind == "AAAA":
        ipaddress.IPv6Address(value)
    elif not value or " " in value or value.startswith("."):
        raise ValueError("the value of a CNAME is a name")


def _insist_on_a_batch(zone: str, records: Iterable[Record]) -> None:
    values, characters = 2, 2 * GUARD_CHARACTERS
    for record in records:
        if isinstance(record, Simple):
            values += 2 * max(len(one.values) for one in record.at.values())
            characters += 2 * max(sum(map(len, one.values)) for one in record.at.values())
        else:
            values += 2 * len(record.at)
    if values > MOST_VALUES or characters > MOST_CHARACTERS:
        raise ValueError(
            f"the records of {zone} would be a batch of {values} values and {characters} characters, of which Route 53"
            f" takes {MOST_VALUES} and {MOST_CHARACTERS}: give some of them to a component of their own"
        )
