"""The settings of a DNS component, as they stand in a runbook."""

import ipaddress
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from workflows.model.base import Duration, Name, SecretRef, Strict, Text

_HOST = r"^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$"


def _ipv4(value: str) -> str:
    address = ipaddress.IPv4Address(value)
    if address.is_unspecified or address.is_multicast:
        raise ValueError("expected the IPv4 address of a host")
    return str(address)


def _endpoint(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("expected host:port, such as 10.0.0.53:53")
    return value


Address = Annotated[str, AfterValidator(_ipv4)]
Host = Annotated[str, Field(pattern=_HOST, max_length=253)]


class Tsig(Strict):
    """The key that signs updates."""

    name: Host
    secret: SecretRef
    """Base64, as the server's configuration has it."""
    algorithm: Literal["hmac-sha256", "hmac-sha384", "hmac-sha512"] = "hmac-sha256"


class DnsSettings(Strict):
    """One record in one zone. `addresses` and `ttl` have no default: they are what is written."""

    server: Text
    port: Annotated[int, Field(ge=1, le=65535)]
    zone: Host
    record: Host
    ttl: Duration
    tsig: Tsig
    addresses: dict[Name, Address] = Field(min_length=1)
    resolver: Annotated[str, AfterValidator(_endpoint)] | None = None
    """A caching resolver that users ask: a flip waits until it tells the new address."""
    timeout: Duration = timedelta(seconds=2)
    """For one question or one update."""

    @model_validator(mode="after")
    def _inside(self) -> "DnsSettings":
        record, zone = self.record.rstrip(".").lower(), self.zone.rstrip(".").lower()
        if record != zone and not record.endswith(f".{zone}"):
            raise ValueError(f"the record {self.record} is not in the zone {self.zone}")
        if self.ttl < timedelta(seconds=1):
            raise ValueError("`ttl` is at least 1s")
        return self
