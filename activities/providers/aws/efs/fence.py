"""Fence and unfence, by the policy of the file system.

What it proves: a policy that denies every client to mount, to read and to write stands, as EFS tells it, and has stood
for `policy_takes`. What it does not: EFS evaluates the policy "when a client connects" ("Using IAM to control access to
file systems"), and does not promise when it asks again, so that a client that was connected may go on for a while.
Invariant: it is no fence of what goes on writing; whoever writes there is stopped before, as a planned move does.
"""

import asyncio
import time
from typing import TYPE_CHECKING

from activities.providers.aws.waiting import until
from activities.providers.base import now
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError, SeawallError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import FenceProof, Reach

from . import policy
from .look import Look, as_planned

if TYPE_CHECKING:
    from .provider import EfsProvider

BEAT_SECONDS = 5.0


def reach_of(found: Look) -> tuple[Reach, str]:
    """What an observer says of a file system."""
    it, replication = found.it, found.replication
    if found.role == "standby":
        follows = f"a copy of {replication.source}, {replication.status}" if replication else "ready to be a copy"
        return Reach.STANDBY, f"It is {it.state}, {follows}."
    if found.role == "fenced":
        return Reach.STANDBY, f"It is {it.state}, and its policy lets no client in."
    if it.state not in ("available", "updating"):
        return Reach.STANDBY, f"It is {it.state}."
    return Reach.SERVING, f"It is {it.state}, and can be written to."


async def probe(provider: "EfsProvider", site: str) -> Reach:
    """As EFS itself tells it: nothing is mounted or written."""
    try:
        found = await provider.look(site)
    except SeawallError as error:
        return Reach.REFUSED if error.code is Code.NOT_FOUND else Reach.SILENT
    return Reach.REFUSED if found.role == "fenced" else reach_of(found)[0]


async def fence(provider: "EfsProvider", request: StepRequest) -> StepResult:
    """Let no client in."""
    site, epoch = request.target.site, request.ref.epoch
    aws, stands = provider.aws(site, request), await provider.look(site, request)
    if await provider.register(site, request).noted() is None:
        as_planned(request, stands)
    _fits(request, stands)
    before = await provider.claim(request, stands)
    name, changed = stands.it.id, epoch not in stands.policy.fences
    if changed:
        provider.context.still_mine()
        await policy.write(aws, name, stands.policy.fenced(epoch, stands.policy.fences))
    await until(
        lambda: policy.read(aws, name),
        lambda found: epoch in found.fences,
        lambda _: f"the policy of {name} is on its way",
        provider.context,
        provider.patience,
    )
    seconds = provider.settings.policy_takes.total_seconds()
    await _sink_in(provider, seconds)
    words = f"the policy of {name} denies every client to mount, read and write, and has stood for {in_words(seconds)}"
    proof = FenceProof(
        component=request.target.name,
        site=site,
        epoch=epoch,
        method=words,
        proven=True,
        write_probe=Reach.REFUSED,
        at=now(),
        detail="EFS asks the policy when a client connects; of those that were connected before nothing is measured.",
    )
    return StepResult(
        detail=f"{words}. {proof.detail}", changed=changed, before=before, after={"role": "fenced"}, proof=proof
    )


async def _sink_in(provider: "EfsProvider", seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        provider.context.heartbeat(f"the policy stands; {in_words(left)} until it counts as taken effect")
        await asyncio.sleep(min(BEAT_SECONDS, left))


def _fits(request: StepRequest, stands: Look) -> None:
    name, site, epoch = stands.it.id, request.target.site, request.ref.epoch
    if stands.role == "standby":
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"{name} at {site} is a copy, which nobody can write to.",
            "Look which site serves, and plan again.",
        )
    other = [one for one in stands.policy.fences if one not in (epoch, request.adopts)]
    if any(one > epoch for one in other):
        raise PermanentError(
            Code.STALE_EPOCH,
            f"{name} at {site} is fenced under epoch {max(other)}, above {epoch}.",
            "Look at the later run; this one must not go on.",
        )
    if other:
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"{name} at {site} is fenced already, under epoch {max(other)}.",
            "Look at both sites, and plan again.",
        )


async def unfence(provider: "EfsProvider", request: StepRequest) -> StepResult:
    """Take exactly our fence out of the policy."""
    site, epoch = request.target.site, request.ref.epoch
    if await provider.register(site, request).noted() is None:
        return StepResult(detail="This run did not fence it.", changed=False)
    changed = await open_up(provider, request, await provider.look(site, request), [epoch])
    return StepResult(detail="Clients are let in as before.", changed=changed, after={"role": "primary"})


async def open_up(provider: "EfsProvider", request: StepRequest, stands: Look, epochs: list[int]) -> bool:
    """Without the fences of those epochs, once that shows; whether any of them stood."""
    gone = sorted(set(epochs) & set(stands.policy.fences))
    if not gone:
        return False
    aws = provider.aws(request.target.site, request)
    provider.context.still_mine()
    await policy.write(aws, stands.it.id, stands.policy.without(gone))
    await until(
        lambda: policy.read(aws, stands.it.id),
        lambda found: not set(gone) & set(found.fences),
        lambda _: "the fence still stands",
        provider.context,
        provider.patience,
    )
    return True
