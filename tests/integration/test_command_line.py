"""The command against a real lab: bad input is a sentence and an exit code and changes nothing; good input recovers."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.lab import lab
from infra.lab.info import LabInfo
from infra.lab.layout import ROOT

from .evidence import Power, epochs, power, serial, txt
from .rig import running_lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

REASON = ("--reason", "site A is gone")


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabInfo]:
    """One lab for all: bad input leaves it as it was, and the last test uses it up."""
    with running_lab(tmp_path_factory.mktemp("command") / "lab") as found:
        yield found


def command(info: LabInfo, *words: str, **more: str) -> "subprocess.Popen[str]":
    """`seawall WORDS` in a folder where it finds no lab but the one in its environment."""
    env = os.environ | {
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "200",
        "SEAWALL_TEMPORAL_ADDRESS": info.temporal_address,
        "SEAWALL_RUNBOOKS": str(info.runbooks),
        "SEAWALL_REPORTS": str(info.reports),
        **more,
    }
    argv = [sys.executable, "-m", "workers.cli.main", *words]
    return subprocess.Popen(argv, env=env, cwd=info.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def seawall(info: LabInfo, *words: str, **more: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    process = command(info, *words, **more)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def world(info: LabInfo, site: str) -> tuple[tuple[tuple[int, str], ...], str, int, Power]:
    """What no bad input may change: epochs in the data, the route and its zone's serial, the power of the old site."""
    return epochs(info, site), txt(info), serial(info), power(info)


def gate_of(info: LabInfo) -> dict[str, Any]:
    """The progress of the application's run, once it awaits an approval."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        watching = command(info, "watch", "shop", "--json")
        assert watching.stdout is not None
        line = watching.stdout.readline()
        watching.kill()
        watching.communicate()
        view: dict[str, Any] = json.loads(line) if line else {}
        if view.get("gate"):
            return view
    raise AssertionError("the run does not await an approval")


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("words", "code", "sentences"),
    [
        (("failover", "nosuch", *REASON), 2, ("nosuch", "shop")),
        (("failover", "Shop!", *REASON), 2, ("Shop!",)),
        (("failover", "shop"), 2, ("--reason",)),
        (("failover", "shop", "--reason", "x"), 2, ("reason", "at least 3 characters")),
        (("failover", "shop", *REASON, "--to", "moon", "--wait"), 3, ("no site 'moon'", "recovery")),
        (("failover", "shop", *REASON, "--wait"), 3, ("healthy", "planned failover")),
        (("approve", "failover/shop/never", "--as", "anna"), 2, ("failover/shop/never", "seawall runs")),
        (("report", "failover/shop/never"), 2, ("failover/shop/never", "seawall runs")),
        (("report", "shop", "--format", "pdf"), 2, ("pdf", "json")),
        (("fail-over", "shop"), 2, ("fail-over", "--help")),
    ],
    ids=lambda value: "-".join(value)[:40] if isinstance(value, tuple) and value[0] in ("failover",) else None,
)
def test_bad_input_is_a_sentence_and_changes_nothing(
    info: LabInfo, words: tuple[str, ...], code: int, sentences: tuple[str, ...]
) -> None:
    before = world(info, "primary")
    found, out, err = seawall(info, *words)
    assert found == code, out + err
    assert all(sentence in out + err for sentence in sentences), out + err
    assert "Traceback" not in out + err
    assert world(info, "primary") == before


def test_a_server_that_does_not_answer_is_named_with_what_to_do(info: LabInfo) -> None:
    address = f"127.0.0.1:{free_port()}"
    code, out, err = seawall(info, "failover", "shop", *REASON, SEAWALL_TEMPORAL_ADDRESS=address)
    assert (code, out) == (1, "")
    assert f"Temporal does not answer at {address} (from SEAWALL_TEMPORAL_ADDRESS)." in err
    assert "seawall lab up" in err
    assert "Traceback" not in err


def refuse_bad_answers(info: LabInfo, run: str, gate: dict[str, Any]) -> None:
    """Approvals that do not fit, each refused with a sentence."""
    for words, expected, sentence in (
        (("--as", "anna", "--code", "ZZZZ"), 3, "does not belong to this request"),
        (("--as", "mallory", "--code", gate["code"]), 3, "is not an approver"),
        (("--as", "anna", "--code", "Z"), 2, "code: String should have at least 4 characters"),
        (("--as", "Anna Berg", "--code", gate["code"]), 2, "approver: "),
    ):
        code, out, err = seawall(info, "approve", run, *words)
        assert code == expected, out + err
        assert sentence in out + err
        assert "Traceback" not in out + err


def refuse_a_second_run(info: LabInfo, run: str) -> None:
    """The application is taken: the answer names the holder."""
    code, out, err = seawall(info, "failover", "shop", *REASON, "--wait", "--json")
    assert code == 3, err
    refused = json.loads(out)
    assert (refused["end_state"], refused["code"]) == ("REFUSED", "APPLICATION_BUSY")
    assert run in refused["summary"]
    assert refused["epoch"] is None


def test_a_failover_by_command_from_its_start_to_its_report(info: LabInfo) -> None:
    lab.break_(info.folder, "kill", "primary")
    first = command(info, "failover", "shop", *REASON, "--as", "ben", "--wait", "--json")
    view = gate_of(info)
    run, before = view["workflow_id"], world(info, "recovery")
    refuse_a_second_run(info, run)
    refuse_bad_answers(info, run, view["gate"])
    assert world(info, "recovery") == before, "nothing that was refused changed anything"

    code, out, err = seawall(info, "approve", "shop", "--as", "anna")
    assert (code, out.strip()) == (0, "Approved; the run goes on."), err
    out, err = first.communicate(timeout=60)
    assert first.returncode == 0, err
    report = json.loads(out)
    assert (report["end_state"], report["workflow_id"], report["lost_transactions"]) == ("RECOVERED", run, 0)
    assert epochs(info)[-1] == (report["epoch"], f"{run}:db.promote:{report['epoch']}")
    assert serial(info) == before[2] + 1
    look_at_what_there_is(info, run, report)


def look_at_what_there_is(info: LabInfo, run: str, report: dict[str, Any]) -> None:
    """report, watch, runs and status tell of the same run."""
    code, out, err = seawall(info, "report", run, "--format", "json")
    assert (code, json.loads(out)) == (0, report), err
    code, out, err = seawall(info, "watch", run, "--json")
    assert (code, json.loads(out.splitlines()[-1])["state"]) == (0, "RECOVERED"), err
    code, out, err = seawall(info, "runs", "shop", "--json")
    found = {row["run"]: row for row in json.loads(out)}
    assert (code, found[run]["state"], found[run]["status"]) == (0, "RECOVERED", "COMPLETED"), err
    code, out, err = seawall(info, "status", "--json")
    (state,) = json.loads(out)
    assert (code, state["lease"], state["active_site"], state["protected"]) == (0, None, "recovery", False), err
    assert (state["last_run"], state["epoch"]) == (run, report["epoch"])
    stored = list(Path(info.reports).glob(f"shop/{run.replace('/', '_')}.*"))
    reports = [path for path in stored if ".by-hand." not in path.name]
    assert sorted(path.suffix for path in reports) == [".html", ".json", ".md"]
