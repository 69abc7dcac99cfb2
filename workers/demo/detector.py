"""Notices an outage as a monitor would: three failed requests through the public name, 100 ms apart."""

import time
import urllib.error
import urllib.request
from datetime import UTC, datetime

from infra.lab.info import Grounds
from infra.lab.load import ask_address

_FAILURES = 3
_INTERVAL = 0.1


def wait_for_outage(info: Grounds, patience: float = 30.0) -> datetime:
    """When the outage was detected.

    Raises:
        TimeoutError: users were served all along.
    """
    end = time.monotonic() + patience
    host, _, port = info.resolver.partition(":")
    failures = 0
    while failures < _FAILURES:
        if time.monotonic() > end:
            raise TimeoutError("The application went on serving, though it should have broken.")
        failures = 0 if _serves(info, host, int(port)) else failures + 1
        if failures < _FAILURES:
            time.sleep(_INTERVAL)
    return datetime.now(UTC)


def _serves(info: Grounds, resolver: str, port: int) -> bool:
    try:
        address, _ = ask_address(info.public_name, resolver, port)
        with urllib.request.urlopen(f"http://{address}:{info.public_port}/readyz", timeout=1.0) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
