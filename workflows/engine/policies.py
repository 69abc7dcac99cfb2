"""Every timeout and retry of the engine, in one place."""

from datetime import timedelta
from typing import TypedDict

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType

HEARTBEAT = timedelta(seconds=3)
"""A dead worker is noticed after this long. Activities beat each second, so two beats may be lost."""

UNDO_TIMEOUT = timedelta(minutes=10)
"""An undo is tried for this long before the run parks with what still stands."""

PATIENCE = timedelta(minutes=10)
"""How long a worker may be away before a step counts as not answered."""

TRIED_THROUGHOUT = timedelta(hours=1)
"""A step that may take so long, at most, is tried until its time is over."""

LONG_TRIES = 15
"""What copies for hours is not retried for hours: after about a minute of failing it is a person's turn."""

LOOK_TIMEOUT = timedelta(seconds=5)
"""One look at a component; its provider has shorter timeouts of its own."""

OLD_SITE_PATIENCE = timedelta(seconds=2)
"""How long the old site's own worker has to take a question before it counts as not answering."""

BOOKKEEPING_TIMEOUT = timedelta(minutes=10)
"""Reading the runbook, the lease, the report: our own state, worth waiting for through a restart of the server."""


class ActivityOptions(TypedDict, total=False):
    """The options that all of the engine's activities share."""

    start_to_close_timeout: timedelta
    schedule_to_close_timeout: timedelta
    schedule_to_start_timeout: timedelta
    heartbeat_timeout: timedelta
    retry_policy: RetryPolicy
    cancellation_type: ActivityCancellationType


def effect(timeout: timedelta) -> ActivityOptions:
    """A step: retried until its time is over; each attempt looks before it acts, so a retry is never blind.

    WAIT_CANCELLATION_COMPLETED, because the default would report a step as cancelled while its call still runs.
    """
    return ActivityOptions(
        schedule_to_start_timeout=min(timeout, PATIENCE),
        start_to_close_timeout=timeout,
        schedule_to_close_timeout=timeout,
        heartbeat_timeout=HEARTBEAT,
        retry_policy=RetryPolicy(
            initial_interval=timedelta(milliseconds=200),
            backoff_coefficient=1.5,
            maximum_interval=timedelta(seconds=5),
            maximum_attempts=0 if timeout <= TRIED_THROUGHOUT else LONG_TRIES,
        ),
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    )


def undoing(timeout: timedelta) -> timedelta:
    """How long the undo of a step that may take so long is tried: what takes hours to do is taken back sooner."""
    return UNDO_TIMEOUT if timeout > TRIED_THROUGHOUT else max(timeout, UNDO_TIMEOUT)


def copying(timeout: timedelta) -> ActivityOptions:
    """A turn of replication: a few attempts, then the next turn of the schedule is the retry. A worker that is away
    is noticed in seconds, not when the step's long limit ends."""
    return ActivityOptions(
        schedule_to_start_timeout=timedelta(seconds=15),
        start_to_close_timeout=timeout,
        heartbeat_timeout=HEARTBEAT,
        retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=3),
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    )


def look(patience: timedelta = LOOK_TIMEOUT, tries: int = 2) -> ActivityOptions:
    """One look. A second try is for a worker that dies while it looks; after that, not being able to look is the
    answer. `patience` is the time for a worker to take it."""
    return ActivityOptions(
        schedule_to_start_timeout=patience,
        start_to_close_timeout=LOOK_TIMEOUT,
        retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_attempts=tries),
        cancellation_type=ActivityCancellationType.TRY_CANCEL,
    )


def preflight() -> ActivityOptions:
    """Asked once. What does not come soon is told as silence: a planned move waits for it, and no more than that."""
    return ActivityOptions(
        schedule_to_start_timeout=LOOK_TIMEOUT,
        start_to_close_timeout=timedelta(seconds=10),
        retry_policy=RetryPolicy(maximum_attempts=1),
        cancellation_type=ActivityCancellationType.TRY_CANCEL,
    )


def bookkeeping() -> ActivityOptions:
    """Our own state. No heartbeat: these take milliseconds, and start_to_close is short enough to notice a death."""
    return ActivityOptions(
        start_to_close_timeout=timedelta(seconds=5),
        schedule_to_close_timeout=BOOKKEEPING_TIMEOUT,
        retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=5)),
    )


def watching() -> ActivityOptions:
    """Watching a run, for as long as it lives. Its worker's death is noticed by the heartbeats it sends at each look;
    another one goes on then, for ever."""
    return ActivityOptions(
        start_to_close_timeout=timedelta(days=3650),
        heartbeat_timeout=timedelta(seconds=30),
        retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=5)),
        cancellation_type=ActivityCancellationType.TRY_CANCEL,
    )


def chore() -> ActivityOptions:
    """What nobody waits for: a few attempts, then again later, so that what is wanted by then is done instead."""
    return ActivityOptions(
        start_to_close_timeout=timedelta(seconds=30),
        retry_policy=RetryPolicy(
            initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10), maximum_attempts=5
        ),
    )


def aside() -> ActivityOptions:
    """What a run never waits for: tried twice, and dropped when the run ends."""
    return ActivityOptions(
        start_to_close_timeout=timedelta(seconds=10),
        schedule_to_close_timeout=timedelta(seconds=30),
        retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=2),
        cancellation_type=ActivityCancellationType.TRY_CANCEL,
    )


LAST_WORD = timedelta(seconds=30)
"""How long a run that has ended waits for its messages: twice what one dead channel takes before its fallback."""


def notice(tries: int) -> ActivityOptions:
    """One message by one channel. A sender gives up by itself before its attempt is over, so that a second attempt
    never runs beside a first one that still sends."""
    return ActivityOptions(
        start_to_close_timeout=timedelta(seconds=13),
        schedule_to_close_timeout=timedelta(minutes=5),
        retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=tries),
        cancellation_type=ActivityCancellationType.ABANDON,
    )
