"""What an application's entity remembers of approvals and their proofs: each counts once, and who guesses is locked out
for a while. Pure."""

from datetime import datetime, timedelta

from workflows.model.entity import ApplicationState, UsedApproval
from workflows.model.proof import ProofKind, SpentProof, UseProof

MOST_APPROVALS = 100
"""So many used approval codes are remembered; a reset is asked for long before as many runs have passed."""
MOST_SPENT = 500
"""So many used proofs are remembered. A one-time password counts for 90 s and an SSH signature for one request, so that
none of them is ever old enough to be forgotten while it could still be used."""
MOST_WRONG, WINDOW = 10, timedelta(hours=1)
"""Wrong one-time passwords of one person, over all runs of the application. Nothing else can be guessed."""


def why_not(state: ApplicationState, told: UseProof, now: datetime) -> str | None:
    """Why this proof counts for nothing, as a sentence; None when it counts."""
    if _known(state, told) is not None:
        return None
    if told.kind is ProofKind.OTP and len(_recent(state, told.subject, now)) >= MOST_WRONG:
        return (
            f"{told.subject} has given {MOST_WRONG} wrong one-time passwords within an hour, and is locked out until "
            "it is over. Prove it otherwise, or ask another approver."
        )
    spent = state.spent_seals if told.kind is ProofKind.SEALED else state.spent_proofs
    for one in spent:
        if one.mark == told.mark and not (told.kind is ProofKind.SEALED and one.run_id == told.run_id):
            return "This proof was used already, and counts once. Wait for the next one."
    return None


def noted(state: ApplicationState, told: UseProof, now: datetime) -> dict[str, object]:
    """What changes by this try. One that was told already changes nothing."""
    if _known(state, told) is not None:
        return {}
    if not told.mark:
        if told.kind is not ProofKind.OTP:
            return {}
        recent = (*_recent(state, told.subject, now), now)[-MOST_WRONG:]
        others = {name: at for name, at in state.wrong_proofs.items() if at and now - at[-1] < WINDOW}
        return {"wrong_proofs": {**others, told.subject: recent}}
    spent = SpentProof(mark=told.mark, key=told.key, run_id=told.run_id)
    if told.kind is ProofKind.SEALED:
        return {"spent_seals": (*state.spent_seals, spent)}
    return {"spent_proofs": (*state.spent_proofs, spent)[-MOST_SPENT:]}


def used_elsewhere(used: tuple[UsedApproval, ...], asked: tuple[UsedApproval, ...]) -> str | None:
    """Which of these approvals another execution has used, as a sentence; None when none was. A reset rewinds a run
    with the answers that it got; here they are remembered."""
    by_code = {known.code: known for known in used}
    for one in asked:
        known = by_code.get(one.code)
        if known is not None and known.run_id != one.run_id:
            return (
                f"The approval {one.code} by {one.approver} was used already, by {known.holder} at "
                f"{known.at:%Y-%m-%d %H:%M:%S} UTC. An approval counts once; start a new run and ask again."
            )
    return None


def remembered(used: tuple[UsedApproval, ...], asked: tuple[UsedApproval, ...]) -> tuple[UsedApproval, ...]:
    """With these too; the newest last."""
    return (*used, *(one for one in asked if one not in used))[-MOST_APPROVALS:]


def _known(state: ApplicationState, told: UseProof) -> SpentProof | None:
    """The same try, told before: its answer was lost on the way."""
    both = (*state.spent_proofs, *state.spent_seals)
    return next((one for one in both if (one.key, one.mark) == (told.key, told.mark)), None)


def _recent(state: ApplicationState, subject: str, now: datetime) -> tuple[datetime, ...]:
    return tuple(at for at in state.wrong_proofs.get(subject, ()) if now - at < WINDOW)
