"""What crosses Temporal: inputs of workflows and activities, updates, queries, and their answers."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, AwareDatetime, Field

from .base import Message, Name, Strict
from .observed import CheckResult, Consistency, Divergence, FenceProof, Finding, Loss, Observation, RecoveryPoint
from .plan import Mode, Operation, Plan, Step
from .point_choice import parse_choice
from .runbook import Component, FenceDevice, PublicCheck, Runbook

CONTROL_QUEUE = "seawall"


def site_queue(worker: str) -> str:
    """The task queue of a site's worker; `control` gives the queue of the control worker."""
    return CONTROL_QUEUE if worker == "control" else f"{CONTROL_QUEUE}-{worker}"


def application_workflow_id(application: str) -> str:
    """The id of the one `Application` workflow of an application."""
    return f"application/{application}"


# --- What people type ---


def _checked_choice(text: str) -> str:
    """The text, when it names a recovery point in one of the four ways; ValueError otherwise."""
    parse_choice(text)
    return text


class RunRequest(Strict):
    """What every run wants to know: of which runbook, why, and who asks."""

    example: ClassVar[str] = '{"runbook": "shop", "reason": "why"}'

    runbook: Name
    reason: Annotated[str, Field(min_length=3, max_length=500)]
    requested_by: Annotated[str, Field(max_length=80)] = "unknown"


class FailoverRequest(RunRequest):
    """The input of `Failover`: `{"runbook": "shop", "reason": "region is gone"}` is enough."""

    example: ClassVar[str] = '{"runbook": "shop", "reason": "region is gone"}'

    planned: bool = False
    to: Name | None = Field(default=None, description="The site to move to; the other one when left out.")
    detected_at: datetime | None = Field(
        default=None, description="When the outage was noticed; starts a second clock."
    )
    point: Annotated[str, AfterValidator(_checked_choice), Field(max_length=120)] = Field(
        default="latest",
        description='Which recovery point: "latest", "latest-verified", "before 2026-11-22T14:05:00Z", or its name.',
    )


class SwitchoverRequest(RunRequest):
    """The input of `Switchover`: a planned move in either direction, without loss."""

    example: ClassVar[str] = '{"runbook": "shop", "reason": "maintenance of site A"}'

    to: Name | None = Field(default=None, description="The site to move to; the other one when left out.")
    at: AwareDatetime | None = Field(
        default=None, description="The agreed time of the cutover, such as 2026-11-22T02:00:00Z; at once when left out."
    )


class FailbackRequest(RunRequest):
    """The input of `Failback`: the switchover home."""

    example: ClassVar[str] = '{"runbook": "shop", "reason": "site A is mended"}'

    at: AwareDatetime | None = Field(
        default=None, description="The agreed time of the cutover, such as 2026-11-22T02:00:00Z; at once when left out."
    )


class ReprotectRequest(RunRequest):
    """The input of `Reprotect`: replication is rebuilt from the serving site to the other one."""

    example: ClassVar[str] = '{"runbook": "shop", "reason": "site A is mended"}'


class DrillRequest(RunRequest):
    """The input of `Drill`: isolated, or live with a real round trip."""

    example: ClassVar[str] = '{"runbook": "shop", "reason": "quarterly drill"}'

    live: bool = False
    point: Annotated[str, AfterValidator(_checked_choice), Field(max_length=120)] = Field(
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


class Approval(Strict):
    """The answer to a gate. `code` is the short code that the gate shows: it binds the answer to this run and plan."""

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


class RiskAcceptance(Strict):
    """A person's separate acceptance of the risk of two writers, where the fence could not be proved."""

    example: ClassVar[str] = '{"by": "anna", "code": "the risk code shown", "statement": "in your own words"}'

    by: Name
    code: Annotated[str, Field(min_length=4, max_length=12)]
    statement: Annotated[str, Field(min_length=20, max_length=500)] = Field(
        description="In the person's own words: what could not be proved, and why it is right to go on."
    )


class LossAcceptance(Strict):
    """A person's separate acceptance of a loss that is more than the runbook's RPO. It names the figure."""

    by: Name
    code: Annotated[str, Field(min_length=4, max_length=12)]
    loss: Annotated[str, Field(min_length=2, max_length=40)] = Field(
        description='The loss as the request shows it, such as "1 min 30 s".'
    )
    reason: Annotated[str, Field(max_length=500)] = ""


# --- What activities take and give ---


class Ref(Message):
    """Who asks for an effect. The key of the effect is `workflow_id + step + epoch`, never an attempt or a run id."""

    workflow_id: str
    application: str
    step: str
    epoch: int

    @property
    def key(self) -> str:
        """The idempotency key of this step's one effect."""
        return f"{self.workflow_id}:{self.step}:{self.epoch}"


class Bubble(Message):
    """A place at a site where clones run and from which nothing else can be reached. It lives in the folder
    `bubbles/NAME` of that site's worker, which holds its lease too: what is not closed in time is swept."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,79}$")]
    site: str
    names: dict[str, str] = {}
    """The names that resolve inside, with their addresses."""
    canaries: tuple[str, ...] = ()
    """Production endpoints, as host:port, that must be reachable from outside and unreachable from inside."""
    expires: datetime


class Target(Message):
    """A component as a step sees it: what it is, where the step acts, and which site is the other one."""

    name: str
    component: Component
    site: str
    source: str
    target: str
    bubble: Bubble | None = None
    """Set in a drill: the step acts on the clone that lives there, never on the component itself."""


class StepRequest(Message):
    """The input of every verb's activity."""

    ref: Ref
    target: Target
    mode: Mode = Mode.UNPLANNED
    before: Observation | None = None
    """What was observed of this component at this site when the plan was made: the left side of a compare-and-set."""
    proofs: tuple[FenceProof, ...] = ()
    """Fence proofs of this run so far; a promote refuses to act without the one of its component."""
    accepted_risk: RiskAcceptance | None = None
    fence_device: FenceDevice | None = None
    """Of the site that is to be fenced, when it has one."""
    position: str | None = None
    """Where the data must have come to before it may be promoted."""
    point: RecoveryPoint | None = None
    public: PublicCheck | None = None
    choice: str = "latest"
    """Which recovery point is wanted; see `FailoverRequest.point`."""
    max_lag: float = 10.0
    """Seconds that a replica may be behind and still count as following."""
    result: "StepResult | None" = None
    """Of the step that is undone, in an undo."""


class StepResult(Message):
    """What a verb's activity answers: what stands now, read back from the world."""

    detail: str = ""
    changed: bool = True
    """False when the effect was there already (an earlier attempt, or nothing to do)."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    provider_seconds: float = 0.0
    """Time spent inside the provider's calls; the rest of the step is the orchestrator's own."""
    attempt: int = 1
    """Which attempt of the activity this was."""
    proof: FenceProof | None = None
    point: RecoveryPoint | None = None
    loss: Loss | None = None
    checks: tuple[CheckResult, ...] = ()
    points: tuple[RecoveryPoint, ...] = ()
    """All that could be chosen, the newest first."""
    divergence: Divergence | None = None
    consistency: Consistency | None = None
    findings: tuple[Finding, ...] = ()


class ObserveRequest(Message):
    """Look at components, as seen by whichever worker takes this."""

    targets: tuple[Target, ...]
    observer: str


class Looks(Message):
    """What was seen, one look for each target, in their order."""

    looks: tuple[Observation, ...]


class LoadRunbookRequest(Message):
    """Read, check and freeze one runbook."""

    name: str


class LoadedRunbook(Message):
    """A runbook as it was when the run began: an edit in mid-run changes nothing."""

    runbook: Runbook
    sha256: str
    path: str = ""
    verbs: dict[str, tuple[str, ...]] = {}
    """For each component, the verbs that its provider can do."""


class PlanRequest(Message):
    """Everything that the planner looks at."""

    runbook: Runbook
    verbs: dict[str, tuple[str, ...]]
    source: str
    target: str
    mode: Mode
    operation: Operation = Operation.FAILOVER
    choice: str = "latest"
    """Which recovery point is wanted."""
    at: datetime | None = None
    """The agreed time of the cutover."""
    held: bool = False
    """Whether the source is held off by its fence device, and must be reopened first."""


# --- The Application entity ---


class Lease(Message):
    """The right to change an application, and the epoch that every change under it carries."""

    application: str
    epoch: int
    holder: str
    operation: Operation
    active_site: str
    since: datetime
    protected: bool = True
    """Whether replication ran away from the active site when the lease was given."""
    last_drill: "DrillSummary | None" = None
    """The drill of the same sort before this one."""


class AcquireRequest(Message):
    """Ask for the lease. Asking again with the same holder and run gives the same lease."""

    application: str
    holder: str
    holder_run_id: str
    operation: Operation
    home: str
    sites: tuple[str, ...]
    rehearsal: bool = False
    """An isolated drill: it changes nothing of the application, gives way to every real run, and never runs beside
    one."""
    floor: int = 0
    """The highest epoch that was seen standing in the world: the lease's epoch is above it, even where the entity
    itself has lost its memory."""


class ReleaseRequest(Message):
    """Give the lease back, and say where the application is active now."""

    application: str
    holder: str
    epoch: int
    active_site: str
    outcome: str
    protected: bool | None = None
    """Whether replication runs away from the active site now; null leaves it as it was."""
    drill: "DrillSummary | None" = None
    """Of a drill: what the next one is compared with."""


class DrillSummary(Message):
    """What is remembered of a drill."""

    workflow_id: str
    live: bool = False
    ended: datetime
    end_state: str
    rta_seconds: float | None = None
    rpa_seconds: float | None = None
    fidelity: float | None = None
    """Share of the steps that were done for real, 0 to 1."""


class NoteDrillRequest(Message):
    """Let an application remember a drill."""

    application: str
    drill: DrillSummary


class NoteReplicationRequest(Message):
    """Let an application know how far its copy is behind."""

    application: str
    found: "ReplicationState"


class FreeRequest(Strict):
    """A person frees a lease whose run was ended from outside, after looking at what stands."""

    by: Annotated[str, Field(min_length=1, max_length=80)]
    epoch: int
    active_site: Name = Field(description="Where the application really is active now.")
    reason: Annotated[str, Field(min_length=3, max_length=500)]


class ApplicationState(Message):
    """What the `Application` workflow knows; also its own input when it continues as new."""

    application: str
    active_site: str = ""
    epoch: int = 0
    lease: Lease | None = None
    holder_run_id: str = ""
    protected: bool = True
    """False after a failover until replication runs in the new direction."""
    last_run: str = ""
    last_run_id: str = ""
    last_outcome: str = ""
    last_ended: datetime | None = None
    rehearsal: Lease | None = None
    """The isolated drill that runs now."""
    rehearsal_run_id: str = ""
    last_drill: DrillSummary | None = None
    last_live_drill: DrillSummary | None = None
    replication: "ReplicationState | None" = None
    """What the last `Replicate` found."""


class ReplicationState(Message):
    """How far the copy is behind, as the last `Replicate` measured it."""

    at: datetime
    healthy: bool
    lag_seconds: float | None = None
    """Of the component that is furthest behind; null where one could not be measured."""
    sentence: str
    """For people: what is well, or which component is not and why."""


# --- What a run shows of itself ---


class RunState(StrEnum):
    """Where a run is. The five end states, and the stations on the way."""

    STARTING = "STARTING"
    RUNNING = "RUNNING"
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    PAUSED = "PAUSED"
    PARKED = "PARKED"
    COMPENSATING = "COMPENSATING"
    RECOVERED = "RECOVERED"
    RECOVERED_DEGRADED = "RECOVERED_DEGRADED"
    COMPENSATED = "COMPENSATED"
    REFUSED = "REFUSED"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen in this run."""
        return self in _ENDED


_ENDED = frozenset({RunState.RECOVERED, RunState.RECOVERED_DEGRADED, RunState.COMPENSATED, RunState.REFUSED})


class StepState(StrEnum):
    """Where a step is."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    """For people."""
    DONE = "done"
    FAILED = "failed"
    """And it is known that its effect does not stand."""
    UNKNOWN = "unknown"
    """Its effect may stand; being read back."""
    SKIPPED = "skipped"
    UNDOING = "undoing"
    UNDONE = "undone"
    UNDO_FAILED = "undo-failed"


class StepRecord(Message):
    """One step of a run, as shown and as reported."""

    id: str
    component: str | None
    site: str
    kind: str
    """The verb."""
    words: str
    phase: str
    state: StepState = StepState.PENDING
    started: datetime | None = None
    ended: datetime | None = None
    attempts: int = 0
    provider_seconds: float | None = None
    detail: str = ""
    code: str = ""
    undo: str = ""
    """What undoing it would mean, or meant."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    checks: tuple[CheckResult, ...] = ()


class GateView(Message):
    """What an approver must know, as of this second."""

    step: str
    code: str
    question: str
    facts: tuple[tuple[str, str], ...] = ()
    approvers: tuple[str, ...]
    required: int
    approved_by: tuple[str, ...] = ()
    expires: datetime
    on_silence: str
    loss: str = ""
    """The loss beyond the RPO that somebody must still accept by `accept_data_loss`, in words."""


class ParkedStep(Message):
    """A step that can go neither way by itself, and what is safe to do next."""

    step: str
    code: str
    reason: str
    standing: tuple[str, ...] = ()
    """Effects that stand now, in words."""
    actions: tuple[str, ...] = ()
    """Updates that answer it, of `retry`, `skip`, `accept_degraded`, `abort`, `accept_split_brain_risk`."""
    risk_code: str = ""
    """The code that `accept_split_brain_risk` wants, where that is one of the actions."""
    since: datetime


class ProgressView(Message):
    """The answer of the query `progress`: all that a watcher shows."""

    application: str
    operation: Operation
    mode: Mode
    state: RunState
    workflow_id: str
    epoch: int | None = None
    source: str = ""
    target: str = ""
    declared: datetime
    now: datetime
    rto_seconds: float | None = None
    steps: tuple[StepRecord, ...] = ()
    gate: GateView | None = None
    parked: tuple[ParkedStep, ...] = ()
    headline: str = ""
    """One sentence: what is happening, or what is awaited from whom."""


class ReplicationReport(Message):
    """The result of `Replicate`."""

    application: str
    active_site: str
    skipped: str = ""
    """Why nothing was done, such as a run that holds the application; empty when it was."""
    state: ReplicationState | None = None
    steps: tuple[StepRecord, ...] = ()


class PostureReport(Message):
    """The result of `Posture`."""

    application: str
    at: datetime
    ready: bool
    """Whether nothing blocking was found."""
    findings: tuple[Finding, ...] = ()
    active_site: str = ""
    protected: bool = True


class CompiledStep(Message):
    """A step with what an operator wants to know before starting: used by `seawall plan`."""

    step: Step
    earliest: float
    on_critical_path: bool


class CompiledPlan(Message):
    """A plan with its critical path."""

    plan: Plan
    steps: tuple[CompiledStep, ...]
    expected_seconds: float
    approvals_after_seconds: float = 0.0


for _message in (StepRequest, Lease, ReleaseRequest, NoteReplicationRequest, ApplicationState):
    _message.model_rebuild()
