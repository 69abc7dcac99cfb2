"""What every plan is built of: steps with their defaults, and what can be asked of a runbook's components."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from workflows.model.failure import Code, PermanentError
from workflows.model.messages import PlanRequest
from workflows.model.plan import Mode, Phase, Step
from workflows.model.runbook import Component, ReplicationMode, Role
from workflows.model.verbs import Verb

GATE = "approve"
WINDOW = "window"
VERIFY = "public.verify"

_EXPECTED: Mapping[Verb, float] = {
    Verb.CHOOSE_RECOVERY_POINT: 0.2,
    Verb.FENCE: 0.5,
    Verb.SYNC_DELTA: 0.5,
    Verb.PROMOTE: 0.5,
    Verb.START_INSTANCES: 2.0,
    Verb.STOP_INSTANCES: 1.0,
    Verb.HEALTH_CHECK: 1.0,
    Verb.FLIP_DNS: 1.5,
    Verb.VERIFY: 0.5,
    Verb.MEASURE_LOSS: 2.0,
    Verb.COMPARE_SITES: 0.5,
    Verb.MEASURE_LAG: 0.5,
    Verb.MEASURE_CAPACITY: 0.1,
    Verb.VERIFY_CONSISTENCY: 2.0,
    Verb.REOPEN_SITE: 2.0,
    Verb.ARCHIVE_DIVERGED: 3.0,
    Verb.REBUILD_REPLICA: 5.0,
    Verb.PROTECT: 2.0,
    Verb.SNAPSHOT: 10.0,
    Verb.PRUNE: 1.0,
    Verb.RESTORE: 30.0,
    Verb.CLONE_DATA: 10.0,
    Verb.OPEN_BUBBLE: 0.5,
    Verb.PROVE_ISOLATION: 2.0,
    Verb.CLOSE_BUBBLE: 1.0,
}

SHORT = timedelta(minutes=2)
LONG = timedelta(hours=12)
"""For what copies whole databases: it beats and tells its progress, so a long limit hides no hang."""
_LONG_VERBS = frozenset(
    {
        Verb.ARCHIVE_DIVERGED,
        Verb.REBUILD_REPLICA,
        Verb.PROTECT,
        Verb.SNAPSHOT,
        Verb.RESTORE,
        Verb.CLONE_DATA,
        Verb.VERIFY_CONSISTENCY,
        Verb.SYNC_DELTA,
        Verb.PRUNE,
    }
)


def make_step(
    component: str,
    verb: Verb,
    site: str,
    words: str,
    *,
    name: str = "",
    worker: str = "",
    needs: Sequence[str] = (),
    phase: Phase = Phase.PREPARE,
    undo: Verb | None = None,
    undo_words: str = "",
    critical: bool = True,
) -> Step:
    """A step of a component. `name` tells a second use of a verb in one plan from the first; `worker` is the site's
    own unless told."""
    return Step(
        id=f"{component}.{name or verb}",
        verb=verb,
        words=words[:50],
        component=component,
        site=site,
        worker=worker or site,
        needs=tuple(dict.fromkeys(needs)),
        phase=phase,
        undo=undo,
        undo_words=undo_words,
        timeout=LONG if verb in _LONG_VERBS else SHORT,
        expected=_EXPECTED[verb],
        critical=critical,
    )


def make_site_step(
    prefix: str,
    verb: Verb,
    site: str,
    words: str,
    *,
    worker: str = "",
    needs: Sequence[str] = (),
    undo: Verb | None = None,
    undo_words: str = "",
) -> Step:
    """A step that acts on a whole site; its id begins with `prefix`."""
    made = make_step(prefix, verb, site, words, worker=worker, needs=needs, undo=undo, undo_words=undo_words)
    return made.model_copy(update={"component": None})


def make_gate(request: PlanRequest, words: str, needs: Sequence[str]) -> Step:
    """The step that waits for people; what they must know is found by `needs`."""
    rule = request.runbook.approvals.rule(request.operation, request.mode is Mode.PLANNED)
    return Step(
        id=GATE,
        verb=Verb.GATE,
        words=words[:50],
        site=request.target,
        worker="control",
        needs=tuple(needs),
        phase=Phase.PREPARE,
        timeout=rule.expires,
        expected=0.0,
    )


def make_verify(request: PlanRequest, phase: Phase, needs: Sequence[str]) -> Step:
    """The whole application, used as its users use it: where the clock of a recovery stops."""
    return Step(
        id=VERIFY,
        verb=Verb.VERIFY,
        words="write and read through the public name",
        site=request.target,
        worker=request.target,
        needs=tuple(needs),
        phase=phase,
        timeout=SHORT,
        expected=_EXPECTED[Verb.VERIFY],
    )


# --- Questions about the components ---


def data_components(request: PlanRequest) -> list[str]:
    """The names of the components that have state."""
    return [name for name, part in request.runbook.components.items() if part.role is Role.DATA]


def can(request: PlanRequest, name: str, verb: Verb) -> bool:
    """Whether the component's provider does that verb."""
    return verb.value in request.verbs.get(name, ())


def stands_on_data(request: PlanRequest, component: Component) -> bool:
    """Whether it needs a data component, directly or through others."""
    needed = [request.runbook.components[need] for need in component.needs]
    return any(part.role is Role.DATA or stands_on_data(request, part) for part in needed)


def serving_step(name: str, component: Component) -> str:
    """The step after which the component is serving at the target."""
    return f"{name}.{Verb.FLIP_DNS if component.role is Role.TRAFFIC else Verb.HEALTH_CHECK}"


def serving(request: PlanRequest, component: Component) -> tuple[str, ...]:
    """The steps after which everything that the component needs is serving."""
    return tuple(serving_step(need, request.runbook.components[need]) for need in component.needs)


def streams(component: Component) -> bool:
    """Whether a running replica stands at the other site."""
    return component.replication is not None and component.replication.mode is ReplicationMode.CONTINUOUS


def insist_on(request: PlanRequest, wanted: Mapping[Role, Sequence[Verb]]) -> None:
    """Every component's provider must do what the plan asks of its role.

    Raises:
        PermanentError: UNSUPPORTED, naming the component and the verbs.
    """
    for name, component in request.runbook.components.items():
        lacking = [verb.value for verb in wanted.get(component.role, ()) if not can(request, name, verb)]
        if lacking:
            raise PermanentError(
                Code.UNSUPPORTED,
                f"The component {name} of kind {component.kind} cannot {', '.join(lacking)}.",
                "Choose a kind that can, or another role.",
            )
