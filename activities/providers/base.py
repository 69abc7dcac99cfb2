"""The seam between verbs and providers.

A provider does the verbs of one kind of component (PostgreSQL, a host process, a DNS zone). The rules that all of them
keep, and that `tests/provider` holds each of them to:

* Look, act, look again. Every effect is idempotent by `request.ref.key`: called twice it happens once, and the second
  call answers `changed=False`.
* The epoch is checked where the change lands: a request whose `ref.epoch` is below the one that stands there raises
  `PermanentError(STALE_EPOCH)` and changes nothing.
* `request.before`, when given, is the left side of a compare-and-set: if the world is neither there nor already where
  the verb would bring it, raise `PermanentError(PRECONDITION_CHANGED)`.
* A call that may have landed raises `OutcomeUnknownError`; only what is known not to have happened is `PermanentError`
  or `TemporaryError`.
* `context.still_mine()` is asked immediately before each effect.
* An undo of something that never happened is a success with `changed=False`.
* No secret in any error, detail or fact. Facts are JSON values.
"""

import os
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from workflows.model.base import SecretRef, Strict
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import Bubble, StepRequest, StepResult
from workflows.model.observed import Finding, Observation, Reach
from workflows.model.runbook import Check, Marker, Role
from workflows.model.verbs import Verb

from .by_hand import ByHand, Command


def now() -> datetime:
    """The time of this machine, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Context:
    """What a provider may know of the worker that it runs in."""

    here: str
    """The worker's site, or `control`. A provider prefers a component's local address when it runs on its site."""
    state_dir: Path
    """A folder of this worker for what must survive its death (marker ledgers, pid files)."""
    heartbeat: Callable[[str], None] = field(default=lambda _progress: None)
    """Tell progress in a few words; cheap, call it in every turn of a wait."""
    still_mine: Callable[[], None] = field(default=lambda: None)
    """Raises when this attempt's time is over (a frozen worker that woke up late must not act)."""
    bubble: Bubble | None = None
    """In a drill: where the clone lives on which the verb acts. A provider that is given one never touches the
    component itself."""


def secret(ref: SecretRef) -> str:
    """The secret behind a reference.

    Raises:
        PermanentError: CONFIGURATION, naming the variable or file, never a value.
    """
    if ref.env is not None:
        value = os.environ.get(ref.env)
        if value is None:
            raise PermanentError(
                Code.CONFIGURATION,
                f"The environment variable {ref.env}, in which a secret is expected, is not set for this worker.",
                "Set it where the worker is started, then retry.",
            )
        return value
    path = Path(ref.file or "")
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise PermanentError(
            Code.CONFIGURATION, f"The secret file {path} cannot be read ({error.strerror}).", "Mend it, then retry."
        ) from error


class Provider:
    """Does the verbs of one kind. Subclasses set the class variables and override the verbs that they can do."""

    kind: ClassVar[str]
    role: ClassVar[Role | None]
    """None for a device of a site."""
    verbs: ClassVar[frozenset[Verb]]
    Settings: ClassVar[type[Strict]]
    """The typed form of `component.settings`; validated when the runbook is read."""
    limits: ClassVar[Mapping[Verb, timedelta]] = {}
    """How long a verb may take, where that is longer than a plan would give it."""

    def __init__(self, settings: Any, context: Context) -> None:
        self.settings = settings
        self.context = context

    def insist_on_being_at(self, site: str) -> None:
        """For what touches processes and files: only the site's own worker may.

        Raises:
            PermanentError: CONFIGURATION, when the step was sent to another worker.
        """
        if self.context.here != site:
            raise PermanentError(
                Code.CONFIGURATION,
                f"This step touches the machine at {site} and was sent to the worker at {self.context.here}.",
                f"Run it on the task queue of {site}.",
            )

    def unsupported(self, verb: Verb) -> PermanentError:
        """The answer to a verb that this kind cannot do."""
        return PermanentError(Code.UNSUPPORTED, f"The kind {self.kind} cannot {re.sub('_', ' ', verb.value)}.")

    async def prepare(self, sites: Sequence[str]) -> None:
        """Read what the settings of the sites only refer to. It is asked for before anything else, and changes nothing.

        Args:
            sites: the one where the step acts first, and then those whose settings it may need too.

        Raises:
            SeawallError: what the first site refers to is not there, or is not told.
        """

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        """Look at the component at a site. Never raises for a dead or silent target: that is an answer."""
        raise self.unsupported(Verb.OBSERVE)

    async def check(self, check: Check, site: str) -> str:
        """Try a kind-specific check (`sql`, `dns` without a server) once; the detail of a pass.

        Raises:
            TemporaryError: CHECK_FAILED with what was seen instead.
        """
        raise self.unsupported(Verb.HEALTH_CHECK)

    async def preflight(self, component: str, site: str, rpo: timedelta | None = None) -> tuple[Finding, ...]:
        """What the site lacks that a recovery there would stumble over, with what to do. It changes nothing."""
        return ()

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:
        """What a person types in the place of a verb, made of the settings and of what the run has seen. It asks nobody
        and reads no secret: it is written down for the day when there is nobody to ask."""
        return ByHand(notes=(f"The kind {self.kind} has no commands for this step: see its own manual.",))

    def check_by_hand(self, check: Check, site: str) -> Command | None:
        """The command for a kind-specific check; None where there is none."""
        return None

    async def choose_recovery_point(self, request: StepRequest) -> StepResult:
        """The newest point at `target.site`, with what would be lost by taking it. Sets `result.point`."""
        raise self.unsupported(Verb.CHOOSE_RECOVERY_POINT)

    async def snapshot(self, request: StepRequest) -> StepResult:
        """Take a restorable copy at `target.site`. Sets `result.point`."""
        raise self.unsupported(Verb.SNAPSHOT)

    async def fence(self, request: StepRequest) -> StepResult:
        """Make `target.site` refuse writes and prove it. Sets `result.proof`."""
        raise self.unsupported(Verb.FENCE)

    async def unfence(self, request: StepRequest) -> StepResult:
        """Undo `fence`: let `target.site` serve again as it did in `request.before`."""
        raise self.unsupported(Verb.UNFENCE)

    async def probe_write(self, site: str) -> Reach:
        """Would the component at `site` accept a write now, as seen from here? Leaves no trace.

        SERVING = it would; STANDBY = it answers and refuses; REFUSED = nothing listens; SILENT = no answer.
        """
        raise self.unsupported(Verb.FENCE)

    async def sync_delta(self, request: StepRequest) -> StepResult:
        """Bring `target.site` up to `request.position`, or, without one, to the end of what it has received."""
        raise self.unsupported(Verb.SYNC_DELTA)

    async def promote(self, request: StepRequest) -> StepResult:
        """Let `target.site` accept writes under `request.ref.epoch`, and read back that it does."""
        raise self.unsupported(Verb.PROMOTE)

    async def start_instances(self, request: StepRequest) -> StepResult:
        """Start the component at `target.site`. `result.before` says whether it ran already."""
        raise self.unsupported(Verb.START_INSTANCES)

    async def stop_instances(self, request: StepRequest) -> StepResult:
        """Stop the component at `target.site`; as an undo, only if the step that is undone started it."""
        raise self.unsupported(Verb.STOP_INSTANCES)

    async def flip_dns(self, request: StepRequest) -> StepResult:
        """Send users to `target.target`, as one compare-and-set; `result.before` holds what stood there."""
        raise self.unsupported(Verb.FLIP_DNS)

    async def restore_dns(self, request: StepRequest) -> StepResult:
        """Undo `flip_dns`: put `request.result.before` back, if the flip is what stands."""
        raise self.unsupported(Verb.RESTORE_DNS)

    async def measure_loss(self, request: StepRequest) -> StepResult:
        """Count what was lost, in the data at `target.site`. Sets `result.loss`."""
        raise self.unsupported(Verb.MEASURE_LOSS)

    async def keep_marking(self, component: str, marker: Marker, site: str) -> None:
        """Write numbered markers into the data at `site`, and keep the ledger of the acknowledged ones; for ever.

        Called by the worker of another site, so that the ledger outlives the site whose loss it measures.
        """
        raise self.unsupported(Verb.MEASURE_LOSS)

    # --- The way home ---

    async def compare_sites(self, request: StepRequest) -> StepResult:
        """Could the component live at `target.target` as well as it does at `target.source`? Sets `result.findings`;
        settings that would lose data at either site are findings too."""
        raise self.unsupported(Verb.COMPARE_SITES)

    async def measure_lag(self, request: StepRequest) -> StepResult:
        """Write a marker at `target.source` and wait until it is seen at `target.target`: how far behind it is.

        Sets `after`: lag_seconds, lag_bytes, marker, and what the replica itself claims.

        Raises:
            PermanentError: REPLICA_FROZEN when it does not come within 30 s, whatever the replica says of itself.
        """
        raise self.unsupported(Verb.MEASURE_LAG)

    async def measure_capacity(self, request: StepRequest) -> StepResult:
        """What room there is at `target.target` for the copy. Sets `after`: free_bytes and volume_bytes of the volume
        that holds it, and received_bytes, a counter of what has arrived there; null where nothing streams in."""
        raise self.unsupported(Verb.MEASURE_CAPACITY)

    async def verify_consistency(self, request: StepRequest) -> StepResult:
        """Compare the copy at `target.target` with the data at `target.source`. Sets `result.consistency`.

        Raises:
            PermanentError: INCONSISTENT, naming what differs.
        """
        raise self.unsupported(Verb.VERIFY_CONSISTENCY)

    async def archive_diverged(self, request: StepRequest) -> StepResult:
        """Keep, and name, what only `target.source` (the old site, not serving) has. Sets `result.divergence`."""
        raise self.unsupported(Verb.ARCHIVE_DIVERGED)

    async def rebuild_replica(self, request: StepRequest) -> StepResult:
        """Make `target.source` a replica of `target.target`, which serves.

        Raises:
            PermanentError: ROLE_MISMATCH when what is to be overwritten serves, or holds the current epoch.
        """
        raise self.unsupported(Verb.REBUILD_REPLICA)

    async def protect(self, request: StepRequest) -> StepResult:
        """Wait until the replica at `target.source` really follows `target.target` within `request.max_lag`, then let
        the serving side rely on it as the runbook's replication says."""
        raise self.unsupported(Verb.PROTECT)

    async def reopen_site(self, request: StepRequest) -> StepResult:
        """For a fence device: switch the held-off site on again, with nothing of the application started there."""
        raise self.unsupported(Verb.REOPEN_SITE)

    async def close_site(self, request: StepRequest) -> StepResult:
        """Undo `reopen_site`: hold the site off again, if it is as this run opened it."""
        raise self.unsupported(Verb.CLOSE_SITE)

    # --- Recovery points ---

    async def list_points(self, request: StepRequest) -> StepResult:
        """Every recovery point at `target.site`. Sets `result.points`, the newest first."""
        raise self.unsupported(Verb.SNAPSHOT)

    async def restore(self, request: StepRequest) -> StepResult:
        """Lay `request.point` down at `target.site`, ready to be promoted; what was there is set aside."""
        raise self.unsupported(Verb.RESTORE)

    async def discard_restore(self, request: StepRequest) -> StepResult:
        """Undo `restore`: put back what was set aside."""
        raise self.unsupported(Verb.DISCARD_RESTORE)

    async def prune(self, request: StepRequest) -> StepResult:
        """Remove the recovery points that the retention no longer wants; never the last verified one."""
        raise self.unsupported(Verb.PRUNE)

    # --- Drills ---

    async def clone_data(self, request: StepRequest) -> StepResult:
        """Lay a copy of `request.point` down in the bubble, and start it there as a standby, ready to be promoted."""
        raise self.unsupported(Verb.CLONE_DATA)

    async def open_bubble(self, request: StepRequest) -> StepResult:
        """For a bubble device: take the place for `target.bubble`, under a lease that ends when the bubble does.

        Raises:
            PermanentError: PRECONDITION_CHANGED when it is not empty, or another drill's.
        """
        raise self.unsupported(Verb.OPEN_BUBBLE)

    async def prove_isolation(self, request: StepRequest) -> StepResult:
        """For a bubble device: prove that nothing leads out of it.

        Raises:
            PermanentError: ISOLATION_UNPROVEN, naming each way out.
        """
        raise self.unsupported(Verb.PROVE_ISOLATION)

    async def close_bubble(self, request: StepRequest) -> StepResult:
        """For a bubble device: remove all that bears the bubble's mark, and nothing else. Sets `after`: leftovers.

        Raises:
            OutcomeUnknownError: something is left, told in words.
        """
        raise self.unsupported(Verb.CLOSE_BUBBLE)

    async def sweep_bubble(self, site: str, ended: Callable[[str], Awaitable[bool]]) -> str:
        """For a bubble device: close what stands there if its lease is over, or the run (asked for by its workflow's
        id) that opened it has ended; its name, '' when there was nothing to sweep."""
        return ""
