"""What the ledger of acknowledged markers holds of each: what was promised to be kept, noted outside the database that
may lose it.
"""

from pathlib import Path

from activities.providers.marks import Mark, noted


class Entry(Mark):
    """A marker whose commit was acknowledged."""

    lsn: str | None = None
    """Where the log of the marked server stood just after the commit."""
    timeline: int | None = None


def read(path: Path) -> list[Entry]:
    """The entries, oldest first; empty when nothing was ever noted."""
    return noted(path, Entry)
