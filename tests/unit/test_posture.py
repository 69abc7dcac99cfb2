"""Is an application ready to be recovered? A table of what stands against it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.support.runbooks import sim_runbook
from workflows.model.entity import ApplicationState, DrillSummary, ReplicationState
from workflows.planning.posture import STALE, posture

NOW = datetime(2026, 11, 22, 14, 5, tzinfo=UTC)


def drilled(days: float, end_state: str = "RECOVERED", live: bool = False) -> DrillSummary:
    return DrillSummary(workflow_id="drill/shop/1", ended=NOW - timedelta(days=days), end_state=end_state, live=live)


def measured(age: timedelta = timedelta(0), healthy: bool = True) -> ReplicationState:
    return ReplicationState(at=NOW - age, healthy=healthy, sentence="db is 1 s behind")


def codes(runbook: dict[str, Any] | None = None, **state: Any) -> list[tuple[str, bool]]:
    known: dict[str, Any] = {"replication": measured(), "last_drill": drilled(1), "active_site": "primary"}
    found = posture(sim_runbook(**(runbook or {})), ApplicationState(application="shop", **(known | state)), NOW)
    assert all(finding.sentence.endswith((".", "behind")) for finding in found)
    assert all(finding.next_step for finding in found)
    return [(finding.code, finding.blocking) for finding in found]


@pytest.mark.parametrize(
    ("runbook", "state", "expected"),
    [
        ({}, {}, []),
        ({}, {"protected": False}, [("UNPROTECTED", True)]),
        ({}, {"replication": None}, [("REPLICATION_NOT_MEASURED", False)]),
        ({}, {"replication": measured(STALE)}, []),
        ({}, {"replication": measured(STALE + timedelta(seconds=1))}, [("REPLICATION_NOT_MEASURED", False)]),
        ({}, {"replication": measured(STALE * 2, healthy=False)}, [("REPLICATION_NOT_MEASURED", False)]),
        ({}, {"replication": measured(healthy=False)}, [("REPLICATION_UNHEALTHY", True)]),
        ({"review": {"last": date(2026, 8, 24)}}, {}, []),
        ({"review": {"last": date(2026, 8, 23)}}, {}, [("REVIEW_OVERDUE", False)]),
        ({}, {"last_drill": None}, [("NEVER_DRILLED", False)]),
        ({}, {"last_drill": drilled(91)}, []),
        ({}, {"last_drill": drilled(92)}, [("DRILL_OVERDUE", False)]),
        ({}, {"last_drill": drilled(1, "COMPENSATED")}, [("DRILL_FAILED", True)]),
        ({"drills": {"live_every": "30d"}}, {}, [("NEVER_DRILLED", False)]),
        ({"drills": {"live_every": "30d"}}, {"last_live_drill": drilled(31, live=True)}, [("DRILL_OVERDUE", False)]),
        ({"drills": {"live_every": "30d"}}, {"last_live_drill": drilled(2, live=True)}, []),
    ],
)
def test_each_thing_that_stands_against_a_recovery_is_found(
    runbook: dict[str, Any], state: dict[str, Any], expected: list[tuple[str, bool]]
) -> None:
    assert codes(runbook, **state) == expected


def test_the_gravest_come_first() -> None:
    found = codes(last_drill=None, replication=measured(healthy=False), protected=False)
    assert found == [("UNPROTECTED", True), ("REPLICATION_UNHEALTHY", True), ("NEVER_DRILLED", False)]
