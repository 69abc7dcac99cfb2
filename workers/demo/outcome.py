"""What a demo found: the run's own report beside what the clients and the watcher saw. Scripts rely on the fields."""

from collections.abc import Sequence
from datetime import datetime

from workflows.model.base import Message
from workflows.model.messages import RunState
from workflows.model.report import Report


class ClientView(Message):
    """What was seen from outside, by processes that are not the orchestrator."""

    acknowledged: int
    lost: int
    """Acknowledged to a client and not in the data afterwards."""
    duplicated: int
    outage_seconds: float
    """The longest time in which no client at all got an acknowledgement."""
    two_writer_samples: int
    """Samples, one each 100 ms, in which both sites accepted a write."""
    watcher_samples: int = 0


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


class DemoOutcome(Message):
    """One demo; for several cycles counts are sums, seconds are the longest, and `cycles` holds each."""

    scenario: str
    end_state: RunState
    as_expected: bool
    workflow_id: str
    rta_seconds: float | None
    rpa_seconds: float | None
    lost_transactions: int | None
    client: ClientView
    steps: tuple[DemoStep, ...]
    cycles: tuple["DemoOutcome", ...] = ()


def outcome(scenario: str, expected: RunState, report: Report, client: ClientView) -> DemoOutcome:
    """One cycle's outcome."""
    return DemoOutcome(
        scenario=scenario,
        end_state=report.end_state,
        as_expected=report.end_state is expected and _is_clean(report, client),
        workflow_id=report.workflow_id,
        rta_seconds=report.rta_seconds,
        rpa_seconds=report.rpa_seconds,
        lost_transactions=report.lost_transactions,
        client=client,
        steps=tuple(
            DemoStep(
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
            for step in report.steps
        ),
    )


def _is_clean(report: Report, client: ClientView) -> bool:
    """No duplicate, never two writers, and a reported loss that equals what the clients counted."""
    agreed = report.lost_transactions in (None, client.lost)
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
                duplicated=sum(view.duplicated for view in views),
                outage_seconds=max(view.outage_seconds for view in views),
                two_writer_samples=sum(view.two_writer_samples for view in views),
                watcher_samples=sum(view.watcher_samples for view in views),
            ),
            "cycles": tuple(cycles),
        }
    )
