"""What people type: the inputs of runs, and the answers to them. Short JSON that can be written by hand."""

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, AwareDatetime, Field

from .base import Name, Strict
from .point_choice import parse_choice
from .proof import Proof


def _checked_choice(text: str) -> str:
    """The text, when it names a recovery point in one of the four ways; ValueError otherwise."""
    parse_choice(text)
    return text


PointChoice = Annotated[str, AfterValidator(_checked_choice), Field(max_length=120)]


class RunRequest(Strict):
    """What every run wants to know: of which runbook, why, and who asks."""

    example: ClassVar[str] = '{"runbook": "shop", "reason": "why"}'

    runbook: Name
    reason: Annotated[str, Field(min_length=3, max_length=500)]
    requested_by: Annotated[str, Field(max_length=80)] = "unknown"


class HoldingRequest(RunRequest):
    """What every run wants to know that takes the application's lease."""

    adopts: int | None = Field(
        default=None,
        ge=1,
        description="Take over the orphaned lease of this epoch, and go on from what stands; see `seawall status`.",
    )


class FailoverRequest(HoldingRequest):
    """The input of `Failover`: `{"runbook": "shop", "reason": "region is gone"}` is enough."""

    example: ClassVar[str] = '{"runbook": "shop", "reason": "region is gone"}'

    planned: bool = False
    proposed: bool = Field(
        default=False, description="Asked for by who may only propose it: people decide in any case, and silence is no."
    )
    to: Name | None = Field(default=None, description="The site to move to; the other one when left out.")
    detected_at: datetime | None = Field(
        default=None, description="When the outage was noticed; starts a second clock."
    )
    point: PointChoice = Field(
        default="latest",
        description='Which recovery point: "latest", "latest-verified", "before 2026-11-22T14:05:00Z", or its name.',
    )
    despite_evidence: Annotated[str, Field(max_length=500)] = Field(
        default="",
        description="Go on although the vantage points disagree about the source, or too few answer: why, in your own "
        "words. It stands in the report, beside your name.",
    )


class SwitchoverRequest(HoldingRequest):
    """The input of `Switchover`: a planned move in either direction, without loss."""

    example: ClassVar[str] = '{"runbook": "shop", "reason": "maintenance of site A"}'

    to: Name | None = Field(default=None, description="The site to move to; the other one when left out.")
    at: AwareDatetime | None = Field(
        default=None, description="The agreed time of the cutover, such as 2026-11-22T02:00:00Z; at once when left out."
    )


class FailbackRequest(HoldingRequest):
    """The input of `Failback`: the switchover home."""

    example: ClassVar[str] = '{"runbook": "shop", "reason": "site A is mended"}'

    at: AwareDatetime | None = Field(
        default=None, description="The agreed time of the cutover, such as 2026-11-22T02:00:00Z; at once when left out."
    )


class ReprotectRequest(HoldingRequest):
    """The input of `Reprotect`: replication is rebuilt from the serving site to the other one."""

    example: ClassVar[str] = '{"runbook": "shop", "reason": "site A is mended"}'


class DrillRequest(RunRequest):
    """The input of `Drill`: isolated, or live with a real round trip."""

    example: ClassVar[str] = '{"runbook": "shop", "reason": "quarterly drill"}'

    live: bool = False
    point: PointChoice = Field(
        default="latest", description="Which recovery point the clones are made of; see Failover."
    )


class PostureRequest(Strict):
    """The input of `Posture`: is this application ready to be recovered?"""

    example: ClassVar[str] = '{"runbook": "shop"}'

    runbook: Name
    reason: Annotated[str, Field(max_length=500)] = ""


class ReplicateRequest(Strict):
    """The input of `Replicate`: what is due is copied, pruned and measured."""

    example: ClassVar[str] = '{"runbook": "shop"}'

    runbook: Name


class Approval(Proof):
    """The answer to a gate. `code` is the short code that the gate shows: it binds the answer to this run and plan. A
    proof comes beside it where the runbook wants one."""

    example: ClassVar[str] = '{"approver": "anna", "code": "the code that the request shows"}'

    approver: Name
    code: Annotated[str, Field(min_length=4, max_length=12)]
    comment: Annotated[str, Field(max_length=500)] = ""


class Answer(Strict):
    """The answer to a parked step, or a request to pause, resume or abort. Everything may be left out."""

    example: ClassVar[str] = '{"by": "anna", "reason": "why"}'

    by: Annotated[str, Field(min_length=1, max_length=80)] = "unknown"
    step: str | None = Field(default=None, description="Which parked step; may be left out when there is only one.")
    reason: Annotated[str, Field(max_length=500)] = ""


class Acknowledgement(Strict):
    """Somebody sees to what waits for people: nobody else is called for it. It answers nothing."""

    example: ClassVar[str] = '{"by": "anna", "note": "on my way"}'

    by: Annotated[str, Field(min_length=1, max_length=80)]
    note: Annotated[str, Field(max_length=500)] = ""


class RiskAcceptance(Proof):
    """A person's separate acceptance of the risk of two writers, where the fence could not be proved."""

    example: ClassVar[str] = '{"by": "anna", "code": "the risk code shown", "statement": "in your own words"}'

    by: Name
    code: Annotated[str, Field(min_length=4, max_length=12)]
    statement: Annotated[str, Field(min_length=20, max_length=500)] = Field(
        description="In the person's own words: what could not be proved, and why it is right to go on."
    )


class LossAcceptance(Proof):
    """A person's separate acceptance of a loss that is more than the runbook's RPO. It names the figure."""

    by: Name
    code: Annotated[str, Field(min_length=4, max_length=12)]
    loss: Annotated[str, Field(min_length=2, max_length=40)] = Field(
        description='The loss as the request shows it, such as "1 min 30 s".'
    )
    reason: Annotated[str, Field(max_length=500)] = ""


class FreeRequest(Strict):
    """A person frees a lease whose run was ended from outside, after looking at what stands."""

    by: Annotated[str, Field(min_length=1, max_length=80)]
    epoch: int
    active_site: Name = Field(description="Where the application really is active now.")
    reason: Annotated[str, Field(min_length=3, max_length=500)]
