"""What the entity remembers of proofs."""

from datetime import UTC, datetime, timedelta
from typing import Any

from workflows.engine import proof_book
from workflows.model.entity import ApplicationState
from workflows.model.proof import ProofKind, UseProof

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def told(mark: str, key: str = "run/prove.1", **changes: Any) -> UseProof:
    fields = {"subject": "anna", "kind": ProofKind.OTP, "holder": "failover/shop", "run_id": "run", "act": "approve"}
    return UseProof(key=key, mark=mark, **{**fields, **changes})


def after(state: ApplicationState, one: UseProof, at: datetime = NOW) -> ApplicationState:
    assert proof_book.why_not(state, one, at) is None
    return state.model_copy(update=proof_book.noted(state, one, at))


def test_a_proof_counts_once_and_the_same_try_may_be_told_again() -> None:
    state = after(ApplicationState(application="shop"), told("m"))
    assert proof_book.why_not(state, told("m"), NOW) is None
    assert proof_book.noted(state, told("m"), NOW) == {}
    assert "used already" in (proof_book.why_not(state, told("m", "run/prove.2"), NOW) or "")
    assert "used already" in (proof_book.why_not(state, told("m", "other/prove.1", run_id="other"), NOW) or "")


def test_a_sealed_pair_serves_one_run_and_no_other_for_ever() -> None:
    state = after(ApplicationState(application="shop"), told("m", kind=ProofKind.SEALED))
    for number in range(proof_book.MOST_SPENT + 5):
        state = after(state, told(f"otp-{number}", f"k{number}"))
    assert len(state.spent_proofs) == proof_book.MOST_SPENT
    assert proof_book.why_not(state, told("m", "run/prove.2", kind=ProofKind.SEALED), NOW) is None
    elsewhere = told("m", "x", kind=ProofKind.SEALED, run_id="x")
    assert "used already" in (proof_book.why_not(state, elsewhere, NOW) or "")


def test_who_guesses_is_locked_out_for_an_hour_and_nobody_else_is() -> None:
    state = ApplicationState(application="shop")
    for number in range(proof_book.MOST_WRONG):
        state = after(state, told("", f"run/prove.{number}"), NOW + timedelta(seconds=number))
    at = NOW + timedelta(minutes=5)
    assert "locked out" in (proof_book.why_not(state, told("right", "k"), at) or "")
    assert proof_book.why_not(state, told("right", "k", subject="ben"), at) is None
    assert proof_book.why_not(state, told("right", "k", kind=ProofKind.SSH), at) is None
    assert proof_book.why_not(state, told("right", "k"), NOW + timedelta(hours=1, seconds=30)) is None


def test_what_nobody_can_guess_is_not_counted() -> None:
    state = ApplicationState(application="shop")
    for kind in (ProofKind.SSH, ProofKind.SEALED):
        assert proof_book.noted(state, told("", kind=kind), NOW) == {}
