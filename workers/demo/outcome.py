"""What a demo found: the run's own report beside what the clients and the watcher saw. Scripts rely on the fields."""

from collections.abc import Sequence
from datetime import datetime

from workers.demo.effects import Effect
from workers.demo.scenario import Move
from workflows.model.base import Message
from workflows.model.plan import Operation
from workflows.model.progress import RunState, StepRecord
from workflows.model.report import Report


class ClientView(Message):
    """What was seen from outside, by processes that are not the orchestrator."""

    acknowledged: int
    lost: int
    """Acknowledged to a client and not in the data afterwards."""
    lost_seconds: float | None = None
    """From the acknowledgement of the oldest of them to that of the newest; null when there is none."""
    duplicated: int
    outage_seconds: float
    """The longest time in which no client at all got an acknowledgement."""
    two_writer_samples: int
    """Samples, one each 100 ms, in which both sites accepted a write."""
    watcher_samples: int = 0
    errors: int = 0
    """Orders that failed and were sent again."""
    checksums: dict[str, str] = {}
    """For each site that is up at the end, a checksum over all orders."""


class DemoStep(Message):
    """One step of the run."""

    id: str
    component: str | None
    site: str
    kind: str
    state: str
    started: datetime | None
    ended: datetime | None
    attempts: int
    provider_seconds: float | None


class DemoMove(Message):
    """One run of the story."""

    operation: str
    end_state: RunState
    as_expected: bool
    workflow_id: str
    rta_seconds: float | None
    lost_transactions: int | None
    outage_seconds: float
    """As the clients saw it."""
    errors: int
    """Orders that failed while it ran."""
    equal: bool | None = None
    """Both sites held the same at its end; null when it was not compared."""
    archived_rows: int = 0
    """Rows that only the old site had."""
    leftovers: int | None = None
    """Of a drill's bubble; null when there was none, or it was not counted."""
    fidelity: float | None = None
    effects: tuple[Effect, ...] = ()
    """In a cloud: each call that took effect, by the cloud's own account."""


class DemoOutcome(Message):
    """One demo. Of several moves the seconds are the longest and the end state is the last; for several cycles counts
    are sums, seconds are the longest, and `cycles` holds each."""

    scenario: str
    end_state: RunState
    as_expected: bool
    workflow_id: str
    rta_seconds: float | None
    rpa_seconds: float | None
    lost_transactions: int | None
    client: ClientView
    steps: tuple[DemoStep, ...]
    moves: tuple[DemoMove, ...] = ()
    cycles: tuple["DemoOutcome", ...] = ()


def judged(
    move: Move, report: Report, outage_seconds: float, errors: int, effects: tuple[Effect, ...] = ()
) -> DemoMove:
    """One run, held against how it must end."""
    after = [found.equal for found in report.comparisons[-1:]]
    card = report.scorecard
    isolated = card is not None and card.kind == "isolated"
    clean = not isolated or (card is not None and card.leftovers == 0 and errors == 0)
    archived = sum(table.rows for found in report.divergences for table in found.tables)
    equal = after[0] if after and report.protected else None
    return DemoMove(
        operation=report.operation.value,
        end_state=report.end_state,
        as_expected=report.end_state is move.ends
        and clean
        and equal is not False
        and (archived > 0 or not move.archives)
        and not (move.lossless and report.lost_transactions)
        and all(effect.times == 1 for effect in effects),
        workflow_id=report.workflow_id,
        rta_seconds=report.rta_seconds,
        lost_transactions=report.lost_transactions,
        outage_seconds=outage_seconds,
        errors=errors,
        equal=equal,
        archived_rows=archived,
        leftovers=card.leftovers if card else None,
        fidelity=card.fidelity if card else None,
        effects=effects,
    )


def outcome(scenario: str, moves: Sequence[DemoMove], reports: Sequence[Report], client: ClientView) -> DemoOutcome:
    """One cycle's outcome."""
    moved = [report for report in reports if report.operation in _MOVING]
    losses = [report.lost_transactions for report in moved]
    lost = None if None in losses else sum(count or 0 for count in losses)
    return DemoOutcome(
        scenario=scenario,
        end_state=reports[-1].end_state,
        as_expected=all(move.as_expected for move in moves) and _is_clean(lost if losses else None, client),
        workflow_id=reports[-1].workflow_id,
        rta_seconds=max((r.rta_seconds for r in reports if r.rta_seconds is not None), default=None),
        rpa_seconds=max((r.rpa_seconds for r in moved or reports if r.rpa_seconds is not None), default=None),
        lost_transactions=lost if losses else None,
        client=client,
        steps=tuple(_step(step) for report in reports for step in report.steps),
        moves=tuple(moves),
    )


_MOVING = (Operation.FAILOVER, Operation.SWITCHOVER, Operation.FAILBACK)


def _step(step: StepRecord) -> DemoStep:
    return DemoStep(
        id=step.id,
        component=step.component,
        site=step.site,
        kind=step.kind,
        state=step.state.value,
        started=step.started,
        ended=step.ended,
        attempts=step.attempts,
        provider_seconds=step.provider_seconds,
    )


def _is_clean(lost: int | None, client: ClientView) -> bool:
    """No duplicate, never two writers, and a reported loss that equals what the clients counted."""
    agreed = lost in (None, client.lost)
    return agreed and client.duplicated == 0 and client.two_writer_samples == 0


def together(cycles: Sequence[DemoOutcome]) -> DemoOutcome:
    """Several cycles as one outcome; one cycle as it is."""
    if len(cycles) == 1:
        return cycles[0]
    odd = next((cycle for cycle in cycles if not cycle.as_expected), cycles[-1])

    def longest(values: list[float | None]) -> float | None:
        return max((value for value in values if value is not None), default=None)

    lost = [cycle.lost_transactions for cycle in cycles]
    views = [cycle.client for cycle in cycles]
    return odd.model_copy(
        update={
            "as_expected": all(cycle.as_expected for cycle in cycles),
            "rta_seconds": longest([cycle.rta_seconds for cycle in cycles]),
            "rpa_seconds": longest([cycle.rpa_seconds for cycle in cycles]),
            "lost_transactions": None if None in lost else sum(count or 0 for count in lost),
            "client": ClientView(
                acknowledged=sum(view.acknowledged for view in views),
                lost=sum(view.lost for view in views),
                lost_seconds=longest([view.lost_seconds for view in views]),
                duplicated=sum(view.duplicated for view in views),
                outage_seconds=max(view.outage_seconds for view in views),
                two_writer_samples=sum(view.two_writer_samples for view in views),
                watcher_samples=sum(view.watcher_samples for view in views),
                errors=sum(view.errors for view in views),
                checksums=views[-1].checksums,
            ),
            "moves": tuple(move for cycle in cycles for move in cycle.moves),
            "cycles": tuple(cycles),
        }
    )
