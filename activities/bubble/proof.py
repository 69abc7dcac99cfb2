"""Proves that a bubble is one: from inside nothing of production answers, and no packet has a way out.

A canary that answers nowhere proves nothing, so at least one of them must answer from outside.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workflows.model.failure import Code, OutcomeUnknownError, PermanentError
from workflows.model.messages import Bubble

from .lookout import attempt
from .place import Place

PROBE_SECONDS = 120.0
NO_WAY = frozenset({"ENETUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT"})


def prove(place: Place, bubble: Bubble) -> dict[str, Any]:
    """Each canary with what it said outside and inside, and what the network of the bubble looks like.

    Raises:
        PermanentError: ISOLATION_UNPROVEN, naming what speaks against it.
    """
    canaries = [_resolved(canary) for canary in _canaries(bubble)]
    outside = {name: attempt(family, host, port) for name, family, host, port in canaries}
    if "reached" not in outside.values():
        raise _unproven(
            f"None of {len(outside)} canaries answers from outside either, so its silence inside would prove nothing.",
            "Name an endpoint of production that answers now in `drills.canaries`.",
        )
    told = _look(place, [(name, host, port) for name, _, host, port in canaries])
    inside: dict[str, str] = dict(told["canaries"])
    _insist(inside, told)
    return {
        "canaries": [{"canary": name, "outside": outside[name], "inside": inside[name]} for name in outside],
        "interfaces": sorted(told["interfaces"]),
        "elsewhere": told["elsewhere"],
        "packets_out": sum(sent for name, sent in told["interfaces"].items() if name != "lo"),
    }


def _insist(inside: dict[str, str], told: dict[str, Any]) -> None:
    if reached := [name for name, verdict in inside.items() if verdict == "reached"]:
        raise _unproven(f"From inside the bubble these answer: {', '.join(reached)}.", "Close the bubble.")
    if others := sorted({*told["interfaces"]} - {"lo"}):
        raise _unproven(f"The bubble has more interfaces than `lo`: {', '.join(others)}.", "Close the bubble.")
    if ways := [name for name, verdict in told["elsewhere"].items() if verdict not in NO_WAY]:
        raise _unproven(f"From inside the bubble there is a way to {', '.join(ways)}.", "Close the bubble.")


def _canaries(bubble: Bubble) -> Iterable[str]:
    found = dict.fromkeys(bubble.canaries)
    if address := os.environ.get("SEAWALL_TEMPORAL_ADDRESS"):
        found[address] = None
    return found


def _resolved(canary: str) -> tuple[str, int, str, int]:
    """Names are resolved here: inside there is nobody to ask."""
    host, _, port = canary.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
    except (OSError, ValueError):
        raise _unproven(
            f"The canary {canary} is not a host:port that resolves here.", "Mend `drills.canaries`."
        ) from None
    return canary, int(found[0]), str(found[4][0]), int(found[4][1])


def _look(place: Place, canaries: list[tuple[str, str, int]]) -> dict[str, Any]:
    script = str(Path(__file__).with_name("lookout.py"))
    argv = [*place.enter(), sys.executable, "-I", "-S", script]
    try:
        done = subprocess.run(
            argv, input=json.dumps(canaries).encode(), capture_output=True, timeout=PROBE_SECONDS, check=False, env={}
        )
        told: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError, OSError) as error:
        raise OutcomeUnknownError("The look from inside the bubble gave no answer.", "Retry.") from error
    return told


def _unproven(sentence: str, next_step: str) -> PermanentError:
    return PermanentError(Code.ISOLATION_UNPROVEN, sentence, next_step)
