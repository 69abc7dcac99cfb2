"""The report store: what is written stays readable, whole, and inside its folder."""

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.report_store import ReportStore, file_name
from tests.support import sample_reports
from workflows.model.failure import Code, PermanentError
from workflows.model.report import Report, WriteReportRequest, WrittenReport

SAMPLES = ("recovered", "compensated", "parked", "refused")


async def written(folder: Path, report: Report) -> WrittenReport:
    store = ReportStore(folder)
    result: WrittenReport = await ActivityEnvironment().run(store.write_report, WriteReportRequest(report=report))
    return result


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", SAMPLES)
async def test_a_report_is_written_in_three_forms_and_read_back_equal(tmp_path: Path, name: str) -> None:
    report: Report = getattr(sample_reports, name)()
    files = (await written(tmp_path, report)).files
    stem = tmp_path / "shop" / "failover_shop_2026-11-22T14-05Z"
    assert sorted(files) == [f"{stem}.html", f"{stem}.json", f"{stem}.md"]
    assert ReportStore(tmp_path).read(report.workflow_id) == report
    assert modes(tmp_path) == {0o644}


async def test_writing_twice_gives_the_same_bytes_and_leaves_nothing_else(tmp_path: Path) -> None:
    await written(tmp_path, sample_reports.recovered())
    first = snapshot(tmp_path)
    await written(tmp_path, sample_reports.recovered())
    assert snapshot(tmp_path) == first
    assert len(first) == 4


async def test_a_later_report_of_the_same_run_replaces_the_earlier_one(tmp_path: Path) -> None:
    await written(tmp_path, sample_reports.parked())
    await written(tmp_path, sample_reports.recovered())
    assert ReportStore(tmp_path).list() == (sample_reports.recovered(),)


async def test_a_report_of_an_earlier_execution_is_kept(tmp_path: Path) -> None:
    await written(tmp_path, sample_reports.parked())
    again = sample_reports.recovered().model_copy(update={"run_id": "ffff0000-another"})
    await written(tmp_path, again)
    store = ReportStore(tmp_path)
    assert store.read(again.workflow_id) == again
    assert {one.run_id for one in store.list()} == {again.run_id, sample_reports.parked().run_id}


async def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    evil = {"workflow_id": "../../../etc/passwd", "application": ".."}
    folder = tmp_path / "reports"
    await written(folder, sample_reports.refused().model_copy(update=evil))
    assert len(snapshot(folder)) == 4
    assert snapshot(folder).keys() == {name.removeprefix("reports/") for name in snapshot(tmp_path)}
    found = ReportStore(folder).read("../../../etc/passwd")
    assert found is not None
    assert found.workflow_id == "../../../etc/passwd"


@given(st.text(max_size=400), st.text(max_size=400))
def test_two_ids_never_share_a_plain_file_name(one: str, other: str) -> None:
    names = file_name(one), file_name(other)
    assert (names[0] == names[1]) == (one == other)
    for name in names:
        assert 0 < len(name.encode()) <= 180
        assert "/" not in name
        assert not name.startswith(".")
        assert name.isascii()


async def test_an_interrupted_write_leaves_the_old_report_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await written(tmp_path, sample_reports.parked())
    before = snapshot(tmp_path)

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ApplicationError, match="No space left on device") as caught:
        await written(tmp_path, sample_reports.recovered())
    assert (caught.value.type, caught.value.non_retryable) == (Code.CONFIGURATION, False)
    assert caught.value.details[0]["next_step"]
    assert snapshot(tmp_path) == before


async def test_a_folder_that_is_a_file_is_named_in_the_error(tmp_path: Path) -> None:
    blocked = tmp_path / "reports"
    blocked.write_text("a file")
    with pytest.raises(ApplicationError, match="reports"):
        await written(blocked, sample_reports.refused())


async def test_a_damaged_file_is_named_and_hides_no_other(tmp_path: Path) -> None:
    await written(tmp_path, sample_reports.recovered())
    damaged = tmp_path / "shop" / "failover_shop_other.json"
    damaged.write_text(json.dumps({"workflow_id": "failover/shop/other"}))
    store = ReportStore(tmp_path)
    assert store.list("shop") == (sample_reports.recovered(),)
    assert store.damaged() == (damaged,)
    with pytest.raises(PermanentError, match=r"failover_shop_other\.json"):
        store.read("failover/shop/other")


def test_an_empty_or_absent_store_has_no_reports(tmp_path: Path) -> None:
    store = ReportStore(tmp_path / "absent")
    assert store.read("failover/shop/1") is None
    assert store.list() == ()
    assert store.list("shop") == ()


async def test_the_list_begins_with_the_newest_and_can_be_of_one_application(tmp_path: Path) -> None:
    old = sample_reports.recovered()
    clock = old.clock.model_copy(update={"declared": sample_reports.at(3600)})
    new = old.model_copy(update={"workflow_id": "failover/shop/later", "clock": clock})
    bank = old.model_copy(update={"workflow_id": "failover/bank/1", "application": "bank"})
    for report in (old, bank, new):
        await written(tmp_path, report)
    assert ReportStore(tmp_path).list()[0] == new
    assert ReportStore(tmp_path).list("shop") == (new, old)
