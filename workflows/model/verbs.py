"""What can be asked of a component. A verb's value is the name of its activity, and is what the Web UI shows."""

from enum import StrEnum


class Verb(StrEnum):
    """The activities that act on a component. Values are part of the contract: add, never rename."""

    OBSERVE = "observe"
    CHOOSE_RECOVERY_POINT = "choose_recovery_point"
    SNAPSHOT = "snapshot"
    FENCE = "fence"
    UNFENCE = "unfence"
    SYNC_DELTA = "sync_delta"
    PROMOTE = "promote"
    START_INSTANCES = "start_instances"
    STOP_INSTANCES = "stop_instances"
    HEALTH_CHECK = "health_check"
    FLIP_DNS = "flip_dns"
    RESTORE_DNS = "restore_dns"
    VERIFY = "verify"
    MEASURE_LOSS = "measure_loss"
    COMPARE_SITES = "compare_sites"
    MEASURE_LAG = "measure_lag"
    MEASURE_CAPACITY = "measure_capacity"
    VERIFY_CONSISTENCY = "verify_consistency"
    REOPEN_SITE = "reopen_site"
    CLOSE_SITE = "close_site"
    ARCHIVE_DIVERGED = "archive_diverged"
    REBUILD_REPLICA = "rebuild_replica"
    PROTECT = "protect"
    RESTORE = "restore"
    DISCARD_RESTORE = "discard_restore"
    PRUNE = "prune"
    OPEN_BUBBLE = "open_bubble"
    CLOSE_BUBBLE = "close_bubble"
    PROVE_ISOLATION = "prove_isolation"
    CLONE_DATA = "clone_data"
    GATE = "approve"
    """Not an activity: the step that waits for people."""
    WINDOW = "wait_for_window"
    """Not an activity: the step that waits for the agreed time."""
    HOLD_OFF = "hold_off"
    """Not an activity: the step that waits until the source has been down for long enough, and looks again."""
    LOOK_AGAIN = "look_again"
    """Not an activity: the last look at the source before users notice anything."""
    ROUND_TRIP = "run_switchover"
    """Not an activity: one leg of a live drill, a run of its own."""
    SIMULATE = "simulate"
    """Not an activity: what a drill leaves out, shown in its place."""

    @property
    def mutates(self) -> bool:
        """Whether the verb changes the world, so that a timed-out call must be read back."""
        return self in _MUTATING


_MUTATING = frozenset(
    {
        Verb.SNAPSHOT,
        Verb.FENCE,
        Verb.UNFENCE,
        Verb.PROMOTE,
        Verb.START_INSTANCES,
        Verb.STOP_INSTANCES,
        Verb.FLIP_DNS,
        Verb.RESTORE_DNS,
        Verb.REOPEN_SITE,
        Verb.CLOSE_SITE,
        Verb.ARCHIVE_DIVERGED,
        Verb.REBUILD_REPLICA,
        Verb.PROTECT,
        Verb.RESTORE,
        Verb.DISCARD_RESTORE,
        Verb.PRUNE,
        Verb.OPEN_BUBBLE,
        Verb.CLOSE_BUBBLE,
        Verb.CLONE_DATA,
        Verb.ROUND_TRIP,
    }
)
