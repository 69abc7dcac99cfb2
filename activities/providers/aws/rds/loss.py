"""What was lost at most, by the last moment of which the new primary is known to have had everything."""

from datetime import datetime
from typing import TYPE_CHECKING

from workflows.model.base import in_words
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Loss
from workflows.model.plan import Mode

from . import lag

if TYPE_CHECKING:
    from .provider import RdsProvider


async def measure(provider: "RdsProvider", request: StepRequest) -> StepResult:
    """See `Provider.measure_loss`. An upper bound: CloudWatch measures once a minute. RDS tells no rows, so that
    transactions and bytes stay null."""
    ended, point = _ended(request), request.point
    if request.mode is Mode.PLANNED and (point is None or point.kind == "stream"):
        loss = Loss(seconds=0.0, method="it was promoted when it held what came behind the fence")
    elif ended is None:
        loss = Loss(method="nothing tells when the last write was taken")
    elif point is not None and point.kind != "stream":
        loss = _between(point.covers_until or point.taken, ended, f"the age of {point.name}")
    else:
        site = request.target.site
        held = await lag.held(provider.aws(site, request), provider.instance(site), ended)
        loss = _between(held, ended, "ReplicaLag of CloudWatch, at most")
    return StepResult(detail=f"Lost: {in_words(loss.seconds)} ({loss.method}).", changed=False, loss=loss)


def _ended(request: StepRequest) -> datetime | None:
    """When the old site took its last write: at the fence that was proved, else when the outage was noticed."""
    proofs = (proof.at for proof in request.proofs if proof.proven and proof.component == request.target.name)
    return max(proofs, default=request.outage)


def _between(held: datetime | None, ended: datetime, method: str) -> Loss:
    if held is None:
        return Loss(method="no lag was measured")
    return Loss(seconds=lag.missing(held, ended), method=f"{method}: all until {held:%H:%M:%S} UTC")
