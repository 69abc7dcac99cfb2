"""Host processes: a service that runs on the machine of its site's worker."""

from .provider import ProcessProvider

PROVIDER = ProcessProvider
