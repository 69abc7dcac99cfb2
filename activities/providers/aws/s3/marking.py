"""A mark in the serving bucket, written by the worker of another site, and what it tells was lost.

The service's replication brings it like any object; where Seawall copies, the mark that stood when the objects were
listed is put beside their copies.
"""

from typing import TYPE_CHECKING

from activities.providers import marks
from activities.providers.aws.duties import Duty
from activities.providers.marks import Mark
from workflows.model.base import in_words
from workflows.model.messages import StepRequest, StepResult
from workflows.model.runbook import Marker

from . import policy, standing
from .settings import MARK

if TYPE_CHECKING:
    from .provider import S3Provider


async def keep_marking(provider: "S3Provider", component: str, marker: Marker, site: str) -> None:
    """Mark the bucket of `site` while it takes writes. Never returns."""
    await marks.keep_marking(marker.interval, provider.ledger(component, site), lambda: _mark(provider, site))


async def _mark(provider: "S3Provider", site: str) -> Mark | None:
    aws, place = provider.aws(site, duty=Duty.REPLICATE), provider.site(site)
    if (await policy.read(aws, place)).role != "primary":
        return None
    mark = marks.after(await read(provider, site))
    await put(provider, site, mark)
    return mark


async def read(provider: "S3Provider", site: str, request: StepRequest | None = None) -> Mark | None:
    """The mark in a bucket; None when there is none."""
    found = await standing.body(provider.aws(site, request), provider.site(site), _key(provider))
    return None if found is None else Mark.model_validate_json(found)


async def put(provider: "S3Provider", site: str, mark: Mark, request: StepRequest | None = None) -> None:
    """Write it into a bucket. Sent again it is the same mark."""
    aws = provider.aws(site, request, Duty.REPLICATE if request is None else None)
    content = mark.model_dump_json().encode()
    await aws.repeatable("s3", "put_object", Bucket=provider.site(site).bucket, Key=_key(provider), Body=content)


async def measure_loss(provider: "S3Provider", request: StepRequest) -> StepResult:
    """Compare the mark that the bucket at `target.site` had when it was promoted with the acknowledged ones."""
    site = request.target.site
    found = await standing.record(provider.aws(site, request), provider.settings, provider.site(site))
    entries = marks.noted(provider.ledger(request.target.name, request.target.source), Mark)
    loss = marks.loss(found.mark if found else None, entries)
    return StepResult(detail=f"Lost: {in_words(loss.seconds)}. {loss.method}", changed=False, loss=loss)


def _key(provider: "S3Provider") -> str:
    return f"{provider.settings.own}{MARK}"
