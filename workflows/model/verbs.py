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
    GATE = "approve"
    """Not an activity: the step that waits for people."""

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
    }
)
