"""The chain of evidence: whatever is done to reports behind our back is found."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from activities import evidence, keys
from activities.report_store import ReportStore
from tests.support import sample_reports
from workflows.model.failure import Code, PermanentError

KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key()


def three(folder: Path, key: Ed25519PrivateKey | None = KEY) -> Path:
    """The reports of three runs; the folder of their application."""
    store = ReportStore(folder, key)
    report = sample_reports.recovered()
    for number in range(3):
        store.write(report.model_copy(update={"workflow_id": f"failover/shop/{number}", "run_id": f"run-{number}"}))
    return folder / report.application


def flaws(folder: Path) -> list[str]:
    return [f"{flaw.where}: {flaw.sentence}" for flaw in evidence.verify(folder, PUBLIC)]


def test_reports_that_are_as_they_were_written_have_no_flaw(tmp_path: Path) -> None:
    assert flaws(three(tmp_path)) == []


def test_a_report_that_is_written_again_and_one_that_is_kept_aside_have_none_either(tmp_path: Path) -> None:
    store = ReportStore(tmp_path, KEY)
    for report in (sample_reports.parked(), sample_reports.parked(), sample_reports.recovered()):
        store.write(report)
    store.write(sample_reports.recovered().model_copy(update={"run_id": "another execution"}))
    folder = tmp_path / "shop"
    assert flaws(folder) == []
    assert len(list(folder.glob("*.json"))) == 2


def test_a_move_that_was_interrupted_leaves_no_flaw_once_it_is_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, report = ReportStore(tmp_path, KEY), sample_reports.recovered()
    store.write(report)
    real, moves = Path.replace, iter(range(9))

    def dies(self: Path, target: Path) -> Path:
        if next(moves) == 1:
            raise OSError
        return real(self, target)

    monkeypatch.setattr(Path, "replace", dies)
    again = report.model_copy(update={"run_id": "another execution"})
    with pytest.raises(Exception, match="cannot be written"):
        store.write(again)
    monkeypatch.setattr(Path, "replace", real)
    store.write(again)
    assert flaws(tmp_path / "shop") == []


@given(data=st.data())
def test_one_changed_byte_is_found_wherever_it_is(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = three(tmp_path_factory.mktemp("reports"))
    path = data.draw(st.sampled_from(sorted(folder.iterdir())), label="file")
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1), label="byte")
    content[at] ^= data.draw(st.integers(1, 255), label="change")
    path.write_bytes(content)
    assert flaws(folder)


def forged(folder: Path) -> None:
    """The chain written anew, in good order, by somebody with another key."""
    lines = [json.loads(line) for line in (folder / evidence.NAME).read_bytes().splitlines()]
    (folder / evidence.NAME).unlink()
    for line in lines:
        files = {name: folder / name for name in line["files"]}
        evidence.add(folder, line["workflow_id"], line["run_id"], files, Ed25519PrivateKey.generate())


def made_up(folder: Path) -> None:
    (folder / "made-up.json").write_text("{}")


REMOVED: dict[str, Callable[[Path], None]] = {
    "a file": lambda folder: next(folder.glob("*.html")).unlink(),
    "a line": lambda folder: rewrite(folder, lambda lines: lines.pop(1)),
    "the last line": lambda folder: rewrite(folder, lambda lines: lines.pop()),
    "two lines changed places": lambda folder: rewrite(folder, lambda lines: lines.reverse()),
    "a line twice": lambda folder: rewrite(folder, lambda lines: lines.append(lines[-1])),
    "half a line": lambda folder: rewrite(folder, lambda lines: lines.append(lines.pop()[:40])),
    "the chain": lambda folder: (folder / evidence.NAME).unlink(),
    "a report that nobody wrote": made_up,
    "a chain of another key": forged,
}


def rewrite(folder: Path, change: Callable[[list[bytes]], object]) -> None:
    path = folder / evidence.NAME
    lines = path.read_bytes().splitlines()
    change(lines)
    path.write_bytes(b"".join(line + b"\n" for line in lines))


@pytest.mark.parametrize("what", REMOVED)
def test_what_was_removed_added_or_forged_is_found(tmp_path: Path, what: str) -> None:
    folder = three(tmp_path)
    REMOVED[what](folder)
    assert flaws(folder)


def test_without_a_key_the_chain_still_tells_what_was_changed(tmp_path: Path) -> None:
    folder = three(tmp_path, key=None)
    assert evidence.verify(folder, None) == ()
    assert len(evidence.verify(folder, PUBLIC)) == 3
    next(folder.glob("*.json")).write_text("{}")
    assert [flaw.sentence for flaw in evidence.verify(folder, None)] == ["It is not what was written."]


def test_a_page_for_break_glass_is_no_evidence(tmp_path: Path) -> None:
    folder = three(tmp_path)
    (folder / "failover_shop_0.by-hand.md").write_text("page")
    assert flaws(folder) == []


def test_keys_are_made_in_pairs_and_nonsense_is_refused(tmp_path: Path) -> None:
    private, public = keys.new_pair()
    folder = three(tmp_path, keys.signing_key({evidence.KEY_VARIABLE: private}, evidence.KEY_VARIABLE))
    assert evidence.verify(folder, keys.public_key(f"{public}\n")) == ()
    assert keys.signing_key({}, evidence.KEY_VARIABLE) is None
    for nonsense in ("x", "aGVsbG8=", private[:-8]):
        with pytest.raises(PermanentError) as caught:
            keys.signing_key({evidence.KEY_VARIABLE: nonsense}, evidence.KEY_VARIABLE)
        assert caught.value.code is Code.CONFIGURATION
        assert nonsense not in caught.value.sentence.split()
