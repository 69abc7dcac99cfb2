"""The pivot: DRS launches the servers at the recovery site. Which of them may write then is decided by the fence, which
stands before it."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from activities.providers.base import now
from workflows.model.failure import Code, PermanentError, SeawallError
from workflows.model.messages import StepRequest, StepResult

from . import launching, points
from .launching import Progress
from .look import Launched, Standing

if TYPE_CHECKING:
    from .provider import DrsProvider


async def promote(provider: "DrsProvider", request: StepRequest) -> StepResult:
    """Launch all servers by one job, and read back that they run."""
    site = request.target.site
    stands = await provider.stands_at(site, request)
    names, register = provider.settings.names, provider.register(site, request)
    noted = await register.noted()
    launching.fits(names, stands)
    progress = await launching.mine(provider, request, stands, since(noted))
    _nothing_runs(stands, progress)
    if noted is None:
        _as_planned(request, stands, progress)
    snapshots = await points.chosen(provider, request, stands)
    provider.context.still_mine()
    before = await register.claim(stands.facts() | {"since": now().isoformat()})
    found, changed = await launching.launch(provider, request, stands, progress, snapshots, since(before))
    untagged = await _marked(provider, request, found)
    return StepResult(
        detail=f"{len(found)} servers run in {provider.site(site).region}, {_data(request)}.{untagged}",
        changed=changed,
        before=before,
        after={"machines": {name: one.instance for name, one in found.items()}},
    )


async def _marked(provider: "DrsProvider", request: StepRequest, found: Mapping[str, Launched]) -> str:
    """Tags are told of and not insisted on: users wait for the servers, and nothing here is found by their tags."""
    try:
        await launching.mark(provider.aws(request.target.site, request), request, found)
    except SeawallError as error:
        return f" They bear no tags of ours: {error.sentence}"
    return ""


def since(noted: dict[str, str] | None) -> datetime:
    """When the step's first attempt claimed the site."""
    return datetime.fromisoformat(noted["since"]) if noted else now()


def _nothing_runs(stands: Standing, progress: Progress) -> None:
    """DRS ends what it has launched of a server before: what serves users must not be ended by a promote."""
    own = progress.done()
    strange = [
        name
        for name, one in stands.launched.items()
        if not one.drill and one.state in ("pending", "running") and name not in own
    ]
    if strange:
        raise PermanentError(
            Code.ROLE_MISMATCH,
            f"Of {', '.join(strange)} an earlier launch runs here, and DRS would terminate it.",
            "Find out what it is. Stop it if nobody needs it any more, then retry.",
        )


def _as_planned(request: StepRequest, stands: Standing, progress: Progress) -> None:
    planned = request.before.facts.get("machines") if request.before else None
    found = stands.facts()["machines"]
    if planned is not None and not progress.jobs and found != planned:
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            "Other servers stand there than when the run was planned.",
            "Look who launched them, and plan again.",
        )


def _data(request: StepRequest) -> str:
    point = request.point
    return f"with the data of {point.position}" if point and point.kind == "snapshot" else "with the newest data"
