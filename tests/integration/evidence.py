"""What the world tells after a run, asked of each part itself and never of the orchestrator."""

import json

import dns.message
import dns.query
import dns.rdatatype
import dns.rdtypes.ANY.SOA
import dns.rdtypes.ANY.TXT
from temporalio.client import Client

from infra.lab.audit import Audit, audit
from infra.lab.info import LabInfo
from infra.lab.lab import active_site
from infra.lab.load import Load
from infra.lab.postgres import connect
from infra.lab.watcher import Watcher, WatchSummary
from workers import control
from workflows.model.base import Message
from workflows.model.entity import ApplicationState
from workflows.model.progress import RunState
from workflows.model.report import Report

_TIMELINE = "select ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int"


class Power(Message):
    """What the power book says of a site."""

    power: str
    epoch: int
    held: bool
    key: str


class Evidence(Message):
    """The world after a run."""

    audit: Audit
    watched: WatchSummary
    epochs: tuple[tuple[int, str], ...]
    timeline: int
    route: str | None
    txt: str
    serial: int
    power: Power
    application: ApplicationState


def epochs(info: LabInfo, site: str = "recovery") -> tuple[tuple[int, str], ...]:
    """Every epoch in the data of a site, with the key of the step that wrote it."""
    where = info.sites[site]
    with connect(where.db_host, where.db_port, info) as database:
        rows = database.execute("select epoch, coalesce(run, '') from seawall.epoch order by epoch").fetchall()
    return tuple((int(epoch), str(run)) for epoch, run in rows)


def primary(info: LabInfo, site: str) -> bool:
    """Whether the PostgreSQL of a site accepts writes."""
    where = info.sites[site]
    with connect(where.db_host, where.db_port, info) as database:
        row = database.execute("select not pg_is_in_recovery()").fetchone()
    return bool(row and row[0])


def timeline(info: LabInfo, site: str = "recovery") -> int:
    """How often that server's line of data was promoted, plus one."""
    where = info.sites[site]
    with connect(where.db_host, where.db_port, info) as database:
        row = database.execute(_TIMELINE).fetchone()
    assert row is not None
    return int(row[0])


def txt(info: LabInfo) -> str:
    """The text beside the public name, at its authoritative server."""
    (data,) = _ask(info, f"_seawall.{info.public_name}", dns.rdatatype.TXT)
    assert isinstance(data, dns.rdtypes.ANY.TXT.TXT)
    return b"".join(data.strings).decode()


def serial(info: LabInfo) -> int:
    """The zone's serial: 1 at the start, and one more with every update."""
    (data,) = _ask(info, info.dns_zone, dns.rdatatype.SOA)
    assert isinstance(data, dns.rdtypes.ANY.SOA.SOA)
    return int(data.serial)


def power(info: LabInfo, site: str = "primary") -> Power:
    """The site's entry in the power book, as it is on disk."""
    book = json.loads((info.state / "power.json").read_text(encoding="utf-8"))
    return Power.model_validate(book[site])


def _ask(info: LabInfo, name: str, kind: dns.rdatatype.RdataType) -> list[object]:
    query = dns.message.make_query(name, kind)
    answer = dns.query.udp(query, info.dns_host, timeout=5.0, port=info.dns_port)
    return [data for rrset in answer.answer for data in rrset]


async def gather(info: LabInfo, client: Client, load: Load, watcher: Watcher) -> Evidence:
    """All of it. The users and the watcher have stopped."""
    application = await control.application_state(client, "shop")
    assert application is not None
    route = active_site(info)
    return Evidence(
        audit=audit(info, load.acks),
        watched=watcher.summary(),
        epochs=epochs(info),
        timeline=timeline(info, route or "recovery"),
        route=route,
        txt=txt(info),
        serial=serial(info),
        power=power(info),
        application=application,
    )


def assert_recovered_once(report: Report, seen: Evidence) -> None:
    """It ended as it would have without any death: recovered, nothing lost, every effect there once.

    A second promotion would show in the timeline, a second epoch row in the data, a second flip in the serial. The
    power book keeps only its last order, so of the fence it shows that ours stands, not how often it was asked for.
    """
    assert report.end_state is RunState.RECOVERED, report.summary
    assert (seen.audit.lost, seen.audit.duplicated, report.lost_transactions) == (0, 0, 0)
    assert seen.audit.site == "recovery"
    assert seen.watched.two_writer_samples == 0
    assert seen.watched.writable["recovery"] > 0
    key, epoch = report.workflow_id, report.epoch
    assert [written for written in seen.epochs if written[0] > 0] == [(epoch, f"{key}:db.promote:{epoch}")]
    assert seen.timeline == 2
    assert (seen.route, seen.serial) == ("recovery", 2)
    assert seen.txt.startswith(f"epoch={epoch} key={key}:front.flip_dns:{epoch} ")
    assert seen.power == Power(power="off", epoch=epoch or 0, held=True, key=f"{key}:db.fence:{epoch}")
    assert seen.application.lease is None
    assert seen.application.active_site == "recovery"
    assert seen.application.protected is False
    assert (seen.application.last_run, seen.application.last_outcome) == (key, "RECOVERED")


def attempts(report: Report) -> dict[str, int]:
    """How often each step was tried."""
    return {step.id: step.attempts for step in report.steps}
