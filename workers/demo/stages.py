"""Where a story is told: real sites on this machine, or regions of a simulated cloud. The story is the same."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from infra.awssim.ledger import Entry
from infra.cloudlab import lab as cloudlab
from infra.cloudlab.info import CloudInfo
from infra.lab import lab
from infra.lab.audit import Audit, audit, checksums, compare
from infra.lab.copies import replicate
from infra.lab.info import Grounds, LabInfo, Outcome
from infra.lab.load import Ack, ask_address
from infra.lab.watcher import Watcher, WatchSummary

from .scenario import Scenario

Say = Callable[[str], None]
_ON_THE_WAY = 2.0
"""Seconds in which the last orders reach the replica: it is asynchronous, and half a second behind."""


class Watch(Protocol):
    """Counts the sites that take a write."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> WatchSummary:
        """End, and say what was seen."""


class Stage(Protocol):
    """One lab, from its start to its end."""

    application: str

    @property
    def info(self) -> Grounds:
        """Where everything is."""

    def down(self) -> None:
        """End everything; the reports stay."""

    def break_(self, what: str, site: str) -> Outcome:
        """Break something."""

    def repair(self, what: str, site: str) -> Outcome:
        """Mend it."""

    def watch(self) -> Watch:
        """A watcher that is not the orchestrator."""

    def audit(self, acks: Iterable[Ack]) -> Audit:
        """What is kept of the acknowledged writes, at the site to which users are sent."""

    def checksums(self) -> dict[str, str]:
        """For each site one over all orders, and over all receipts where there are any."""

    def effects(self, after: int) -> list[Entry]:
        """What the effect ledger has behind that line; nothing where there is no ledger."""


class Machine:
    """Real sites on this machine."""

    application = "shop"

    def __init__(self, folder: Path, scenario: Scenario, say: Say) -> None:
        self.info: LabInfo = lab.up(folder, synchronous=scenario.synchronous, say=say)
        self._folder, self._say = folder, say

    def down(self) -> None:
        lab.down(self._folder, say=self._say)

    def break_(self, what: str, site: str) -> Outcome:
        return lab.break_(self._folder, what, site)

    def repair(self, what: str, site: str) -> Outcome:
        return lab.repair(self._folder, what, site)

    def watch(self) -> Watch:
        return Watcher(self.info)

    def audit(self, acks: Iterable[Ack]) -> Audit:
        return audit(self.info, acks)

    def checksums(self) -> dict[str, str]:
        return checksums(self.info)

    def effects(self, after: int) -> list[Entry]:  # noqa: ARG002 (nobody writes an account of real processes)
        return []


class Cloud:
    """Two regions of the AWS simulator."""

    application = cloudlab.APPLICATION

    def __init__(self, folder: Path, say: Say) -> None:
        self.info: CloudInfo = cloudlab.up(folder, say)
        self._folder, self._say = folder, say
        self._control = cloudlab.control(self.info)
        say(f"First copy of the data, for drills: {replicate(self.info, self.application).sentence}.")

    def down(self) -> None:
        self._control.close()
        cloudlab.down(self._folder, self._say)

    def break_(self, what: str, site: str) -> Outcome:
        assert what == "region-gone"
        return cloudlab.lose(self.info, site)

    def repair(self, what: str, site: str) -> Outcome:
        assert what == "region-gone"
        return cloudlab.bring_back(self.info, site)

    def watch(self) -> Watch:
        return _CloudWatch(self.info)

    def audit(self, acks: Iterable[Ack]) -> Audit:
        host, _, port = self.info.dns.rpartition(":")
        address, _ = ask_address(self.info.public_name, host, int(port))
        (site,) = (name for name, found in self.info.sites.items() if found.address == address)
        promised = Counter((ack.client, ack.seq) for ack in acks)
        clients = {client for client, _ in promised}
        kept = Counter(order for order in cloudlab.held(self.info, site).orders if order[0] in clients)
        return compare(site, promised, kept)

    def checksums(self) -> dict[str, str]:
        time.sleep(_ON_THE_WAY)
        found = {name: cloudlab.held(self.info, name) for name in self.info.sites}
        held = {name: [*sorted(one.orders), *sorted(one.receipts)] for name, one in found.items()}
        return {
            name: f"{len(all_)}:{hashlib.sha256(repr(all_).encode()).hexdigest()[:32]}" for name, all_ in held.items()
        }

    def effects(self, after: int) -> list[Entry]:
        return self._control.ledger(after)


class _CloudWatch:
    """The simulated shop looks by itself ten times a second; this takes the difference."""

    def __init__(self, info: CloudInfo) -> None:
        self._info = info
        self._before: dict[str, int] = {}

    def start(self) -> None:
        self._before = self._samples()

    def stop(self) -> WatchSummary:
        seen = {name: count - self._before[name] for name, count in self._samples().items()}
        return WatchSummary(
            samples=seen["all"], two_writer_samples=seen["two writers"], no_writer_samples=seen["none"], writable={}
        )

    def _samples(self) -> dict[str, int]:
        return cloudlab.held(self._info, next(iter(self._info.sites))).samples


def stage_of(scenario: Scenario, folder: Path, say: Say) -> Stage:
    """The lab that the story wants, running."""
    return Cloud(folder, say) if scenario.cloud else Machine(folder, scenario, say)
