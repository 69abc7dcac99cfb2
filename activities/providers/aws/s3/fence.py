"""Deny writes at a bucket, prove it by a write that is refused, and the undo of that."""

from typing import TYPE_CHECKING

from activities.providers.aws.errors import Refused
from activities.providers.aws.waiting import until
from activities.providers.base import now
from workflows.model.failure import Code, PermanentError, SeawallError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import FenceProof, Reach

from . import policy
from .listing import current, position
from .policy import FENCE, STANDBY, Policy, fence_sid, statement

if TYPE_CHECKING:
    from .provider import S3Provider

NEVER = '"00000000000000000000000000000000"'
"""An ETag that no object has."""


async def probe(provider: "S3Provider", site: str) -> Reach:
    """Would the bucket take a write now? Asked by a conditional PutObject that cannot be fulfilled: S3 looks for the
    permission first (403), and then at the condition (404 or 412). At a standby our own role may write, so that its
    policy is the answer."""
    try:
        place, aws = provider.site(site), provider.aws(site)
        role = (await policy.read(aws, place)).role
        if role == "standby":
            return Reach.STANDBY
        try:
            key = f"{provider.settings.own}probe"
            await aws.change("s3", "put_object", Bucket=place.bucket, Key=key, Body=b"", IfMatch=NEVER)
        except Refused as error:
            if error.code is Code.PERMISSION:
                # Without our statement it is only this worker that may not.
                return Reach.REFUSED if role == "fenced" else Reach.UNKNOWN
            if error.reason in ("NoSuchKey", "PreconditionFailed", "404", "412"):
                return Reach.SERVING
            raise
    except SeawallError:
        return Reach.SILENT
    return Reach.SERVING


async def fence(provider: "S3Provider", request: StepRequest) -> StepResult:
    """Put the statement into the policy, and read everything that stands behind it.

    Raises:
        PermanentError: FENCE_UNPROVEN, when a write is still taken.
    """
    name = request.target.site
    place, aws = provider.site(name), provider.aws(name, request)
    stands = await policy.read(aws, place)
    sid = fence_sid(request.ref.epoch)
    _fits(request, stands, sid)
    provider.context.still_mine()
    before = await provider.register(name, request).claim({"role": stands.role, "statements": stands.ours})
    changed = sid not in stands.ours
    if changed:
        provider.context.still_mine()
        wanted = statement(provider.settings, place, sid)
        await policy.write(aws, place, stands.with_only(wanted, _older(request, stands)))
    seen = await until(
        lambda: probe(provider, name),
        lambda reach: reach is Reach.REFUSED,
        lambda reach: f"a write probe says {reach.value}",
        provider.context,
        provider.patience,
    )
    items = await current(aws, provider.settings, place)
    found = position(items.values())
    proof = FenceProof(
        component=request.target.name,
        site=name,
        epoch=request.ref.epoch,
        method=f"the policy of {place.bucket} denies every write, and a write was refused",
        proven=True,
        write_probe=seen,
        position=found,
        at=now(),
        detail=f"{len(items)} objects stand in it.",
    )
    return StepResult(
        detail=proof.method,
        changed=changed,
        before=before,
        after={"role": "fenced", "position": found, "objects": len(items)},
        proof=proof,
    )


def _older(request: StepRequest, stands: Policy) -> list[str]:
    """Fences of a run that this one takes over."""
    return (
        [fence_sid(request.adopts)] if request.adopts is not None and fence_sid(request.adopts) in stands.ours else []
    )


def _fits(request: StepRequest, stands: Policy, sid: str) -> None:
    if stands.role == "primary" or sid in stands.ours or _older(request, stands):
        return
    higher = max((int(one.removeprefix(FENCE)) for one in stands.ours if one != STANDBY), default=-1)
    if higher > request.ref.epoch:
        raise PermanentError(
            Code.STALE_EPOCH,
            f"The bucket at {request.target.site} is fenced under epoch {higher}, above {request.ref.epoch}.",
            "Look at the later run; this one must not go on.",
        )
    raise PermanentError(
        Code.PRECONDITION_CHANGED,
        f"The bucket at {request.target.site} takes no writes already: {', '.join(stands.ours)} stands in its policy.",
        "Look at both sites, and plan again.",
    )


async def unfence(provider: "S3Provider", request: StepRequest) -> StepResult:
    """Take exactly our fence out of the policy."""
    name = request.target.site
    place, aws = provider.site(name), provider.aws(name, request)
    if await provider.register(name, request).noted() is None:
        return StepResult(detail="This run fenced nothing here.", changed=False)
    stands = await policy.read(aws, place)
    sid = fence_sid(request.ref.epoch)
    if sid not in stands.ours:
        return StepResult(detail="The fence is gone already.", changed=False)
    provider.context.still_mine()
    await policy.write(aws, place, stands.with_only(None, [sid]))
    await until(
        lambda: policy.read(aws, place),
        lambda found: sid not in found.ours,
        lambda _: "the fence still stands",
        provider.context,
        provider.patience,
    )
    return StepResult(detail=f"{place.bucket} takes writes again.", after={"role": "primary"})


async def stand_by(provider: "S3Provider", request: StepRequest, site: str) -> bool:
    """Let only the role that copies write; whether that changed something. Ask the register before."""
    place, aws = provider.site(site), provider.aws(site, request)
    stands = await policy.read(aws, place)
    if stands.ours == [STANDBY]:
        return False
    provider.context.still_mine()
    wanted = statement(provider.settings, place, STANDBY)
    await policy.write(aws, place, stands.with_only(wanted, stands.ours))
    await until(
        lambda: policy.read(aws, place),
        lambda found: found.ours == [STANDBY],
        lambda _: "the policy is on its way",
        provider.context,
        provider.patience,
    )
    return True
