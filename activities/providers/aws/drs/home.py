"""How far a site is behind, and the way home: what was launched is replicated back to where it came from."""

from functools import partial
from typing import TYPE_CHECKING

from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused
from activities.providers.aws.landed import landed
from activities.providers.aws.parallel import all_of
from activities.providers.aws.waiting import until
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Reach

from .launching import BUSY_SECONDS
from .look import Standing

if TYPE_CHECKING:
    from .provider import DrsProvider


async def measure_lag(provider: "DrsProvider", request: StepRequest) -> StepResult:
    """As DRS tells it, the slowest server counts.

    Raises:
        PermanentError: REPLICA_FROZEN, when one is not replicated continuously.
    """
    site = request.target.target
    stands = await provider.stands_at(site, request)
    states = {
        name: stands.servers[name].state if name in stands.servers else "absent" for name in provider.settings.names
    }
    frozen = [f"{name} is {state}" for name, state in states.items() if state != "CONTINUOUS"]
    if frozen or stands.lag is None:
        raise PermanentError(
            Code.REPLICA_FROZEN,
            f"Not every server is replicated to {site}: {', '.join(frozen) or 'no lag is told'}.",
            "Look at the source servers in DRS.",
        )
    return StepResult(
        detail=f"The slowest server is {in_words(stands.lag)} behind at {site}.",
        changed=False,
        after={"lag_seconds": stands.lag, "lag_bytes": None},
    )


async def rebuild(provider: "DrsProvider", request: StepRequest) -> StepResult:
    """Replicate what serves at `target.target` to the old site, by ReverseReplication. The old machines stay as they
    are: nothing is overwritten, so nothing has to be archived.

    Raises:
        PermanentError: ROLE_MISMATCH when the old machines run, or those of the other site do not.
    """
    old, serving = request.target.site, request.target.target
    there, here = await provider.stands_at(old, request), await provider.stands_at(serving, request)
    _as_planned(request, there)
    _fits(provider, request, there, here)
    provider.context.still_mine()
    await provider.register(old, request).claim(there.facts())
    aws = provider.aws(serving, request)
    lacking = unprotected(here, there)
    await all_of({name: partial(_reverse, provider, aws, here.launched[name].id) for name in lacking})
    with landed(f"{len(lacking)} servers are replicated back"):
        after = await until(
            lambda: provider.stands_at(old, request),
            lambda found: not _strangers(here, found),
            lambda found: f"{len(found.servers) - len(_strangers(here, found))} source servers are at {old}",
            provider.context,
            provider.patience,
        )
    return StepResult(
        detail=f"{len(after.servers)} servers are replicated from {serving} to {old}.",
        changed=bool(lacking),
        after=after.facts(),
    )


async def _reverse(provider: "DrsProvider", aws: Aws, instance: str) -> None:
    provider.context.still_mine()
    try:
        await aws.change("drs", "reverse_replication", recoveryInstanceID=instance)
    except Refused as error:
        if error.reason != "ConflictException":
            raise
        # Its agent has not come up yet; or it is replicated already, which did not show.
        raise TemporaryError(
            Code.PRECONDITION_CHANGED,
            f"{instance} is not ready to be replicated back.",
            "It is tried again by itself; its agent must reach DRS in both regions.",
            delay=BUSY_SECONDS,
        ) from None


def _as_planned(request: StepRequest, there: Standing) -> None:
    if request.before is not None and request.before.reach is not Reach.SERVING and there.in_use:
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            "The old servers run, and did not when the run was planned.",
            "Find out which site serves, and plan again.",
        )


def _fits(provider: "DrsProvider", request: StepRequest, there: Standing, here: Standing) -> None:
    old, serving, names = request.target.site, request.target.target, provider.settings.names
    if there.in_use:
        raise PermanentError(
            Code.ROLE_MISMATCH,
            f"The servers at {old} are not stopped.",
            "Stop them: two sites must not write at the same time.",
        )
    if not here.serves(names):
        raise PermanentError(
            Code.ROLE_MISMATCH,
            f"Not all servers run at {serving}; there is nothing to follow.",
            "Look which site serves, and ask again.",
        )
    if bare := [name for name in unprotected(here, there) if name not in here.launched]:
        raise PermanentError(
            Code.TARGET_UNFIT,
            f"Of {', '.join(bare)} nothing was launched by DRS, so that it cannot turn its replication round.",
            f"Install the agent on it, for the region of {old}.",
        )


def _strangers(here: Standing, there: Standing) -> list[str]:
    """Servers that run here, and whose disks nobody receives there."""
    return [
        name
        for name, machine in here.machines.items()
        if name not in there.servers or there.servers[name].protects != machine.id
    ]


def unprotected(here: Standing, there: Standing) -> list[str]:
    """Servers that nobody has asked to be replicated back. What was launched tells that itself: where it was launched
    into the machine of before, a source server that does not hear of it any more still bears its id."""
    strange = _strangers(here, there)
    return [
        name
        for name in here.machines
        if (not here.launched[name].reversing if name in here.launched else name in strange)
    ]


async def protect(provider: "DrsProvider", request: StepRequest) -> StepResult:
    """Wait until each serving machine is replicated continuously to `target.source`, at most `request.max_lag` behind.
    The first copy sends all of the disks, which can take days: the step is tried again as long as its time lasts."""
    old, names = request.target.source, provider.settings.names
    here = await provider.stands_at(request.target.target, request)

    def follows(found: Standing) -> bool:
        whole = len(found.servers) == len(names) and not _strangers(here, found) and not unprotected(here, found)
        continuous = all(one.state == "CONTINUOUS" for one in found.servers.values())
        return whole and continuous and found.lag is not None and found.lag <= request.max_lag

    def words(found: Standing) -> str:
        states = ", ".join(sorted({one.state for one in found.servers.values()})) or "nothing there"
        return f"the replication to {old} is {states}, {in_words(found.lag)} behind"

    after = await until(lambda: provider.stands_at(old, request), follows, words, provider.context, provider.patience)
    return StepResult(
        detail=f"All servers are replicated to {old}, {in_words(after.lag)} behind.",
        changed=False,
        after={"lag_seconds": after.lag},
    )
