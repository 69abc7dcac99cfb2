"""Remove what the retention no longer wants: old snapshots, what was set aside, and clones whose drill is over.

Only what carries our tags is deleted, in the regions of both sites, and never an instance that the runbook names.
"""

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from activities.providers.aws.errors import Refused
from activities.providers.aws.tags import PREFIX
from activities.providers.base import now
from workflows.model.failure import OutcomeUnknownError, TemporaryError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.runbook import Snapshots

from . import database, points
from .database import ABANDONED, SERVED, Database
from .snapshot import VERIFIED, Snapshot

if TYPE_CHECKING:
    from .provider import RdsProvider

EXPIRES = f"{PREFIX}expires"


async def prune(provider: "RdsProvider", request: StepRequest) -> StepResult:
    """At `target.site`, and at the other site as far as its region answers."""
    replication = request.target.component.replication
    rule = replication.snapshots if replication else None
    if rule is None:
        return StepResult(detail="The runbook keeps no snapshots; nothing to remove.", changed=False)
    await provider.claim(request, None)
    removed = await _at(provider, request, rule, request.target.site)
    silent = ""
    for site in sorted({request.target.source, request.target.target} - {request.target.site}):
        try:
            removed += await _at(provider, request, rule, site)
        except (TemporaryError, OutcomeUnknownError):
            silent = f" {site} did not answer; it is pruned next time."
    return StepResult(detail=f"{len(removed)} removed.{silent}", changed=bool(removed), after={"removed": removed})


async def _at(provider: "RdsProvider", request: StepRequest, rule: Snapshots, site: str) -> list[str]:
    aws, at = provider.aws(site, request), now()
    most = provider.settings.prune_at_most
    removed: list[str] = []
    for one in unwanted(await points.kept(provider, request, site), rule, at)[-most:]:
        provider.context.heartbeat(f"removing {one.name}")
        provider.context.still_mine()
        await aws.change("rds", "delete_db_snapshot", DBSnapshotIdentifier=one.name)
        removed.append(one.name)
    over = [one for one in await _leftovers(provider, request, site) if _over(one, rule, at)]
    for left in over[: most - len(removed)]:
        provider.context.heartbeat(f"removing {left.name}")
        provider.context.still_mine()
        with contextlib.suppress(Refused):  # protected, or busy: it is not worth failing the replication
            await aws.change("rds", "delete_db_instance", DBInstanceIdentifier=left.name, **_last_words(left))
            removed.append(left.name)
    return removed


def _last_words(left: Database) -> dict[str, Any]:
    """A snapshot is kept of what had data of its own. Clones came from one, and RDS takes none of a replica."""
    own = SERVED in left.tags and not left.source
    return {"FinalDBSnapshotIdentifier": f"{left.name}-final"} if own else {"SkipFinalSnapshot": True}


def unwanted(found: Sequence[Snapshot], rule: Snapshots, at: datetime) -> list[Snapshot]:
    """Which may go: neither among the newest, nor young, nor the newest verified. Newest first."""
    verified = next((one for one in found if VERIFIED in one.tags), None)
    return [
        one
        for one in found[rule.keep :]
        if one is not verified and one.taken is not None and at - one.taken > rule.keep_for
    ]


async def _leftovers(provider: "RdsProvider", request: StepRequest, site: str) -> list[Database]:
    """Instances that runs have made or set aside. Those that the runbook names are never among them."""
    named = {place.instance for place in provider.settings.sites.values()}
    mine = {f"{PREFIX}application": request.ref.application, f"{PREFIX}component": request.target.name}
    listed = await provider.aws(site, request).pages("rds", "describe_db_instances", "DBInstances")
    found = [database.read(one) for one in listed]
    return [one for one in found if one.name not in named and mine.items() <= one.tags.items()]


def _over(one: Database, rule: Snapshots, at: datetime) -> bool:
    """Whether its time is over: that of a drill's clone, or of what was set aside for as long as copies are kept."""
    if one.status == "deleting":
        return False
    since, expires = _time(one.tags.get(ABANDONED)), _time(one.tags.get(EXPIRES))
    return (since is not None and at - since > rule.keep_for) or (expires is not None and at > expires)


def _time(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
