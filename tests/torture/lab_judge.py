"""What a turn in the lab must not show. Pure: a turn in, sentences out; it knows nothing of the engine."""

from workflows.model.progress import RunState

from .lab_turn import Move, Turn

ENDS = {RunState.RECOVERED, RunState.RECOVERED_DEGRADED, RunState.COMPENSATED, RunState.REFUSED, RunState.PARKED}


def judge(turn: Turn) -> list[str]:
    """Every rule that was broken, as a sentence; none when it went as it must."""
    found = [*_world(turn)]
    for move in turn.moves:
        found += _move(move)
    if not any(move.terminated for move in turn.moves) and _ended(turn):
        found += _after(turn)
    return found


def _world(turn: Turn) -> list[str]:
    """What must hold whatever happened."""
    found = []
    if turn.watched.two_writer_samples:
        found.append(f"two writers in {turn.watched.two_writer_samples} of {turn.watched.samples} samples")
    if turn.audited is not None and turn.audited.lost:
        orders = ", ".join(f"{client}/{number}" for client, number in turn.audited.lost_orders[:3])
        found.append(f"{turn.audited.lost} of {turn.audited.acknowledged} acknowledged writes lost ({orders} ...)")
    if turn.audited is not None and turn.audited.duplicated:
        found.append(f"{turn.audited.duplicated} writes duplicated")
    return found


def _move(move: Move) -> list[str]:
    """How a run must end."""
    name = f"{move.kind} ({move.run})"
    if move.terminated and move.status == "TERMINATED":
        return []
    report = move.report
    if report is None or report.end_state not in ENDS:
        return [f"{name} has no proper end: {move.status}, {report.end_state if report else 'no report'}"]
    found = []
    if report.end_state is RunState.PARKED and not all(parked.reason and parked.actions for parked in report.parked):
        found.append(f"{name} is parked and does not say why and what can be done")
    if report.end_state not in (RunState.RECOVERED, RunState.PARKED) and not (report.code and report.summary):
        found.append(f"{name} ended {report.end_state} and does not say why")
    if report.end_state in (RunState.RECOVERED, RunState.RECOVERED_DEGRADED) and report.lost_transactions:
        found.append(f"{name} reports {report.lost_transactions} lost transactions under synchronous replication")
    told = [action.action for action in report.actions]
    if move.cancelled and move.status != "CANCELED" and not any(words.startswith("cancel (") for words in told):
        found.append(f"{name} swallowed a cancel: {move.status}, and its report says only {told}")
    if report.scorecard is not None and report.scorecard.leftovers:
        found.append(f"{name} left {report.scorecard.leftovers} things behind")
    return found


def _ended(turn: Turn) -> bool:
    return all(move.report is not None and move.report.end_state is not RunState.PARKED for move in turn.moves)


def _after(turn: Turn) -> list[str]:
    """What must hold when every run has ended and everything is mended."""
    found = []
    if turn.application is None or turn.application.lease is not None:
        found.append("the application's lease was not given back")
    if turn.leftovers:
        found.append(f"left of a drill: {', '.join(turn.leftovers[:5])}")
    if not turn.served or turn.audited is None:
        found.append("users are not served, though everything is mended and every run has ended")
    if turn.application is not None and not turn.application.protected:
        found.append("the application could not be protected again, though everything is mended")
    if len(set(turn.checksums.values())) > 1:
        found.append(f"the sites differ: {turn.checksums}")
    return found
