"""The register of approvers, one-time passwords, sealed codes and SSH signatures, each against its own standard."""

import base64
import json
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from activities.people import otp, sealed, signatures
from activities.people.register import KEY_VARIABLE, Register, new_key
from workflows.model.failure import Code, PermanentError
from workflows.model.proof import NAMESPACE, Proof

RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.fixture
def book(tmp_path: Path) -> Register:
    """An empty register."""
    return Register(tmp_path / "people.json", {KEY_VARIABLE: new_key()})


# --- The register ---


def test_a_secret_comes_back_and_stands_nowhere_in_the_file(book: Register, tmp_path: Path) -> None:
    book.enrol("anna", RFC_SECRET)
    assert book.otp_secret("anna") == RFC_SECRET
    assert book.otp_secret("ben") is None
    file = tmp_path / "people.json"
    assert RFC_SECRET not in file.read_text(encoding="utf-8")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_entry_under_another_name_does_not_open(book: Register, tmp_path: Path) -> None:
    book.enrol("anna", RFC_SECRET)
    file = tmp_path / "people.json"
    found = json.loads(file.read_text(encoding="utf-8"))
    found["people"]["mallory"] = found["people"]["anna"]
    file.write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(PermanentError, match="does not open"):
        book.otp_secret("mallory")


def test_no_changed_byte_of_an_entry_goes_unnoticed(book: Register, tmp_path: Path) -> None:
    book.enrol("anna", RFC_SECRET)
    file = tmp_path / "people.json"
    found = json.loads(file.read_text(encoding="utf-8"))
    kept = bytearray(base64.b64decode(found["people"]["anna"]["otp"]))
    for at in range(len(kept)):
        kept[at] ^= 1
        found["people"]["anna"]["otp"] = base64.b64encode(kept).decode()
        file.write_text(json.dumps(found), encoding="utf-8")
        with pytest.raises(PermanentError, match="does not open"):
            book.otp_secret("anna")
        kept[at] ^= 1


@pytest.mark.parametrize("key", ["", "short", base64.b64encode(b"16 bytes of key.").decode()])
def test_without_a_right_key_nothing_is_read_or_written(tmp_path: Path, key: str) -> None:
    book = Register(tmp_path / "people.json", {KEY_VARIABLE: key})
    with pytest.raises(PermanentError, match="32 bytes") as found:
        book.enrol("anna", RFC_SECRET)
    assert found.value.code is Code.CONFIGURATION
    assert not (tmp_path / "people.json").exists()


def test_a_register_that_cannot_be_read_is_an_error_and_not_an_empty_one(book: Register, tmp_path: Path) -> None:
    (tmp_path / "people.json").write_text("{half", encoding="utf-8")
    with pytest.raises(PermanentError, match="cannot be read"):
        book.names()


def test_who_is_removed_is_gone(book: Register) -> None:
    book.enrol("anna", RFC_SECRET)
    assert list(book.names()) == ["anna"]
    assert book.remove("anna")
    assert not book.remove("anna")
    assert book.otp_secret("anna") is None


# --- One-time passwords ---


@pytest.mark.parametrize(
    ("seconds", "eight"),
    [(59, "94287082"), (1111111109, "07081804"), (1234567890, "89005924"), (20000000000, "65353130")],
)
def test_passwords_are_those_of_rfc_6238(seconds: int, eight: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    assert (
        otp.period_of(eight[2:], RFC_SECRET, at) == seconds // 30
    )  # Appendix B has eight digits, of which we take six.


def test_a_password_counts_for_its_period_and_one_beside_it() -> None:
    at = datetime(2026, 11, 23, 12, 0, 15, tzinfo=UTC)
    mine = int(at.timestamp()) // 30
    digits = "081804"
    issued = datetime.fromtimestamp(1111111109, UTC)
    late = [otp.period_of(digits, RFC_SECRET, issued + timedelta(seconds=30 * n)) for n in (-2, -1, 0, 1, 2)]
    assert [found is not None for found in late] == [False, True, True, True, False]
    assert otp.period_of("000000", RFC_SECRET, at) in (None, mine)


@pytest.mark.parametrize("typed", ["081804", "081 804", " 081804 "])
def test_a_password_may_be_typed_as_the_app_shows_it(typed: str) -> None:
    assert Proof.model_validate({"otp": typed}).otp == "081804"


def test_a_password_without_quotes_is_taken() -> None:
    assert Proof.model_validate({"otp": 123456}).otp == "123456"


@pytest.mark.parametrize(
    "typed",
    ["", "12345", "1234567", "SIX DIGITS", "\N{FULLWIDTH DIGIT ONE}" * 6, -12345, True, 1.5, ["123456"]],
)
def test_what_are_no_six_digits_is_refused_with_a_sentence(typed: object) -> None:
    with pytest.raises(ValidationError, match="expected the six digits"):
        Proof.model_validate({"otp": typed})


def test_marks_tell_people_and_periods_apart() -> None:
    assert len({otp.mark(name, period) for name in ("anna", "ben") for period in range(100)}) == 200


# --- Sealed codes ---


def test_both_sealed_codes_open_in_any_order_and_one_alone_does_not(book: Register) -> None:
    first, second = sealed.new_pair()
    book.add_seal(map(sealed.digest, (first, second)))
    mark = sealed.opens((first, second), book.seals())
    assert mark
    assert sealed.opens((second.lower().replace("-", " "), first), book.seals()) == mark
    assert sealed.opens((first, first), book.seals()) is None
    assert sealed.opens((first, sealed.new_pair()[0]), book.seals()) is None
    book.add_seal(map(sealed.digest, sealed.new_pair()))
    assert sealed.opens((first, second), book.seals()) is None


# --- SSH signatures ---


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """An SSH key of anna, allowed for our purpose."""
    file = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
    public = file.with_suffix(".pub").read_text(encoding="utf-8").split()
    line = f'anna namespaces="{NAMESPACE}" {public[0]} {public[1]}\n'
    (tmp_path / "allowed_signers").write_text(line, encoding="utf-8")
    return file


def signed(key: Path, statement: str, namespace: str = NAMESPACE) -> str:
    """A signature as `seawall approve --sign` makes it."""
    words = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", namespace]
    return subprocess.run(words, input=statement.encode(), check=True, capture_output=True).stdout.decode()


async def test_a_signature_counts_for_its_person_statement_and_purpose(key: Path, tmp_path: Path) -> None:
    allowed, statement = tmp_path / "allowed_signers", "anna says approve"
    signature = signed(key, statement)
    assert await signatures.is_by("anna", statement, signature, allowed)
    assert not await signatures.is_by("ben", statement, signature, allowed)
    assert not await signatures.is_by("anna", statement + "!", signature, allowed)
    assert not await signatures.is_by("anna", statement, signed(key, statement, "git"), allowed)
    assert not await signatures.is_by("anna", statement, "nonsense", allowed)
    assert not await signatures.is_by("-D /tmp/evil.so", statement, signature, allowed)


async def test_without_allowed_signers_a_signature_cannot_be_checked(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="allowed_signers"):
        await signatures.is_by("anna", "x", "y", tmp_path / "allowed_signers")
