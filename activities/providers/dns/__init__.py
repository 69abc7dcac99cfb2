"""DNS by RFC 2136: users are sent to a site by one address record."""

from .provider import DnsProvider

PROVIDER = DnsProvider
