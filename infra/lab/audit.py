"""Compares what users were promised with what the database kept."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from workflows.model.base import Message

from .info import LabInfo
from .lab import active_site
from .load import Ack, read_acks
from .postgres import LabError, connect


class Audit(Message):
    """The clients' view of the data at the active site."""

    site: str
    acknowledged: int
    lost: int
    """Acknowledged, and not there."""
    duplicated: int
    """There more than once, or acknowledged more than once."""
    unacknowledged: int
    """There, though no client was told so: an answer that got lost. Harmless, since a client asks again."""
    lost_orders: tuple[tuple[str, int], ...] = ()
    """The first hundred of them."""


def audit(info: LabInfo, acks: Path | Iterable[Ack], *, site: str | None = None) -> Audit:
    """Read every order of these clients at the active site (or at `site`).

    Raises:
        LabError: the public name points nowhere.
        psycopg.Error: the database there cannot be read.
    """
    where = site or active_site(info)
    if where is None:
        raise LabError("The public name points at no site of the lab. Name the site to be read.")
    promised = Counter((ack.client, ack.seq) for ack in (read_acks(acks) if isinstance(acks, Path) else acks))
    clients = sorted({client for client, _ in promised})
    target = info.sites[where]
    with connect(target.db_host, target.db_port, info) as database:
        # A duplicate can only be there if the index is broken, so the index must not be what is read.
        database.execute("set enable_indexscan = off")
        database.execute("set enable_indexonlyscan = off")
        database.execute("set enable_bitmapscan = off")
        rows = database.execute("select client, seq from orders where client = any(%s)", [clients]).fetchall()
    return compare(where, promised, Counter((str(client), int(seq)) for client, seq in rows))


def compare(site: str, promised: Counter[tuple[str, int]], kept: Counter[tuple[str, int]]) -> Audit:
    """The orders that were acknowledged, beside those that the database of a site has of the same clients."""
    lost = sorted(order for order in promised if order not in kept)
    return Audit(
        site=site,
        acknowledged=len(promised),
        lost=len(lost),
        duplicated=sum(count - 1 for count in (kept | promised).values() if count > 1),
        unacknowledged=sum(1 for order in kept if order not in promised),
        lost_orders=tuple(lost[:100]),
    )


def checksums(info: LabInfo) -> dict[str, str]:
    """For each site a checksum over every order that it holds. Equal when nothing is missing, added or changed."""
    found = {}
    for name, site in info.sites.items():
        with connect(site.db_host, site.db_port, info) as database:
            row = database.execute(
                "select count(*) || ':' || coalesce(md5(string_agg(o::text, ',' order by client, seq)), '')"
                " from orders as o"
            ).fetchone()
        found[name] = str(row[0]) if row else ""
    return found
