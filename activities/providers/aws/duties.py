"""Five duties, each with a role of its own, and the verbs that belong to them.

The policies in `infra/aws/policies` are made of this table, so that a step has the role whose policy allows it.
"""

from collections.abc import Mapping
from enum import StrEnum

from workflows.model.messages import StepRequest


class Duty(StrEnum):
    """What a role is for; the value is the name of its policy."""

    OBSERVE = "observe"
    REPLICATE = "replicate"
    FAILOVER = "failover"
    DRILL = "drill"
    CLEAN_UP = "clean-up"


DUTIES: Mapping[Duty, frozenset[str]] = {
    Duty.OBSERVE: frozenset(
        {
            "observe",
            "check",
            "choose_recovery_point",
            "list_points",
            "probe_write",
            "measure_loss",
            "compare_sites",
            "measure_capacity",
            "verify_consistency",
            "preflight",
            "prepare",
        }
    ),
    Duty.REPLICATE: frozenset(
        {
            "snapshot",
            "sync_delta",
            "measure_lag",
            "keep_marking",
            "archive_diverged",
            "rebuild_replica",
            "protect",
        }
    ),
    Duty.FAILOVER: frozenset(
        {
            "fence",
            "unfence",
            "probe_write",
            "sync_delta",
            "promote",
            "start_instances",
            "stop_instances",
            "flip_dns",
            "restore_dns",
            "reopen_site",
            "close_site",
            "restore",
            "discard_restore",
            "preflight",
        }
    ),
    Duty.DRILL: frozenset({"clone_data", "open_bubble", "prove_isolation", "start_instances", "promote"}),
    Duty.CLEAN_UP: frozenset({"prune", "close_bubble"}),
}
"""By the names of the providers' methods, `prepare` among them, which is asked before any other; and `preflight`,
which is asked before a plan is approved. What is caught up,
promoted or started serves two duties: in a drill it is the clone that is started. And a dry run asks for the
permission to do the real thing."""

METHODS: frozenset[str] = frozenset().union(*DUTIES.values())


def duty_of(request: StepRequest | None) -> Duty:
    """Whose role a step acts under; who only looks has no request. A step of another name than its verb's belongs to
    a failover."""
    if request is None:
        return Duty.OBSERVE
    verb = request.ref.step.rpartition(".")[2]
    if verb in DUTIES[Duty.CLEAN_UP] or (verb == "open_bubble" and request.undo):
        return Duty.CLEAN_UP
    if request.target.bubble is not None:
        return Duty.DRILL
    if verb in DUTIES[Duty.FAILOVER]:
        return Duty.FAILOVER
    return next((duty for duty in (Duty.OBSERVE, Duty.REPLICATE) if verb in DUTIES[duty]), Duty.FAILOVER)
