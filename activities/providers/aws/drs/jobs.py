"""The jobs of DRS: by their tags a step finds what it has asked for already, since StartRecovery takes no token."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from activities.providers.aws.calls import Aws
from activities.providers.aws.tags import PREFIX, tags
from workflows.model.base import Strict
from workflows.model.messages import StepRequest

_OF_CLOCKS = timedelta(minutes=5)
"""By which the clock of DRS may be behind the worker's."""
_PLACE = tuple(PREFIX + name for name in ("application", "component", "site", "bubble"))
_RUN, _EPOCH = f"{PREFIX}run", f"{PREFIX}epoch"


class Job(Strict):
    """One job that launches."""

    id: str
    over: bool
    outcomes: dict[str, str]
    """What became of each source server so far."""
    tags: dict[str, str]

    def of_bubble(self, name: str) -> bool:
        """Whether it belongs to a drill's bubble."""
        return self.tags.get(f"{PREFIX}bubble") == name


async def of(aws: Aws, request: StepRequest, site: str, since: datetime) -> list[Job]:
    """Those that this run has begun for this component here, the newest first; and those of the run that it has taken
    over, which began before it."""
    earliest = {} if request.adopts is not None else {"fromDate": _time(since - _OF_CLOCKS)}
    marks = tags(request, site)
    found = [_job(one) for one in await aws.pages("drs", "describe_jobs", "items", filters=earliest)]
    return [one for one in found if _ours(request, marks, one.tags)]


async def named(aws: Aws, ids: Iterable[str]) -> dict[str, Job]:
    """Some jobs, by their names."""
    wanted = {"jobIDs": sorted(ids)}
    return {one["jobID"]: _job(one) for one in await aws.pages("drs", "describe_jobs", "items", filters=wanted)}


def _job(one: Mapping[str, Any]) -> Job:
    servers = one.get("participatingServers", [])
    return Job(
        id=one["jobID"],
        over=one.get("status") == "COMPLETED",
        outcomes={server.get("sourceServerID", ""): server.get("launchStatus", "PENDING") for server in servers},
        tags=one.get("tags", {}),
    )


def _ours(request: StepRequest, marks: Mapping[str, str], found: Mapping[str, str]) -> bool:
    if any(found.get(mark) != marks.get(mark) for mark in _PLACE):
        return False
    mine = (found.get(_RUN), found.get(_EPOCH)) == (marks[_RUN], marks[_EPOCH])
    return mine or (request.adopts is not None and found.get(_EPOCH) == str(request.adopts))


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
