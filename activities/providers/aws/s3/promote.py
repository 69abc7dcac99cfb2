"""Let the copy be written to, under the run's epoch."""

from typing import TYPE_CHECKING

from activities.providers.aws.waiting import until
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Reach

from . import marking, policy
from .fence import probe
from .listing import behind, current, position
from .policy import Policy
from .standing import Record, record, record_key

if TYPE_CHECKING:
    from .provider import S3Provider


async def promote(provider: "S3Provider", request: StepRequest) -> StepResult:
    """Note the promotion in the bucket, take our statement out of its policy, and see that it takes a write."""
    name, settings = request.target.site, provider.settings
    place, aws = provider.site(name), provider.aws(name, request)
    stands = await policy.read(aws, place)
    noted = await record(aws, settings, place)
    wanted = await _record(provider, request, noted)
    await _fits(provider, request, stands, noted)
    provider.context.still_mine()
    before = await provider.register(name, request).claim({"role": stands.role, "statements": stands.ours})
    changed = noted != wanted or bool(stands.ours)
    if noted != wanted:
        provider.context.still_mine()
        content = wanted.model_dump_json().encode()
        # First, and by the role that a standby lets write: a bucket that takes writes always says since when.
        await aws.change("s3", "put_object", Bucket=place.bucket, Key=record_key(settings, place), Body=content)
    if stands.ours:
        provider.context.still_mine()
        await policy.write(aws, place, stands.with_only(None, stands.ours))
    await until(
        lambda: probe(provider, name),
        lambda reach: reach is Reach.SERVING,
        lambda reach: f"a write probe says {reach.value}",
        provider.context,
        provider.patience,
    )
    return StepResult(
        detail=f"{place.bucket} takes writes from now on, under epoch {request.ref.epoch}.",
        changed=changed,
        before=before,
        after={"role": "primary", "epoch": request.ref.epoch},
    )


async def _record(provider: "S3Provider", request: StepRequest, noted: Record | None) -> Record:
    """Of this promotion. Once it is noted its mark stays: the marks go on as soon as the bucket takes writes."""
    if noted is not None and (noted.epoch, noted.key) == (request.ref.epoch, request.ref.key):
        return noted
    mark = await marking.read(provider, request.target.site, request)
    return Record(epoch=request.ref.epoch, key=request.ref.key, mark=mark)


async def _fits(provider: "S3Provider", request: StepRequest, stands: Policy, noted: Record | None) -> None:
    ours = noted is not None and noted.epoch in (request.ref.epoch, request.adopts)
    if noted and noted.epoch > request.ref.epoch:
        raise PermanentError(
            Code.STALE_EPOCH,
            f"The bucket at {request.target.site} was promoted under epoch {noted.epoch}, above {request.ref.epoch}.",
            "Look at the later run; this one must not go on.",
        )
    if ours:
        return
    if stands.role != "standby":
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"The bucket at {request.target.site} is {stands.role}, and not the standby that this run saw.",
            "Look at both sites, and plan again.",
        )
    if request.position is not None and not await _holds(provider, request):
        raise PermanentError(
            Code.TARGET_UNFIT,
            f"The bucket at {request.target.site} does not hold what was fenced.",
            "Synchronise first; promoting now would lose what lies between.",
        )


async def _holds(provider: "S3Provider", request: StepRequest) -> bool:
    origin, into = request.target.source, request.target.site
    source = await current(provider.aws(origin, request), provider.settings, provider.site(origin))
    copy = await current(provider.aws(into, request), provider.settings, provider.site(into))
    return position(source.values()) == request.position and not any(behind(provider.settings, source, copy))
