"""May this failover go on, by what was seen? Guard clauses in order of safety; each ends with a sentence.

The invariant: an unplanned failover starts only when *nobody* sees the old site alive, and when at least two vantage
points could look. One observer who cannot reach it proves a broken path, not a dead site; one who can reach it proves
that it lives. A person may go on despite disagreement or silence, by name; the fence has to prove what the looks could
not.
"""

from collections.abc import Sequence

from workflows.model.failure import Code
from workflows.model.observed import Observation, Reach, Refusal
from workflows.model.plan import Mode
from workflows.model.runbook import Role, Runbook

from .steps import streams

LATEST = "latest"
FEWEST_OBSERVERS = 2
OVERRIDABLE = (Code.OBSERVERS_DISAGREE, Code.TOO_FEW_OBSERVERS)
"""What a person may go on despite. A source that everybody sees alive is moved by a planned failover instead."""
_BLIND = (Reach.SILENT, Reach.UNKNOWN)


def judge_failover(
    runbook: Runbook,
    mode: Mode,
    source: str,
    target: str,
    seen: Sequence[Observation],
    choice: str = "latest",
    *,
    adopting: bool = False,
) -> Refusal | None:
    """None when the failover may go on; otherwise the first reason against it.

    Who chooses an earlier recovery point gives up what came after it, also at a healthy site: then the fence, and the
    people who agreed to it, decide instead of the source's health. Who takes a run over (`adopting`) goes on from what
    it left: a source that it has fenced, a target that it has promoted.
    """
    for name, component in runbook.components.items():
        if component.role is not Role.DATA or choice != LATEST:
            continue
        at_source = [look for look in seen if look.component == name and look.site == source]
        at_target = [look for look in seen if look.component == name and look.site == target]
        follows = streams(component)
        promoted = adopting and any(look.reach is Reach.SERVING for look in at_target)
        fenced = adopting and (promoted or not any(look.reach is Reach.SERVING for look in at_source))
        refusal = (
            (_target_unfit(name, target, at_target) if follows and not promoted else None)
            or (_two_writers(name, source, target, at_source) if promoted else None)
            or (_still_alive(name, source, target, at_source, at_target) if mode is Mode.UNPLANNED else None)
            or (
                _not_ready_to_hand_over(name, source, at_source, at_target, fenced)
                if mode is Mode.PLANNED and follows
                else None
            )
        )
        if refusal:
            return refusal
    return None


def judge_again(runbook: Runbook, source: str, seen: Sequence[Observation]) -> Refusal | None:
    """None while nobody sees the source alive; what was seen of it a moment ago said that it was down."""
    for name, component in runbook.components.items():
        alive = [look for look in seen if (look.component, look.site, look.reach) == (name, source, Reach.SERVING)]
        if component.role is Role.DATA and alive:
            return Refusal(
                code=Code.SOURCE_BACK,
                sentence=f"{name} at {source} accepts writes again: {_who(alive)} sees it. It was out of sight only "
                "for a while.",
                next_step="Nothing has to move. Find out what happened to it; for a move without loss start a planned "
                "failover.",
            )
    return None


def judge_reprotect(runbook: Runbook, source: str, target: str, seen: Sequence[Observation]) -> Refusal | None:
    """None when `source` may be rebuilt from `target`, which serves."""
    for name, component in runbook.components.items():
        if component.role is not Role.DATA:
            continue
        at_target = [look for look in seen if look.component == name and look.site == target]
        at_source = [look for look in seen if look.component == name and look.site == source]
        if not any(look.reach is Reach.SERVING for look in at_target):
            return Refusal(
                code=Code.TARGET_UNFIT,
                sentence=f"{name} at {target} does not serve: {_told(at_target)}. There is nothing to rebuild from.",
                next_step="Bring the application back first; that is a failover.",
            )
        if alive := [look for look in at_source if look.reach is Reach.SERVING]:
            return Refusal(
                code=Code.ROLE_MISMATCH,
                sentence=f"{name} at {source} accepts writes too ({_who(alive)} sees it). Two sites write.",
                next_step=f"Fence {source} by hand now, then start this again: what only {source} has will be kept.",
            )
    return None


def is_settled(at_source: Sequence[Observation]) -> bool:
    """Whether what was seen of the old site is clear enough to decide without asking its own worker: its host itself
    answered every observer. Silence is never clear."""
    return bool(at_source) and all(look.reach not in _BLIND for look in at_source)


def highest_epoch(seen: Sequence[Observation]) -> int:
    """The highest epoch that stands anywhere in what was seen; 0 for none."""
    epochs = [look.facts.get("epoch") for look in seen]
    return max((epoch for epoch in epochs if isinstance(epoch, int)), default=0)


def _target_unfit(name: str, target: str, at_target: Sequence[Observation]) -> Refusal | None:
    if any(look.reach is Reach.STANDBY for look in at_target):
        return None
    if any(look.reach is Reach.SERVING for look in at_target):
        return Refusal(
            code=Code.TARGET_UNFIT,
            sentence=f"{name} at {target} accepts writes already, so it is not a standby that could take over.",
            next_step=f"Find out who promoted it. If users are to be sent there, say that {target} is active.",
        )
    return Refusal(
        code=Code.TARGET_UNFIT,
        sentence=f"{name} at {target} is not a running standby: {_told(at_target)}.",
        next_step=f"Start the standby at {target}, or check that its worker runs, then start the failover again.",
    )


def _still_alive(
    name: str, source: str, target: str, at_source: Sequence[Observation], at_target: Sequence[Observation]
) -> Refusal | None:
    alive = [look for look in at_source if look.reach is Reach.SERVING]
    blind = [look for look in at_source if look.reach is not Reach.SERVING]
    fed = [look for look in at_target if look.facts.get("receiving") is True]
    if alive and not blind:
        return Refusal(
            code=Code.SOURCE_HEALTHY,
            sentence=f"{name} at {source} is healthy: {len(alive)} of {len(at_source)} observers see it accept writes.",
            next_step="To move a healthy application without loss, start a planned failover; to go back to an earlier "
            "moment, or to move one that no replica follows, name a recovery point.",
        )
    if alive:
        return Refusal(
            code=Code.OBSERVERS_DISAGREE,
            sentence=(
                f"Observers disagree about {name} at {source}: {_who(alive)} sees it accept writes, while "
                f"{_who(blind)} cannot reach it. The site lives and the path to it is broken; promoting {target} "
                "now would make two writers."
            ),
            next_step="Mend the path, or start a planned failover once everybody reaches the site; or say in "
            "`despite_evidence` why it is right to go on.",
        )
    if fed and not is_settled(at_source):
        # Where the host itself refused every observer, a stream that was seen a moment ago proves nothing any more.
        return Refusal(
            code=Code.OBSERVERS_DISAGREE,
            sentence=(
                f"No observer reaches {name} at {source}, but the standby at {target} is still being fed by it, so "
                "it lives; promoting now would make two writers."
            ),
            next_step="Mend the path to the site, or wait until the standby has lost it too; or say in "
            "`despite_evidence` why it is right to go on.",
        )
    return _too_few(name, source, at_source)


def _too_few(name: str, source: str, at_source: Sequence[Observation]) -> Refusal | None:
    """A single vantage point cannot tell a dead site from a path of its own that is broken."""
    could = dict.fromkeys(look.observer for look in at_source if look.reach is not Reach.UNKNOWN)
    silent = [look for look in at_source if look.reach is Reach.UNKNOWN]
    if len(could) >= FEWEST_OBSERVERS:
        return None
    only = f"only {_who([look for look in at_source if look.observer in could])}" if could else "nobody"
    return Refusal(
        code=Code.TOO_FEW_OBSERVERS,
        sentence=f"Of {name} at {source} {only} could say anything; silent: {_who(silent) or 'all others'}. That is "
        "too little to tell a lost site from a broken path.",
        next_step="Start the silent workers, then this again; or say in `despite_evidence` why it is right all the "
        "same.",
    )


def _two_writers(name: str, source: str, target: str, at_source: Sequence[Observation]) -> Refusal | None:
    alive = [look for look in at_source if look.reach is Reach.SERVING]
    if not alive:
        return None
    return Refusal(
        code=Code.ROLE_MISMATCH,
        sentence=f"{name} accepts writes at {target} and at {source} too ({_who(alive)} sees it). Two sites write.",
        next_step="Stop one of them by hand now; then adopt again, or release the lease with the site that is left.",
    )


def _not_ready_to_hand_over(
    name: str, source: str, at_source: Sequence[Observation], at_target: Sequence[Observation], fenced: bool = False
) -> Refusal | None:
    if fenced and is_settled([look for look in at_source if look.observer == source]):
        return None  # The run that is taken over has stopped it; its own host says so.
    if not any(look.reach is Reach.SERVING for look in at_source):
        return Refusal(
            code=Code.SOURCE_UNREACHABLE,
            sentence=f"A planned failover needs a healthy source, but {name} at {source} is not: {_told(at_source)}.",
            next_step="If the site is lost, start the failover without `planned`.",
        )
    if not any(look.facts.get("receiving") is True for look in at_target):
        return Refusal(
            code=Code.TARGET_UNFIT,
            sentence=f"The standby of {name} is not receiving from {source}, so it cannot be brought up to date.",
            next_step="Mend the replication first; `seawall status` shows it.",
        )
    return None


def _who(looks: Sequence[Observation]) -> str:
    return " and ".join(dict.fromkeys(f"the worker of {look.observer}" for look in looks))


def _told(looks: Sequence[Observation]) -> str:
    if not looks:
        return "nobody could look"
    return "; ".join(
        f"{look.observer} says {look.reach.value}" + (f" ({look.detail})" if look.detail else "") for look in looks
    )
