"""One launch of all servers, and the wait until they run."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused
from activities.providers.aws.tags import pairs, tags
from activities.providers.aws.waiting import until
from workflows.model.base import Strict
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, TemporaryError
from workflows.model.messages import StepRequest

from . import jobs, look
from .jobs import Job
from .look import Launched, Server, Standing

if TYPE_CHECKING:
    from .provider import DrsProvider

BUSY_SECONDS = 30.0


class Progress(Strict):
    """Of a launch. While one of its jobs goes on, nobody asks for what stands."""

    jobs: list[Job]
    launched: dict[str, Launched] | None

    @property
    def ids(self) -> set[str]:
        """Of the jobs."""
        return {job.id for job in self.jobs}

    def done(self) -> dict[str, Launched]:
        """What they have launched and is there."""
        found = self.launched or {}
        return {name: one for name, one in found.items() if one.job in self.ids and one.there}

    def underway(self, server: str) -> bool:
        """Whether it is in a job that goes on."""
        return any(server in job.outcomes for job in self.jobs if not job.over)

    def failed(self, server: str) -> bool:
        """Whether the newest job that it was in says so."""
        return next((job.outcomes[server] == "FAILED" for job in self.jobs if server in job.outcomes), False)


def fits(names: Sequence[str], stands: Standing) -> None:
    """Every server has data to be launched of.

    Raises:
        PermanentError: TARGET_UNFIT, naming those that have none.
    """
    states = {name: stands.servers[name].state if name in stands.servers else "absent" for name in names}
    if wrong := [f"{name} is {state}" for name, state in states.items() if state not in look.LAUNCHABLE]:
        raise PermanentError(
            Code.TARGET_UNFIT,
            f"Not every server can be launched here: {', '.join(wrong)}.",
            "Look at the source servers in DRS; what was never replicated wholly cannot be recovered.",
        )


async def mine(provider: "DrsProvider", request: StepRequest, stands: Standing, since: datetime) -> Progress:
    """What this run has launched so far."""
    site = request.target.site
    found = await jobs.of(provider.aws(site, request), request, site, since)
    return Progress(jobs=found, launched=stands.launched)


async def launch(
    provider: "DrsProvider",
    request: StepRequest,
    stands: Standing,
    progress: Progress,
    snapshots: Mapping[str, str],
    since: datetime,
) -> tuple[dict[str, Launched], bool]:
    """Launch what is lacking, and wait for all of it; whether this attempt has asked for anything.

    Args:
        provider: of the component.
        request: of the step; in a drill it has a bubble.
        stands: as it was looked at before the claim.
        progress: of this run, as it was then.
        snapshots: by server; without one it is launched of the newest data.
        since: when the step's first attempt claimed the site.
    """
    aws = provider.aws(request.target.site, request)
    servers = {name: stands.servers[name] for name in provider.settings.names}
    lacking = {
        name: server
        for name, server in servers.items()
        if name not in progress.done() and not progress.underway(server.id)
    }
    asked = ""
    if lacking:
        provider.context.still_mine()
        asked = await _start(aws, request, lacking, snapshots)
    progress = await _settled(provider, request, servers, since, asked)
    found = progress.done()
    _insist_on_all(servers, progress)
    return found, bool(lacking)


async def mark(aws: Aws, request: StepRequest, found: Mapping[str, Launched]) -> None:
    """Give the machines the step's tags. DRS gives those of a launch to its job alone."""
    ids, marks = sorted(one.instance for one in found.values()), pairs(tags(request, request.target.site))
    await aws.repeatable("ec2", "create_tags", Resources=ids, Tags=marks)


def _insist_on_all(servers: Mapping[str, Server], progress: Progress) -> None:
    """Else a person looks why before anything is launched again, unless a part was launched."""
    found = progress.done()
    if not (lacking := sorted(servers.keys() - found.keys())):
        return
    sentence = f"DRS could not launch {', '.join(lacking)}; {len(found)} of {len(servers)} servers were launched."
    next_step = "Look at the job's log in DRS; a retry launches what is lacking."
    if found:
        raise OutcomeUnknownError(sentence, next_step)
    raise PermanentError(Code.PROMOTE_REFUSED, sentence, next_step)


async def _start(aws: Aws, request: StepRequest, servers: Mapping[str, Server], snapshots: Mapping[str, str]) -> str:
    """The job."""
    wanted: list[dict[str, Any]] = [
        {"sourceServerID": server.id, **({"recoverySnapshotID": snapshots[name]} if name in snapshots else {})}
        for name, server in servers.items()
    ]
    try:
        begun = await aws.change(
            "drs",
            "start_recovery",
            sourceServers=wanted,
            isDrill=request.target.bubble is not None,
            tags=tags(request, request.target.site),
        )
    except Refused as error:
        if error.reason != "ConflictException":
            raise
        # Another's job; or our own, whose answer was lost and which did not show yet: then the next attempt finds it.
        raise TemporaryError(
            Code.PRECONDITION_CHANGED,
            "DRS does not launch as things stand: a job holds one of the servers, or it is not ready.",
            "It is tried again by itself; look at the jobs of DRS if that lasts.",
            delay=BUSY_SECONDS,
        ) from None
    return str(begun["job"]["jobID"])


async def _settled(
    provider: "DrsProvider", request: StepRequest, servers: Mapping[str, Server], since: datetime, asked: str
) -> Progress:
    """When all of them run, or DRS has given one up; the job that was asked for (empty for none) has to show before."""
    site = request.target.site
    aws = provider.aws(site, request)

    async def turn() -> Progress:
        found = await jobs.of(aws, request, site, since)
        over = bool(found) and all(job.over for job in found) and asked in ("", *(job.id for job in found))
        stands = await look.standing(aws, provider.settings, provider.site(site)) if over else None
        return Progress(jobs=found, launched=stands.launched if stands else None)

    def settled(progress: Progress) -> bool:
        if progress.launched is None:
            return False
        found = progress.done()
        return all(
            found[name].state == "running" if name in found else progress.failed(one.id)
            for name, one in servers.items()
        )

    def words(progress: Progress) -> str:
        if progress.launched is None:
            states = [state for job in progress.jobs for state in job.outcomes.values()]
            return f"DRS has launched {states.count('LAUNCHED')} of {len(servers)} servers"
        running = sum(one.state == "running" for one in progress.done().values())
        return f"{running} of {len(servers)} servers run"

    return await until(turn, settled, words, provider.context, provider.patience)
