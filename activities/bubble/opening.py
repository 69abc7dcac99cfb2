"""Opens a bubble: the lease first, then the process that holds its network open."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from activities.providers.process import launch
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError
from workflows.model.messages import Bubble, Ref

from . import members
from .place import Lease, Place, expired, tool

LAUNCH_SECONDS = 10.0
READY_SECONDS = 10.0


def open_(place: Place, bubble: Bubble, ref: Ref) -> tuple[bool, int]:
    """Whether it had to be opened, and the id of a process inside.

    Raises:
        PermanentError: PRECONDITION_CHANGED when another run's bubble has the name, STALE_EPOCH, EXPIRED, or
            ISOLATION_UNPROVEN when the kernel gives no network of its own.
    """
    with place.lock():
        _may(place.lease(), bubble, ref)
        inside = members.inside(place.mark)
        if inside and place.lease():
            return False, place.anchor(inside)
        place.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        place.write(
            Lease(
                name=bubble.name,
                site=bubble.site,
                workflow_id=ref.workflow_id,
                epoch=ref.epoch,
                expires=bubble.expires,
                outside=(str(place.sockets),),
            )
        )
        return True, place.anchor(inside) if inside else _hold(place, bubble)


def _may(lease: Lease | None, bubble: Bubble, ref: Ref) -> None:
    if lease and lease.workflow_id != ref.workflow_id:
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"The bubble {bubble.name} belongs to the run {lease.workflow_id}.",
            "Wait until that run has ended, or use another name.",
        )
    if lease and lease.epoch > ref.epoch:
        raise PermanentError(
            Code.STALE_EPOCH,
            f"The bubble {bubble.name} was opened under epoch {lease.epoch}, above epoch {ref.epoch} of this run.",
            "Look at the later run; this one must not go on.",
        )
    if bubble.expires <= datetime.now(UTC) or (lease and lease.closing):
        raise expired(bubble.name)


def _hold(place: Place, bubble: Bubble) -> int:
    namespace = (
        [tool("unshare"), "--net"] if os.geteuid() == 0 else [tool("unshare"), "--user", "--map-root-user", "--net"]
    )
    script = str(Path(__file__).with_name("holder.py"))
    log = place.folder / "holder.log"
    # Started by an attempt that died, and not ready yet: a second one would make a second network of the same mark.
    pids = members.holding(place.mark)
    answer = (
        {"pid": pids[0]}
        if pids
        else _launch(
            {
                "argv": [
                    *namespace,
                    "--",
                    sys.executable,
                    "-I",
                    "-S",
                    script,
                    place.mark,
                    str(place.folder),
                    *_addresses(bubble),
                ],
                "cwd": "/",
                "env": {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                "log_file": str(log),
                "pid_file": str(place.holder_path),
                "note": {},
            }
        )
    )
    pid = int(answer.get("pid", 0))
    end = time.monotonic() + READY_SECONDS
    while pid not in members.inside(place.mark):
        if not pid or not _runs(pid):
            reason = log.read_text(errors="replace").strip()[-200:] if log.exists() else ""
            raise PermanentError(
                Code.ISOLATION_UNPROVEN,
                f"This machine gives no network of its own to a drill ({reason or answer.get('error', 'no reason')}).",
                "Run the worker as root, or let ordinary users make user namespaces, then drill again.",
            )
        if time.monotonic() >= end:
            raise OutcomeUnknownError("The network of the bubble is not ready in time.", "Retry; it looks first.")
        time.sleep(0.005)
    return pid


def _addresses(bubble: Bubble) -> list[str]:
    """What the bubble's names stand for and no loopback interface has by itself."""
    found = []
    for text in bubble.names.values():
        try:
            address = IPv4Address(text)
        except ValueError:
            raise PermanentError(
                Code.CONFIGURATION, f"{text!r} is not an IPv4 address.", "Mend `drills.names` in the runbook."
            ) from None
        if not address.is_loopback:
            found.append(text)
    return sorted(set(found))


def _launch(order: dict[str, Any]) -> dict[str, Any]:
    """Started by a program of its own, so that it outlives this worker and leaves no zombie in it."""
    argv = [sys.executable, "-I", "-S", str(launch.__file__)]
    try:
        done = subprocess.run(
            argv, input=json.dumps(order).encode(), capture_output=True, timeout=LAUNCH_SECONDS, check=False, env={}
        )
        answer: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError, OSError) as error:
        raise OutcomeUnknownError("It is not known whether the bubble was opened.", "Retry; it looks first.") from error
    return answer


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
