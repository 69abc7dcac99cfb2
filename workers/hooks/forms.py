"""What is sent and answered: the vocabulary of the API. A field that is not known is refused."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool

from workers import control
from workflows.model.base import Name, Strict
from workflows.model.entity import ApplicationState
from workflows.model.requests import PointChoice, RunRequest

Reason = Annotated[str, Field(min_length=3, max_length=500, description="Why; it stands in the report.")]
Comment = Annotated[str, Field(max_length=500, description="It stands in the report.")]
Code = Annotated[str, Field(min_length=4, max_length=12, description="The code that the request shows.")]
Site = Annotated[Name | None, Field(description="The site to move to; the other one when left out.")]
Agreed = Annotated[
    AwareDatetime | None, Field(description="The agreed time of the cutover, with its offset; at once when left out.")
]
Point = Annotated[
    PointChoice, Field(description='"latest", "latest-verified", "before 2026-11-22T14:05:00Z", or a name.')
]


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"example": fields})


class StartFailover(Strict):
    """Move an application to the other site."""

    model_config = _example(operation="failover", reason="site A is gone")

    operation: Literal["failover"]
    reason: Reason
    planned: StrictBool = Field(default=False, description="Both sites are healthy: no loss.")
    to: Site = None
    detected_at: AwareDatetime | None = Field(default=None, description="When the outage was noticed.")
    point: Point = "latest"
    despite_evidence: str = Field(
        default="", max_length=500, description="Why to go on although the vantage points disagree, or too few answer."
    )


class StartSwitchover(Strict):
    """Move a healthy application, without loss."""

    model_config = _example(operation="switchover", reason="maintenance of site A")

    operation: Literal["switchover"]
    reason: Reason
    to: Site = None
    at: Agreed = None


class StartFailback(Strict):
    """Move an application home."""

    model_config = _example(operation="failback", reason="site A is mended")

    operation: Literal["failback"]
    reason: Reason
    at: Agreed = None


class StartReprotect(Strict):
    """Rebuild replication towards the site that was left."""

    model_config = _example(operation="reprotect", reason="site A is mended")

    operation: Literal["reprotect"]
    reason: Reason


class StartDrill(Strict):
    """Rehearse the recovery: on clones, or live."""

    model_config = _example(operation="drill", reason="quarterly drill")

    operation: Literal["drill"]
    reason: Reason
    live: StrictBool = Field(default=False, description="Move the users there and back, for real.")
    point: Point = "latest"


Start = Annotated[
    StartFailover | StartSwitchover | StartFailback | StartReprotect | StartDrill, Field(discriminator="operation")
]


def request_of(application: str, start: Start) -> RunRequest:
    """The input of the run. Who asks is set by the door, and what is not in the form cannot be asked for here."""
    return control.RUN_REQUESTS[start.operation](runbook=application, **start.model_dump(exclude={"operation"}))


class Proposal(Strict):
    """Ask people whether an application should fail over."""

    model_config = _example(reason="site A does not answer from three places")

    reason: Reason


class Decision(Strict):
    """An answer to a gate."""

    model_config = _example(code="K7QF", comment="confirmed by the data centre")

    code: Code
    comment: Comment = ""


class LossDecision(Strict):
    """Accept a loss beyond the RPO, by its figure."""

    model_config = _example(code="K7QF", loss="1 min 30 s", reason="the disks are gone")

    code: Code
    loss: str = Field(min_length=2, max_length=40, description='As the request shows it, such as "1 min 30 s".')
    reason: Comment = ""


class Steering(Strict):
    """The answer to a parked step, or pause, resume, abort."""

    model_config = _example(action="retry", step="front.flip_dns", reason="the name server is back")

    action: Literal["retry", "skip", "accept_degraded", "pause", "resume", "abort"]
    step: str | None = Field(default=None, max_length=200, description="Which parked step, when several are.")
    reason: Comment = ""


class Acknowledgement(Strict):
    """Somebody sees to what waits: nobody else is called for it."""

    model_config = _example(note="on my way")

    note: Comment = ""


# --- Answers ---


class Started(BaseModel):
    """The run."""

    model_config = _example(run="failover/shop/hook-6f1d2c9a7b30e4f5a8c1", sentence="Started.")

    run: str = Field(description="Its id; it is found at /v1/runs/ and the id.")
    sentence: str = Field(description="For people.")


class Proposed(Started):
    """What became of a proposal."""

    model_config = _example(
        run="failover/shop/hook-6f1d2c9a7b30e4f5a8c1",
        sentence="Proposed: it waits for people, and nothing moves before they agree.",
        application="shop",
        already_proposed=False,
    )

    application: str
    already_proposed: bool = Field(description="A run of the application was open, and nothing was started.")


class Heard(BaseModel):
    """What became of an alert."""

    model_config = _example(
        proposals=[
            {
                "run": "failover/shop/hook-6f1d2c9a7b30e4f5a8c1",
                "sentence": "Proposed: it waits for people, and nothing moves before they agree.",
                "application": "shop",
                "already_proposed": False,
            }
        ],
        noted="",
    )

    proposals: list[Proposed] = []
    noted: str = Field(default="", description="Why nothing was proposed; empty when something was.")


class Said(BaseModel):
    """What the run said to an answer."""

    model_config = _example(run="failover/shop/2026-11-22T14-05-33Z", sentence="Approved by anna; 0 more wanted.")

    run: str
    sentence: str


class RunRow(BaseModel):
    """A run in a list."""

    run: str
    application: str
    operation: str
    state: str
    epoch: int | None = None
    started: datetime | None = None
    ended: datetime | None = None


class Runs(BaseModel):
    """Runs, the newest first."""

    runs: list[RunRow]


class ApplicationView(BaseModel):
    """Where an application is, and what happens to it."""

    application: str
    active_site: str
    epoch: int
    protected: bool = Field(description="Whether replication runs away from the active site.")
    open_run: str | None = Field(default=None, description="The run that holds it now.")
    orphan: str = Field(default="", description="A run that ended without giving it back, in words.")
    last_run: str = ""
    last_outcome: str = ""
    last_ended: datetime | None = None
    replication: str = Field(default="", description="How far the copy is behind, in words.")

    @classmethod
    def of(cls, state: ApplicationState) -> "ApplicationView":
        """What others need to know of it; used codes and proofs are nobody's business."""
        return cls(
            application=state.application,
            active_site=state.active_site,
            epoch=state.epoch,
            protected=state.protected,
            open_run=state.lease.holder if state.lease else None,
            orphan=state.orphan.told if state.orphan else "",
            last_run=state.last_run,
            last_outcome=state.last_outcome,
            last_ended=state.last_ended,
            replication=state.replication.sentence if state.replication else "",
        )


class Applications(BaseModel):
    """Applications that the caller may look at."""

    applications: list[ApplicationView]


class Health(BaseModel):
    """This server answers; it says nothing of Temporal."""

    ok: bool
