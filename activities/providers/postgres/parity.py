"""Could the data live at the other site as well as they do here, and is either site set to lose them?"""

import asyncio
import os
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg

from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Finding

from . import parity_rules, sides, sql
from .follow import slot_name

if TYPE_CHECKING:
    from .provider import PostgresProvider

_SETTINGS = "select name, reset_val as value from pg_settings where name = any(%s)"
_VERSION = "select current_setting('server_version_num')::int as number, current_setting('server_version') as words"
_COLLATION = """
select coalesce(datcollversion, '') as recorded, coalesce(pg_database_collation_actual_version(oid), '') as actual
  from pg_database where datname = current_database()
"""
_AVAILABLE = "select name from pg_available_extensions"
_INSTALLED = "select extname as name from pg_extension"
_ROLE_SETTINGS = """
select coalesce(r.rolname, 'every role') as role, setting
  from pg_db_role_setting as s left join pg_roles as r on r.oid = s.setrole, unnest(s.setconfig) as setting
"""
_SLOT = "select active, wal_status from pg_replication_slots where slot_name = %s and slot_type = 'physical'"
_SENDER = "select sync_state from pg_stat_replication where application_name = %s"
_ARCHIVER = """
select coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) as failing from pg_stat_archiver
"""


class Side(NamedTuple):
    """What one server tells of itself."""

    site: str
    settings: dict[str, str]
    version: int
    version_words: str
    collation: str
    available: frozenset[str]
    installed: frozenset[str]
    role_settings: tuple[tuple[str, str], ...]
    archiver_failing: bool
    paused: bool


class Link(NamedTuple):
    """What the primary tells of the replica; None where there is none."""

    slot: dict[str, Any] | None
    sync_state: str | None


async def compare(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """Ask both servers, and judge by the rules of `parity_rules`."""
    found = await sides.find(provider, request)
    primary, link = await _side(provider, found.primary, found.standby)
    standby, _ = await _side(provider, found.standby, found.primary)
    replication = request.target.component.replication
    synchronous = bool(replication and replication.synchronous)
    findings = [
        *parity_rules.of_side(primary, synchronous, serves=True),
        *parity_rules.of_side(standby, synchronous, serves=False),
        *parity_rules.of_pair(primary, standby),
        *parity_rules.of_link(found, link, synchronous),
        *await asyncio.to_thread(_disk, provider, found),
    ]
    blocking = sum(finding.blocking for finding in findings)
    return StepResult(
        detail=f"{len(findings)} findings, {blocking} of them against a planned move.",
        changed=False,
        after={"findings": [finding.code for finding in findings]},
        findings=tuple(findings),
    )


async def _side(provider: "PostgresProvider", name: str, other: str) -> tuple[Side, Link]:
    with sql.looking(f"the settings of {name} were read"):
        async with sql.session(provider.address(name)) as connection:
            read = await sql.rows(connection, _SETTINGS, (list(parity_rules.READ),))
            version = await sql.row(connection, _VERSION)
            slots = await sql.rows(connection, _SLOT, (slot_name(other),))
            senders = await sql.rows(connection, _SENDER, (other,))
            paused = "select pg_is_in_recovery() and pg_get_wal_replay_pause_state() <> 'not paused' as paused"
            side = Side(
                site=name,
                settings={row["name"]: row["value"] or "" for row in read},
                version=version["number"],
                version_words=version["words"],
                collation=await _collation(connection),
                available=frozenset(row["name"] for row in await sql.rows(connection, _AVAILABLE)),
                installed=frozenset(row["name"] for row in await sql.rows(connection, _INSTALLED)),
                role_settings=tuple(
                    (row["role"], row["setting"]) for row in await sql.rows(connection, _ROLE_SETTINGS)
                ),
                archiver_failing=(await sql.row(connection, _ARCHIVER))["failing"],
                paused=(await sql.row(connection, paused))["paused"],
            )
    return side, Link(slots[0] if slots else None, senders[0]["sync_state"] if senders else None)


async def _collation(connection: sql.Connection) -> str:
    """The version of the collation library as this machine has it; '' where the server cannot tell."""
    try:
        return str((await sql.row(connection, _COLLATION))["actual"])
    except (psycopg.errors.UndefinedFunction, psycopg.errors.UndefinedColumn):
        return ""


def _disk(provider: "PostgresProvider", found: sides.Sides) -> list[Finding]:
    """Space at the site where this worker runs; that of the other one cannot be seen from here."""
    here = provider.context.here
    if here not in found or not os.path.isdir(provider.site(here).data_dir):
        return []
    usage = shutil.disk_usage(provider.site(here).data_dir)
    return parity_rules.of_disk(here, usage.free, usage.total)
