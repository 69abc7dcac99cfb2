"""What one look at a server tells."""

from typing import Any

import psycopg

from activities.providers.base import now
from workflows.model.failure import SeawallError
from workflows.model.observed import Observation, Reach

from . import epoch, sql

_COMMON = """
select pg_is_in_recovery() as standby,
       (select system_identifier::text from pg_control_system()) as system_identifier,
       current_setting('default_transaction_read_only') = 'on' as read_only,
       current_setting('synchronous_standby_names') as synchronous_standby_names,
       current_setting('synchronous_commit') as synchronous_commit,
       current_setting('fsync') as fsync,
       case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end::text as lsn,
       case when pg_is_in_recovery()
            then greatest((select received_tli from pg_stat_wal_receiver),
                          (select min_recovery_end_timeline from pg_control_recovery()),
                          (select timeline_id from pg_control_checkpoint()))
            else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int end as timeline
"""

# A receiver counts as receiving only while messages come: `streaming` alone stays on over a dead link.
_STANDBY = """
select coalesce(r.status = 'streaming' and r.age < greatest(3, 2 * extract(epoch from
           current_setting('wal_receiver_status_interval')::interval)), false) as receiving,
       r.age::float8 as last_msg_age_seconds,
       pg_last_wal_receive_lsn()::text as receive_lsn,
       pg_last_wal_replay_lsn()::text as replay_lsn,
       case when r.status is null then null
            else greatest(0, pg_wal_lsn_diff(greatest(r.latest_end_lsn, pg_last_wal_receive_lsn()),
                                             pg_last_wal_replay_lsn())) end::bigint as lag_bytes,
       case when r.status is null then null
            when r.latest_end_lsn <= pg_last_wal_replay_lsn() then 0
            else greatest(0, extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())) end::float8
           as lag_seconds,
       pg_is_wal_replay_paused() as replay_paused
  from (select 1) as one
  left join (select status, latest_end_lsn,
                    extract(epoch from clock_timestamp() - last_msg_receipt_time) as age
               from pg_stat_wal_receiver) as r on true
"""

_STANDBYS = """
select application_name as name, state, sync_state,
       extract(epoch from flush_lag)::float8 as flush_lag,
       pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint as replay_lag_bytes
  from pg_stat_replication order by application_name
"""

_MARKER = "select number, at from seawall.marker order by number desc limit 1"


async def facts(connection: sql.Connection) -> dict[str, Any]:
    """Role, position, epoch and the state of replication, as JSON values; null where it was not measured."""
    found = await sql.row(connection, _COMMON)
    standby = found.pop("standby")
    found["role"] = "standby" if standby else "primary"
    if standby:
        found |= await sql.row(connection, _STANDBY)
    else:
        found["standbys"] = await sql.rows(connection, _STANDBYS)
    stands = await epoch.read(connection)
    found["epoch"] = stands.epoch if stands else None
    found["epoch_run"] = stands.run if stands else None
    marker = await newest_marker(connection)
    found["marker"] = marker["number"] if marker else None
    found["marker_at"] = marker["at"].isoformat() if marker else None
    return found


async def newest_marker(connection: sql.Connection) -> sql.Row | None:
    """Number and time of the newest marker in the data; None when there never was one."""
    try:
        found = await sql.rows(connection, _MARKER)
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return None
    return found[0] if found else None


async def look(address: sql.Address, component: str, site: str, observer: str) -> Observation:
    """One observation. Never raises for a server that is dead, silent, starting, or does not let us in."""
    reach, detail, seen = await _look(address)
    return Observation(
        component=component, site=site, observer=observer, reach=reach, at=now(), detail=detail, facts=seen
    )


async def _look(address: sql.Address) -> tuple[Reach, str, dict[str, Any]]:
    try:
        async with sql.session(address) as connection:
            seen = await facts(connection)
    except sql.Unreachable as error:
        return error.reach, error.sentence, {}
    except SeawallError as error:
        return Reach.UNKNOWN, str(error), {}
    except TimeoutError:
        return Reach.SILENT, f"The server at {address} accepted a session and then did not answer.", {}
    except psycopg.OperationalError:
        return Reach.SILENT, f"The session at {address} was lost.", {}
    except psycopg.Error as error:
        return Reach.UNKNOWN, f"The server at {address} did not tell its state (SQLSTATE {error.sqlstate}).", {}
    if seen["role"] == "standby":
        return Reach.STANDBY, _standby_words(seen), seen
    if seen["read_only"]:
        return Reach.STANDBY, f"Primary on timeline {seen['timeline']}, set read-only.", seen
    return Reach.SERVING, f"Primary on timeline {seen['timeline']}, at {seen['lsn']}.", seen


def _standby_words(seen: dict[str, Any]) -> str:
    lag = "lag unknown" if seen["lag_bytes"] is None else f"{seen['lag_bytes']} bytes behind"
    state = "receiving" if seen["receiving"] else "not receiving"
    return f"Standby on timeline {seen['timeline']}, {state}, {lag}."
