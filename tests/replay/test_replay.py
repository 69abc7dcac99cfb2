"""Runs that began on an earlier build go on with this one: recorded histories are replayed on today's workflows."""

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from workers.converter import DATA_CONVERTER
from workers.sandbox import strict_runner
from workers.worker import WORKFLOWS

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))
RACES = sorted((Path(__file__).parent / "races").glob("*.json"))
"""Kept from torture, up to where a replay once went another way: what reached the run in one task had two in it."""


def replayer() -> Replayer:
    return Replayer(workflows=list(WORKFLOWS), workflow_runner=strict_runner(), data_converter=DATA_CONVERTER)


def history(path: Path, recorded: str = "", altered: str = "") -> WorkflowHistory:
    text = path.read_text(encoding="utf-8")
    assert recorded in text
    # Its own id: a run names its children after itself.
    begun = json.loads(text)["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(begun["workflowId"], text.replace(recorded, altered) if recorded else text)


def test_there_is_a_history_of_every_kind_of_end() -> None:
    ends = {"recovered", "compensated", "parked-and-retried", "rejected"}
    found = {path.stem for path in HISTORIES}
    assert found >= {f"{kind}-{end}" for kind in ("failover", "application") for end in ends}
    assert found >= {"drill-recovered", "drill-compensated", "drill-live", "drill-preempted", "switchover-leg"}
    assert found >= {"switchover-unfit", "failover-preflighted", "failover-proved", "failover-noticed"}


def test_there_is_a_history_of_every_workflow() -> None:
    recorded = {path.stem.partition("-")[0] for path in HISTORIES}
    assert recorded >= {workflow.__name__.lower() for workflow in WORKFLOWS}


@pytest.mark.parametrize("path", [*HISTORIES, *RACES], ids=lambda path: path.stem)
async def test_a_recorded_run_takes_the_same_way_today(path: Path) -> None:
    result = await replayer().replay_workflow(history(path))
    assert result.replay_failure is None


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_a_reset_run_takes_the_same_way_up_to_there(path: Path) -> None:
    """Under the id of its new execution, of which codes are made: the answers of the old one were checked before."""
    same = f'"originalExecutionRunId":"{history(path).run_id}"'
    result = await replayer().replay_workflow(history(path, same, '"originalExecutionRunId":"another"'))
    assert result.replay_failure is None


@pytest.mark.parametrize(
    ("recorded", "altered"),
    [
        ('"activityType":{"name":"fence"}', '"activityType":{"name":"snapshot"}'),
        ('"activityId":"db.promote"', '"activityId":"db.promoted"'),
    ],
)
async def test_a_run_that_took_another_way_is_noticed(recorded: str, altered: str) -> None:
    path = next(path for path in HISTORIES if path.stem == "failover-recovered")
    with pytest.raises(NondeterminismError):
        await replayer().replay_workflow(history(path, recorded, altered))
