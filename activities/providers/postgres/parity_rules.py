"""What is a finding, and whether it speaks against a planned move. Pure: facts in, findings out."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from workflows.model.observed import Finding

if TYPE_CHECKING:
    from .parity import Link, Side
    from .sides import Sides

LOW_DISK = 0.10
SLOW_RETRY_MS = 1000
_WEAK_COMMITS = ("off", "local", "remote_write")

# A replica with a lower value of one of these stops replaying.
_AT_LEAST_AS_HIGH = (
    "max_connections",
    "max_worker_processes",
    "max_wal_senders",
    "max_prepared_transactions",
    "max_locks_per_transaction",
)
_OFF_IS_WRONG = {
    "fsync": ("FSYNC_OFF", "a power cut there destroys the data", True),
    "full_page_writes": ("FULL_PAGE_WRITES_OFF", "a power cut there can leave torn pages", True),
    "hot_standby": ("HOT_STANDBY_OFF", "as a replica it could not be asked anything", True),
}
_ON_IS_WRONG = {
    "ignore_checksum_failure": ("CHECKSUM_FAILURES_IGNORED", "damaged pages are read as if they were whole", True),
    "zero_damaged_pages": ("DAMAGED_PAGES_ZEROED", "damaged pages are emptied without a word", True),
    "default_transaction_read_only": ("READ_ONLY", "writes there are refused once it serves", True),
}
READ = frozenset(
    {
        *_AT_LEAST_AS_HIGH,
        *_OFF_IS_WRONG,
        *_ON_IS_WRONG,
        "synchronous_commit",
        "synchronous_standby_names",
        "wal_level",
        "wal_log_hints",
        "data_checksums",
        "archive_mode",
        "recovery_min_apply_delay",
        "wal_retrieve_retry_interval",
        "shared_buffers",
    }
)
"""The settings that must be read for these rules."""


def _finding(code: str, sentence: str, next_step: str, blocking: bool = False) -> Finding:
    return Finding(code=code, sentence=sentence, next_step=next_step, blocking=blocking)


def of_side(side: "Side", synchronous: bool, serves: bool) -> Iterator[Finding]:
    """What is wrong with one server, whatever the other is like."""
    values = side.settings
    for wrong, rules in (("off", _OFF_IS_WRONG), ("on", _ON_IS_WRONG)):
        for name, (code, why, blocking) in rules.items():
            if values.get(name) == wrong:
                yield _finding(code, f"{name} is {wrong} at {side.site}: {why}.", f"Turn it {_other(wrong)}.", blocking)
    level = values.get("synchronous_commit", "on")
    if level == "off" or (synchronous and serves and level in _WEAK_COMMITS):
        yield _finding(
            "SYNCHRONOUS_COMMIT_OFF",
            f"synchronous_commit is {level} at {side.site}: a commit is acknowledged before it is safe.",
            "Set it to on or remote_apply.",
            synchronous,
        )
    yield from _roles(side, synchronous)
    if values.get("wal_level") == "minimal":
        yield _finding(
            "WAL_LEVEL_LOW",
            f"wal_level is minimal at {side.site}: nothing can follow it.",
            "Set it to replica and restart.",
            True,
        )
    if values.get("wal_log_hints") == "off" and values.get("data_checksums") == "off":
        yield _finding(
            "WAL_LOG_HINTS_OFF",
            f"{side.site} has neither wal_log_hints nor checksums: it cannot be "
            "rewound on the way home, only copied anew.",
            "Turn wal_log_hints on and restart.",
        )
    if side.archiver_failing:
        yield _finding(
            "ARCHIVE_FAILING",
            f"The last attempt to archive log at {side.site} failed.",
            "Look at archive_command and its target: the log piles up until it works.",
        )
    yield from _as_replica(side)


def _other(value: str) -> str:
    return "on" if value == "off" else "off"


def _roles(side: "Side", synchronous: bool) -> Iterator[Finding]:
    for role, setting in side.role_settings:
        name, _, value = setting.partition("=")
        if name == "synchronous_commit" and (value == "off" or (synchronous and value in _WEAK_COMMITS)):
            yield _finding(
                "SYNCHRONOUS_COMMIT_OFF",
                f"synchronous_commit is {value} for {role} at {side.site}.",
                "Reset it with ALTER ROLE or ALTER DATABASE.",
                synchronous,
            )


def _as_replica(side: "Side") -> Iterator[Finding]:
    if side.paused:
        yield _finding(
            "REPLAY_PAUSED",
            f"Replay is paused at {side.site}: it falls behind while it says streaming.",
            "Call pg_wal_replay_resume() there.",
            True,
        )
    if _number(side, "recovery_min_apply_delay") > 0:
        yield _finding(
            "REPLAY_DELAYED",
            f"{side.site} replays with a delay of {_number(side, 'recovery_min_apply_delay')} ms by its settings.",
            "Set recovery_min_apply_delay to 0.",
            True,
        )
    if _number(side, "wal_retrieve_retry_interval") > SLOW_RETRY_MS:
        yield _finding(
            "PROMOTION_SLOW",
            f"wal_retrieve_retry_interval is "
            f"{_number(side, 'wal_retrieve_retry_interval')} ms at {side.site}: a promotion there may wait "
            "for all of it.",
            "Set it to 100 ms.",
        )


def _number(side: "Side", name: str) -> int:
    try:
        return int(side.settings.get(name, "0"))
    except ValueError:
        return 0


def of_pair(primary: "Side", standby: "Side") -> Iterator[Finding]:
    """Where the two differ in what a move would need."""
    for name in _AT_LEAST_AS_HIGH:
        here, there = _number(primary, name), _number(standby, name)
        if here != there:
            low, high = (standby, primary) if there < here else (primary, standby)
            yield _finding(
                f"{name.upper()}_LOWER",
                f"{name} is {_number(low, name)} at {low.site} and "
                f"{_number(high, name)} at {high.site}: with the lower value a replica stops replaying.",
                f"Raise it at {low.site} and restart.",
                low is standby,
            )
    yield from _versions(primary, standby)
    yield from _conveniences(primary, standby)


def _versions(primary: "Side", standby: "Side") -> Iterator[Finding]:
    if primary.version // 10000 != standby.version // 10000:
        yield _finding(
            "VERSION_DIFFERS",
            f"{primary.site} runs PostgreSQL {primary.version_words} and {standby.site} {standby.version_words}.",
            "Bring both to one major version.",
            True,
        )
    elif primary.version != standby.version:
        yield _finding(
            "VERSION_DIFFERS",
            f"{primary.site} runs PostgreSQL {primary.version_words} and {standby.site} {standby.version_words}.",
            "Bring both to one minor version soon.",
        )
    if primary.collation != standby.collation:
        yield _finding(
            "COLLATION_DIFFERS",
            f"Text is sorted by version {primary.collation or 'unknown'} at "
            f"{primary.site} and {standby.collation or 'unknown'} at {standby.site}: indexes would give "
            "wrong answers.",
            "Bring both machines to one version of the C library or ICU.",
            True,
        )
    for name in sorted(primary.installed - standby.available):
        yield _finding(
            "EXTENSION_MISSING",
            f"The extension {name} is in use and is not installed at {standby.site}.",
            f"Install its package at {standby.site}.",
            True,
        )


def _conveniences(primary: "Side", standby: "Side") -> Iterator[Finding]:
    if _number(standby, "shared_buffers") < _number(primary, "shared_buffers"):
        yield _finding(
            "SHARED_BUFFERS_SMALLER",
            f"shared_buffers is smaller at {standby.site} than at {primary.site}.",
            "Give it the same memory, or expect slower answers.",
        )
    if (primary.settings.get("archive_mode") == "off") != (standby.settings.get("archive_mode") == "off"):
        yield _finding(
            "ARCHIVE_MODE_DIFFERS",
            f"archive_mode is {primary.settings.get('archive_mode')} at "
            f"{primary.site} and {standby.settings.get('archive_mode')} at {standby.site}.",
            "Archive at both sites, or at none.",
        )


def of_link(found: "Sides", link: "Link", synchronous: bool) -> Iterator[Finding]:
    """What the primary knows of its replica."""
    if link.slot is None:
        yield _finding(
            "NO_SLOT",
            f"{found.primary} has no slot for {found.standby}: it may remove log that the replica still needs.",
            "Create the slot; a rebuild of the replica does.",
        )
    elif link.slot["wal_status"] in ("lost", "unreserved"):
        yield _finding(
            "SLOT_LOST",
            f"The slot of {found.standby} at {found.primary} is {link.slot['wal_status']}.",
            "Raise max_slot_wal_keep_size and rebuild the replica.",
            True,
        )
    if synchronous and link.sync_state not in ("sync", "quorum"):
        yield _finding(
            "SYNC_STANDBY_MISSING",
            f"Commits at {found.primary} do not wait for {found.standby}, though the runbook says synchronous.",
            "Protect the application, then retry.",
            True,
        )


def of_disk(site: str, free: int, total: int) -> list[Finding]:
    """Space for the data."""
    if free >= LOW_DISK * total:
        return []
    return [_finding("DISK_LOW", f"Only {free * 100 // total} % of the disk is free at {site}.", "Make space.", True)]
