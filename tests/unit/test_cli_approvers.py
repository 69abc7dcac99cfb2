"""`seawall approver`, and how a proof is made at a terminal."""

import subprocess
from pathlib import Path

import pyotp
import pytest
from typer.testing import CliRunner, Result

from activities.people import otp, sealed, signatures
from activities.people.register import KEY_VARIABLE, Register, new_key
from tests.support.sample_reports import RUN, recovered
from tests.support.sample_views import gate
from workers.cli.main import app
from workers.cli.proofs import Means
from workflows.model.failure import PermanentError
from workflows.model.proof import statement

SECRET = otp.new_secret()


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Register:
    """An empty register, which the command finds too; the next secret is known."""
    monkeypatch.setenv("SEAWALL_PEOPLE", str(tmp_path / "people.json"))
    monkeypatch.setenv(KEY_VARIABLE, new_key())
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(otp, "new_secret", lambda: SECRET)
    return Register(tmp_path / "people.json")


def approver(*words: str, typed: str = "") -> Result:
    return CliRunner().invoke(app, ["approver", *words], input=typed)


# --- Enrolling ---


def test_who_types_a_password_of_the_new_app_is_enrolled(book: Register) -> None:
    done = approver("enrol", "anna", typed=pyotp.TOTP(SECRET).now() + "\n")
    assert done.exit_code == 0
    assert SECRET[:4] in done.stdout, "it can be typed where a QR code cannot be scanned"
    assert book.otp_secret("anna") == SECRET
    assert "anna" in approver("list").stdout
    assert "is enrolled already" in str(approver("enrol", "anna").exception)
    assert "is removed" in approver("remove", "anna").stdout
    assert book.otp_secret("anna") is None


def test_without_the_right_password_nothing_is_kept(book: Register) -> None:
    stale = pyotp.TOTP(SECRET).at(0)
    assert "not the digits" in str(approver("enrol", "anna", typed=f"{stale}\n").exception)
    assert book.names() == {}


def test_a_name_that_no_runbook_can_list_is_refused(book: Register) -> None:
    assert "no name of an approver" in str(approver("enrol", "Anna Berg").exception)
    assert book.names() == {}


def test_the_sealed_codes_are_shown_once_and_open(book: Register) -> None:
    shown = [line.rpartition(" ")[2] for line in approver("seal").stdout.splitlines() if line.startswith("Sealed code")]
    assert len(shown) == 2
    assert sealed.opens(shown, book.seals())
    approver("seal")
    assert not sealed.opens(shown, book.seals()), "the pair before counts no more"


# --- Proving ---


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """An SSH key."""
    file = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
    return file


async def test_a_key_signs_what_the_run_checks(key: Path, tmp_path: Path) -> None:
    allowed = tmp_path / "allowed_signers"
    allowed.write_text(f"anna {key.with_suffix('.pub').read_text(encoding='utf-8')}", encoding="utf-8")
    made = Means(None, key, False).proof("approve", "anna", gate(proofs=("ssh",)), "k7q4", recovered())
    report = recovered()
    said = statement("approve", "anna", RUN, report.run_id, "approve", "K7Q4", report.plan_sha256)
    assert await signatures.is_by("anna", said, made.signature or "", allowed)


def test_a_key_that_does_not_sign_sends_nothing(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="ssh-keygen did not sign"):
        Means(None, tmp_path / "nothing", False).proof("approve", "anna", gate(proofs=("ssh",)), "K7Q4", recovered())


def test_a_password_is_taken_as_it_is_typed_and_never_repeated() -> None:
    assert (
        Means("123 456", None, False).proof("approve", "anna", gate(proofs=("otp",)), "K7Q4", recovered()).otp
        == "123456"
    )
    with pytest.raises(PermanentError, match="six digits") as refused:
        Means("canary", None, False).proof("approve", "anna", gate(proofs=("otp",)), "K7Q4", recovered())
    assert "canary" not in str(refused.value)
