"""What crosses Temporal between a run and its activities."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from .base import Duration, Message
from .observed import CheckResult, Consistency, Divergence, FenceProof, Finding, Loss, Observation, RecoveryPoint
from .plan import Mode, Operation
from .policy import Granted
from .requests import RiskAcceptance
from .runbook import BubbleDevice, Component, FenceDevice, PublicCheck, Runbook

CONTROL_QUEUE = "seawall"
TASK_TIMEOUT = timedelta(seconds=5)
"""How long a turn of a workflow may be lost with a server or a worker that died, before it is given out again. Longer
than a long history takes to be replayed; the server's default is 10 s."""


def site_queue(worker: str) -> str:
    """The task queue of a site's worker; `control` gives the queue of the control worker."""
    return CONTROL_QUEUE if worker == "control" else f"{CONTROL_QUEUE}-{worker}"


class Ref(Message):
    """Who asks for an effect. The key of the effect is `workflow_id + step + epoch`, never an attempt or a run id."""

    workflow_id: str
    application: str
    step: str
    epoch: int
    execution: str = ""
    """Temporal's id of the execution that took the lease. What a reset of it asks for is refused; empty for what holds
    no lease."""

    @property
    def key(self) -> str:
        """The idempotency key of this step's one effect."""
        return f"{self.workflow_id}:{self.step}:{self.epoch}"


class Bubble(Message):
    """A place at a site where clones run and from which nothing else can be reached. It lives in the folder
    `bubbles/NAME` of that site's worker, or in the site's bubble device, which holds its lease too: what is not closed
    in time is swept."""

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
    bubble_device: BubbleDevice | None = None
    """In a drill: of the bubble's site, when its clones live in one."""
    position: str | None = None
    """Where the data must have come to before it may be promoted."""
    point: RecoveryPoint | None = None
    public: PublicCheck | None = None
    choice: str = "latest"
    """Which recovery point is wanted; see `FailoverRequest.point`."""
    max_lag: float = 10.0
    """Seconds that a replica may be behind and still count as following."""
    undo: bool = False
    """Whether this is the undo of `ref.step`."""
    result: "StepResult | None" = None
    """Of the step that is undone, in an undo."""
    outage: datetime | None = None
    """In an unplanned move: when the outage was noticed or, where nobody said, declared."""
    adopts: int | None = None
    """The epoch of the run that was taken over: what it did under that epoch is as good as done by this one."""


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


class PreflightRequest(Message):
    """What would a recovery at the targets' site stumble over?"""

    targets: tuple[Target, ...]
    rpo: Duration
    """A replica that is further behind is a finding."""


class PreflightResult(Message):
    """What was found; nothing, where nothing is lacking."""

    findings: tuple[Finding, ...] = ()


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
    limits: dict[str, dict[str, Duration]] = {}
    """For each component, how long its provider may take for a verb, where that is longer than usual."""
    preflights: tuple[str, ...] = ()
    """Components whose provider can tell what a site lacks."""
    granted: Granted | None = None
    """Who may do what; null where there is no policy."""


class PlanRequest(Message):
    """Everything that the planner looks at."""

    runbook: Runbook
    verbs: dict[str, tuple[str, ...]]
    limits: dict[str, dict[str, Duration]] = {}
    source: str
    target: str
    mode: Mode
    operation: Operation = Operation.FAILOVER
    choice: str = "latest"
    """Which recovery point is wanted."""
    at: datetime | None = None
    """The agreed time of the cutover."""
    outage: datetime | None = None
    """In an unplanned move: when the outage was noticed or, where nobody said, declared."""
    adopts: int | None = None
    """The epoch of the run that is taken over."""
    promoted: tuple[str, ...] = ()
    """Data components that the run taken over has promoted at the target already."""


StepRequest.model_rebuild()
