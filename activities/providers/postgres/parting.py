"""Where the old, stopped server and the one that serves parted, and what the old one did afterwards."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from . import fence_file, guard, lsn, server, timelines, walscan
from .guard import Serving
from .settings import PostgresSite
from .walscan import Beyond

if TYPE_CHECKING:
    from .provider import PostgresProvider

CLEAN = (server.SHUT_DOWN, "shut down in recovery")


class Parting(NamedTuple):
    """What a look at the stopped server tells."""

    state: str
    timeline: int
    fork: int | None
    """Position at which they part; None where the old one is a standby of the very timeline that serves."""
    fork_timeline: int
    beyond: Beyond
    segment_bytes: int
    sideways: bool
    """Whether the old one has a timeline of its own that the serving one never had."""


async def look(provider: "PostgresProvider", site: PostgresSite, serving: Serving) -> Parting:
    """Read control file, history and log of the stopped server.

    Raises:
        PermanentError: ROLE_MISMATCH when it is another cluster, or stands later in history than the serving one.
    """
    facts = await server.control(site)
    if facts.get("Database system identifier") != serving.system_identifier:
        raise guard.mismatch(f"The data directory {site.data_dir} holds another cluster than {serving.site} serves.")
    state = facts.get("Database cluster state", "")
    timeline = max(int(facts["Latest checkpoint's TimeLineID"]), int(facts["Min recovery ending loc's timeline"]))
    ours = timelines.local(site.data_dir, timeline)
    fork = timelines.fork(ours, serving.history)
    if fork is None:
        raise guard.mismatch("The two servers have no timeline in common.")
    segment = int(facts["Bytes per WAL segment"])
    if fork.position is None:
        if state in server.OF_A_PRIMARY and not (Path(site.data_dir) / "backup_label").exists():
            raise guard.mismatch("The data at the old site were a primary's on the very timeline that serves now.")
        return Parting(state, timeline, None, fork.timeline, Beyond(0, 0), segment, False)
    if fork.timeline == serving.timeline and timeline != fork.timeline:
        raise guard.mismatch(
            f"The data at the old site are of timeline {timeline}, later than {serving.timeline}, which serves."
        )
    beyond = await _beyond(provider, site, ours, fork, facts)
    return Parting(state, timeline, fork.position, fork.timeline, beyond, segment, timeline != fork.timeline)


async def _beyond(
    provider: "PostgresProvider",
    site: PostgresSite,
    ours: timelines.History,
    fork: timelines.Fork,
    facts: dict[str, str],
) -> Beyond:
    assert fork.position is not None
    whole = Beyond(fork.position, fork.position)
    start = fork.position
    for stretch in ours:
        if stretch.timeline < fork.timeline:
            continue
        part = await walscan.beyond(site, stretch.timeline, start, provider.context.heartbeat)
        whole.records += part.records
        whole.commits += part.commits
        whole.transactions |= part.transactions
        whole.deletions |= part.deletions
        whole.end, whole.last = max(whole.end, part.end), part.last or whole.last
        whole.readable = whole.readable and (part.readable or not _passed(facts, start))
        start = stretch.end or start
    return whole


def _passed(facts: dict[str, str], position: int) -> bool:
    """Whether there was, or may have been, anything after a position of which no log can be read: the control file of
    a crashed server does not know its end."""
    if facts.get("Database cluster state") not in CLEAN:
        return True
    known = (facts["Latest checkpoint location"], facts["Minimum recovery ending location"])
    return any(lsn.parse(text) > position for text in known)


def holds_signal(site: PostgresSite) -> bool:
    """Whether it would come back as a standby."""
    return fence_file.signal_stands(site.data_dir)
