"""A watcher that is not the orchestrator: every 100 ms it asks each site's database whether it takes a write.

    python -m infra.lab.watcher LAB_FOLDER [--seconds 30]

Two sites are counted as two writers only when the first one still takes a write after the second one has: otherwise a
role that moves between two questions would look like one that is in two places.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import psycopg

from workflows.model.base import Message

from .info import LabInfo, SiteInfo, load_info

INTERVAL = 0.1
ANSWER_SECONDS = 0.25
CONNECT_SECONDS = 1.0


class WatchSummary(Message):
    """What the watcher saw."""

    samples: int
    two_writer_samples: int
    no_writer_samples: int
    writable: dict[str, int]
    """For each site, in how many samples it took a write."""


class Probe:
    """Asks one site."""

    def __init__(self, info: LabInfo, site: SiteInfo) -> None:
        self._dsn = psycopg.conninfo.make_conninfo(
            site.dsn,
            dbname=info.database,
            user=info.db_user,
            password=info.secrets()["SEAWALL_SHOP_DB_PASSWORD"],
            application_name="watcher",
        )
        self._connection: psycopg.AsyncConnection[tuple[Any, ...]] | None = None

    async def takes_write(self) -> bool:
        """Whether a write was taken just now; it is rolled back. Silence is a no."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                if self._connection is None or self._connection.closed:
                    self._connection = await psycopg.AsyncConnection.connect(self._dsn)
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._connection.execute(
                    "set local synchronous_commit = local; insert into lab_watch values (clock_timestamp())"
                )
                await self._connection.rollback()
        except (TimeoutError, psycopg.Error):
            await self.close()
            return False
        return True

    async def close(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with contextlib.suppress(psycopg.Error):
                await connection.close()


class Watcher:
    """Watches in a thread of its own."""

    def __init__(self, info: LabInfo, *, interval: float = INTERVAL) -> None:
        self._info = info
        self._interval = interval
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._watch()), name="watcher", daemon=True)
        self._samples = self._two = self._none = 0
        self._writable = dict.fromkeys(info.sites, 0)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> WatchSummary:
        """End, and say what was seen."""
        self._over.set()
        self._thread.join()
        return self.summary()

    def summary(self) -> WatchSummary:
        """What was seen so far."""
        return WatchSummary(
            samples=self._samples,
            two_writer_samples=self._two,
            no_writer_samples=self._none,
            writable=dict(self._writable),
        )

    async def _watch(self) -> None:
        probes = {name: Probe(self._info, site) for name, site in self._info.sites.items()}
        due = time.monotonic()
        try:
            while not self._over.is_set():
                await self._sample(probes)
                due = max(due + self._interval, time.monotonic())
                await asyncio.sleep(due - time.monotonic())
        finally:
            for probe in probes.values():
                await probe.close()

    async def _sample(self, probes: dict[str, Probe]) -> None:
        answers = await asyncio.gather(*(probe.takes_write() for probe in probes.values()))
        writers = [name for name, takes in zip(probes, answers, strict=True) if takes]
        if len(writers) > 1 and await self._both(*(probes[name] for name in writers)):
            self._two += 1
        self._none += not writers
        self._samples += 1
        for name in writers:
            self._writable[name] += 1

    @staticmethod
    async def _both(*probes: Probe) -> bool:
        return all([await probe.takes_write() for probe in [*probes, probes[0]]])


def main() -> None:
    """Watch until told to stop."""
    parser = argparse.ArgumentParser(description="Counts the sites that take a write.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=None)
    options = parser.parse_args()
    watcher = Watcher(load_info(options.folder))
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    watcher.start()
    over.wait(options.seconds)
    print(json.dumps(watcher.stop().model_dump()), flush=True)


if __name__ == "__main__":
    main()
