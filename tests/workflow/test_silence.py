"""Nobody answers, in skipped time: the ladder climbs when it should, and silence ends as the runbook says."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from tests.conftest import temporal_binary
from tests.support.bed import bed, crew
from tests.support.flow import dead_primary
from tests.support.sink import Sink, sink
from workers.converter import DATA_CONVERTER
from workflows.engine.attributes import ALL
from workflows.model.failure import Code
from workflows.model.notices import Event
from workflows.model.progress import RunState
from workflows.model.report import Report

pytestmark = pytest.mark.asyncio(loop_scope="session")

NEAR = timedelta(seconds=5)
"""What activities between two timers may take."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    """A real server that skips the time in which a run has nothing to do but wait."""
    async with await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=temporal_binary(),
        search_attributes=list(ALL),
        data_converter=DATA_CONVERTER,
        dev_server_log_level="never",
        dev_server_extra_args=["--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true"],
    ) as environment:
        yield environment


@pytest.fixture
def pager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    with sink() as made:
        monkeypatch.setenv("PAGER_URL", made.url)
        yield made


def minutes(report: Report, event: Event) -> list[int]:
    """When messages of that sort were begun, in minutes after people were first asked."""
    asked = next(one.at for one in report.notices if one.event is Event.WAITING_FOR_APPROVAL)
    found = [(one.at - asked) / timedelta(minutes=1) for one in report.notices if one.event is event]
    assert all(abs(one - round(one)) < NEAR / timedelta(minutes=1) for one in found), found
    return [round(one) for one in found]


@pytest.mark.parametrize(
    ("on_silence", "called", "again", "end", "code"),
    [
        ("reject", [5, 15, 45], [0], RunState.COMPENSATED, Code.EXPIRED),
        pytest.param(
            *("escalate", [5, 15, 45, 65, 75, 105], [0, 60], RunState.COMPENSATED, Code.EXPIRED), marks=pytest.mark.deep
        ),
        pytest.param("go-on", [5, 15, 45], [0], RunState.RECOVERED, "", marks=pytest.mark.deep),
    ],
)
async def test_the_ladder_climbs_on_time_and_silence_means_what_the_runbook_says(
    skipping: WorkflowEnvironment,
    tmp_path: Path,
    pager: Sink,
    on_silence: str,
    called: list[int],
    again: list[int],
    end: RunState,
    code: str,
) -> None:
    rule = {"proofs": [], "failover": {"approvers": ["anna"], "expires": "1h", "on_silence": on_silence}}
    notices = {
        "channels": {"pager": {"url": {"env": "PAGER_URL"}}},
        "audiences": {"responders": ["pager"]},
        "escalation": [{"after": "5m", "to": ["pager"]}, {"after": "15m", "to": ["pager"]}],
        "repeat_last": "30m",
    }
    async with (
        crew(skipping.client, tmp_path),
        bed(skipping.client, tmp_path, dead_primary(), approvals=rule, notices=notices, deadline="24h") as b,
    ):
        report = await (await b.start()).result()
    assert (report.end_state, report.code) == (end, code), report.summary
    assert minutes(report, Event.ESCALATION) == called
    assert minutes(report, Event.WAITING_FOR_APPROVAL) == again
    assert len(pager.about("NOBODY HAS ANSWERED")) == len(called)
