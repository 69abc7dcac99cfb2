"""The power book: which site is on, under which epoch it was switched, and whether it is held off.

An order of a lower epoch than the one that stands is refused. What is written here is on disk before it is done, so
that a controller that dies in between does not power a fenced site on again.
"""

import json
import os
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path


class StaleEpochError(Exception):
    """A later run has switched this site."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"epoch {epoch} stands")
        self.epoch = epoch


class HeldError(Exception):
    """The site is fenced; only an order with its epoch, or a later one, switches it on."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"held off by epoch {epoch}")
        self.epoch = epoch


@dataclass(frozen=True)
class Entry:
    """What stands for one site."""

    power: str = "off"
    epoch: int = 0
    held: bool = False
    key: str = ""


class PowerBook:
    """The entries of all sites, in one file."""

    def __init__(self, path: Path, sites: list[str]) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._entries = dict.fromkeys(sites, Entry())
        if path.exists():
            raw = json.loads(path.read_text(encoding="utf-8"))
            self._entries |= {name: Entry(**entry) for name, entry in raw.items()}

    def get(self, site: str) -> Entry:
        """What stands."""
        return self._entries[site]

    def order(self, site: str, power: str, epoch: int, key: str, held: bool | None = None) -> Entry:
        """Write an order down. "off" also holds the site off, unless `held` says otherwise.

        Raises:
            StaleEpochError: a higher epoch stands.
        """
        with self._lock:
            stands = self._entries[site]
            if epoch < stands.epoch:
                raise StaleEpochError(stands.epoch)
            return self._write(site, Entry(power, epoch, power == "off" and held is not False, key))

    def by_hand(self, site: str, power: str) -> Entry:
        """The site lost its power, or somebody pressed its button: no epoch, and nothing is held by it.

        Raises:
            HeldError: it is fenced and stays off.
        """
        with self._lock:
            stands = self._entries[site]
            if power == "on" and stands.held:
                raise HeldError(stands.epoch)
            return self._write(site, replace(stands, power=power))

    def _write(self, site: str, entry: Entry) -> Entry:
        self._entries[site] = entry
        draft = self._path.with_suffix(".tmp")
        with draft.open("w", encoding="utf-8") as file:
            json.dump({name: asdict(known) for name, known in self._entries.items()}, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        return entry
