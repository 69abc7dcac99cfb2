"""The runbook: the recovery plan of one application, as people write it in YAML.

`activities.runbook_file` reads it; `docs/runbooks.md` explains it; `runbooks/runbook.schema.json` is generated from it.
"""

from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator
from pydantic.json_schema import SkipJsonSchema

from .base import Duration, Name, Strict, Text
from .notices import Notices
from .proof import ProofKind


class Role(StrEnum):
    """What a component does in a recovery; the order of steps follows from it."""

    DATA = "data"
    COMPUTE = "compute"
    TRAFFIC = "traffic"


class Tier(StrEnum):
    """How much of the recovery site runs before the disaster."""

    HOT = "hot"
    WARM = "warm"
    COLD = "cold"


class ReplicationMode(StrEnum):
    """How data reaches the other site."""

    CONTINUOUS = "continuous"
    INTERVAL = "interval"
    BACKUP = "backup"


class Owner(Strict):
    """The person who answers for the runbook."""

    name: Text
    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]


class Review(Strict):
    """When a person last confirmed that the runbook is right, and how long that holds."""

    last: date
    interval: Duration = timedelta(days=90)


class Objectives(Strict):
    """What the business was promised."""

    rto: Duration
    rpo: Duration


class FenceDevice(Strict):
    """An independent path that can hold a whole site off, and say so: a power controller, a cloud API."""

    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9.]*$")]
    settings: dict[str, Any] = {}


class BubbleDevice(Strict):
    """Where a drill's clones live when that is not a network of the site's own machine: an isolated network of a
    cloud, made once and used by one drill at a time."""

    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9.]*$")]
    settings: dict[str, Any] = {}


class Site(Strict):
    """A place where the application can run."""

    name: Text
    fence_device: FenceDevice | None = None
    bubble: BubbleDevice | None = None


class Snapshots(Strict):
    """Restorable copies, kept at the other site beside what replication brings there."""

    every: Duration = timedelta(days=1)
    keep: Annotated[int, Field(ge=1, le=1000)] = 7
    """At least so many of the newest are kept."""
    keep_for: Duration = timedelta(days=7)
    """Younger ones are kept too."""


class Replication(Strict):
    """How a data component is copied to the other site.

    Mode `continuous` streams; `interval` brings what is new every `period`; `backup` has its snapshots only.
    """

    mode: ReplicationMode
    synchronous: bool = False
    period: Duration | None = None
    snapshots: Snapshots | None = None

    @model_validator(mode="after")
    def _period_fits(self) -> "Replication":
        if self.mode is ReplicationMode.INTERVAL and self.period is None:
            raise ValueError("mode `interval` wants its `period`, such as 15m")
        if self.mode is not ReplicationMode.INTERVAL and self.period is not None:
            raise ValueError("`period` belongs to mode `interval` only")
        if self.synchronous and self.mode is not ReplicationMode.CONTINUOUS:
            raise ValueError("only mode `continuous` can be synchronous")
        if self.mode is not ReplicationMode.CONTINUOUS and self.snapshots is None:
            raise ValueError(f"mode `{self.mode}` wants `snapshots`: without one there is nothing to restore")
        return self


class CheckTiming(Strict):
    """How often a check is tried, how many passes in a row it wants, and when it gives up."""

    interval: Duration = timedelta(seconds=1)
    passes: Annotated[int, Field(ge=1, le=100)] = 1
    tries: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """At most so many tries; the deadline alone rules when left out."""
    timeout: Duration = timedelta(seconds=5)
    deadline: Duration = timedelta(minutes=2)


class TcpCheck(CheckTiming):
    """A connection to the port is accepted."""

    kind: Literal["tcp"]
    host: Text
    port: Annotated[int, Field(ge=1, le=65535)]


class HttpCheck(CheckTiming):
    """The answer has the expected status, text and latency. Redirects are not followed."""

    kind: Literal["http"]
    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
    method: Literal["GET", "HEAD", "POST"] = "GET"
    status: Annotated[int, Field(ge=100, le=599)] = 200
    contains: Text | None = None
    max_latency: Duration | None = None


class FunctionalCheck(CheckTiming):
    """The application writes a value that was never seen before and reads it back: the only proof that it works.

    POSTs `{"nonce": "..."}` to `url` and expects status 200 and the nonce in the answer.
    """

    kind: Literal["functional"]
    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")]


class SqlCheck(CheckTiming):
    """One query at the component, whose first value (as text) is the expected one."""

    kind: Literal["sql"]
    query: Text
    expect: Text


class DnsCheck(CheckTiming):
    """The name answers with an address at the given server (or at the component's own authoritative one)."""

    kind: Literal["dns"]
    name: Text
    server: Text | None = None
    port: Annotated[int, Field(ge=1, le=65535)] = 53


Check = Annotated[TcpCheck | HttpCheck | FunctionalCheck | SqlCheck | DnsCheck, Field(discriminator="kind")]


class SequenceMarker(Strict):
    """Columns by which lost transactions are counted exactly: each writer numbers its writes 1, 2, 3 ... and goes on
    only after an acknowledgement, so that a hole in the numbers is an acknowledged write that is gone."""

    table: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$")]
    writer: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$")]
    number: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$")]


class Marker(Strict):
    """How the loss of a data component is measured in the data itself."""

    interval: Duration = timedelta(seconds=1)
    sequence: SequenceMarker | None = None


class ComponentDrill(Strict):
    """How the component takes part in an isolated drill."""

    simulate: bool = False
    """Leave it out, and count it as simulated. Traffic always is: users must not be sent to a clone."""
    checks: dict[Name, tuple[Check, ...]] = {}
    """By site: what must pass inside a bubble there; `checks` of the component where left out. Only the addresses of
    the bubble work there: the clones have those of the site itself."""


class Component(Strict):
    """One recoverable part of the application.

    `prewarm` lets a compute component start while people decide, before what it needs is serving; its checks still
    wait. `critical: false` lets a run end RECOVERED_DEGRADED without it.
    """

    role: Role
    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9.]*$", description="Which provider: postgres, process, dns ...")]
    needs: tuple[Name, ...] = ()
    settings: dict[str, Any] = {}
    checks: dict[Name, tuple[Check, ...]] = Field(
        default={}, description="Checks by site name: what must pass before the component counts as serving there."
    )
    replication: Replication | None = None
    marker: Marker | None = None
    prewarm: bool = False
    critical: bool = True
    drill: ComponentDrill = ComponentDrill()

    @model_validator(mode="after")
    def _fits_role(self) -> "Component":
        if self.role is Role.DATA and self.replication is None:
            raise ValueError("a data component wants `replication`")
        if self.role is not Role.DATA and (self.replication or self.marker):
            raise ValueError("`replication` and `marker` belong to data components only")
        if self.role is not Role.COMPUTE and self.prewarm:
            raise ValueError("`prewarm` belongs to compute components only")
        return self


class PublicCheck(Strict):
    """The application seen as its users see it: the functional check through the public name.

    `resolver` is the caching resolver that users ask, as host:port; the system's own when left out.
    """

    name: Text
    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
    resolver: Text | None = None
    timing: CheckTiming = CheckTiming()


class Silence(StrEnum):
    """What an unanswered approval means."""

    REJECT = "reject"
    ESCALATE = "escalate"
    GO_ON = "go-on"


class ApprovalRule(Strict):
    """Who must agree before the first step that users can notice."""

    approvers: tuple[Name, ...] = Field(min_length=1)
    required: Annotated[int, Field(ge=1, le=10)] = 1
    expires: Duration = timedelta(hours=1)
    on_silence: Silence = Silence.REJECT
    requester_may_approve: bool = False

    @model_validator(mode="after")
    def _reachable(self) -> "ApprovalRule":
        if len(set(self.approvers)) != len(self.approvers):
            raise ValueError("an approver stands twice in `approvers`")
        if self.required > len(self.approvers):
            raise ValueError(f"{self.required} approvals are required of {len(self.approvers)} approvers")
        return self


class Approvals(Strict):
    """The rule of each operation; one that is left out is governed by `planned_failover`, and that by `failover`."""

    proofs: tuple[ProofKind, ...] = Field(default=(), json_schema_extra={"default": [kind.value for kind in ProofKind]})
    """By which of these an answer must be proved. A file that leaves it out wants any of them; an empty list takes a
    name for its word, for labs, and so does a runbook that was frozen before there were proofs."""

    failover: ApprovalRule
    planned_failover: ApprovalRule | None = None
    switchover: ApprovalRule | None = None
    failback: ApprovalRule | None = None
    reprotect: ApprovalRule | None = None
    drill: ApprovalRule | None = None
    """For live drills; an isolated one touches nothing and asks nobody."""

    def rule(self, operation: str, planned: bool) -> ApprovalRule:
        """The rule that governs an operation of this mode."""
        own = None if operation == "failover" else getattr(self, operation, None)
        calm = planned or operation != "failover"
        return own or (self.planned_failover if calm else None) or self.failover


class Detection(Strict):
    """How sure one must be that the source is lost, and not only out of sight for a moment."""

    hold_off: Duration = timedelta(seconds=30)
    """An unplanned failover does nothing that users notice before the source has been seen down for so long, and then
    looks again. It runs while people decide. `0s`: at once, on the first look alone."""
    look_again_after: Duration = timedelta(minutes=1)
    """When the last look is older than this once people have agreed, one more comes first; not with `hold_off: 0s`."""
    flap_window: Duration = timedelta(hours=1)
    """A second failover within so long of the last one's end wants two people. `0s`: never."""


class DrillPolicy(Strict):
    """How often the recovery is rehearsed."""

    isolated_every: Duration = timedelta(days=91)
    live_every: Duration | None = None
    addresses: dict[Name, Text] = {}
    """By site: what the public name resolves to inside a bubble there, where no name server can be reached."""
    canaries: tuple[Text, ...] = ()
    """Production endpoints, as host:port: from inside the bubble none of them may be reached."""
    public: PublicCheck | None = None
    """How the application is used inside the bubble; as outside, by the bubble's own names, when left out."""
    limit: Duration = timedelta(hours=1)
    """The lease of everything that a drill creates: what still stands after it is swept away."""


class FailbackPolicy(Strict):
    """How the application goes home."""

    reprotect: Literal["automatic", "ask"] = "ask"
    max_lag: Duration = timedelta(seconds=10)


def _form(given: Any) -> str:
    return "old" if isinstance(given, list | tuple) else "new"


def _today(read: Notices | tuple[Any, ...]) -> Notices:
    return read if isinstance(read, Notices) else Notices()


# A runbook that was frozen before notices were delivered has a list in their place: its run sends none. Not by a
# validator before: that would make Python values of the JSON, and a strict reading refuses a list for a tuple.
if TYPE_CHECKING:
    _TodaysNotices: TypeAlias = Notices
else:
    _TodaysNotices = Annotated[
        Annotated[Notices, Tag("new")] | Annotated[SkipJsonSchema[tuple[Any, ...]], Tag("old")],
        Discriminator(_form),
        AfterValidator(_today),
    ]


class Runbook(Strict):
    """The recovery plan of one application."""

    application: Name
    description: Text
    owner: Owner
    review: Review
    tier: Tier
    objectives: Objectives
    home: Name = "primary"
    sites: dict[Name, Site]
    components: dict[Name, Component]
    public: PublicCheck
    approvals: Approvals
    detection: Detection = Detection()
    notices: _TodaysNotices = Notices()
    drills: DrillPolicy = DrillPolicy()
    failback: FailbackPolicy = FailbackPolicy()
    deadline: Duration = Field(
        default=timedelta(hours=4), description="When a run that has not ended undoes itself, or parks after the pivot."
    )

    def other_sites(self, site: str) -> list[str]:
        """The sites to which the application could move from `site`, in the runbook's order."""
        return [name for name in self.sites if name != site]
