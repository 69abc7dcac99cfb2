"""The frame around every activity: heartbeats, timing, and our errors put on the wire.

An error crosses as an `ApplicationError` whose type is the code; its details carry the next step and the attempt. The
text of an error that is not ours stays in the worker's log: a driver's message may hold a connection string.
"""

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from typing import TypeVar

from temporalio import activity
from temporalio.exceptions import ApplicationError

from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, SeawallError, TemporaryError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.verbs import Verb

log = logging.getLogger("seawall.activities")

Self = TypeVar("Self")
_BEAT_SECONDS = 1.0


class Pulse:
    """One attempt's sign of life, and its right to act.

    A worker that was frozen (SIGSTOP, a paused VM) wakes up inside an attempt that the server has given to somebody
    else. The last beat tells: an attempt whose beats stopped for longer than the server waits is not ours any more.
    """

    def __init__(self) -> None:
        info = activity.info()
        self._progress = ""
        self._last_beat = self._started = time.monotonic()
        self._patience = info.heartbeat_timeout.total_seconds() if info.heartbeat_timeout else None
        self._lifetime = info.start_to_close_timeout.total_seconds() if info.start_to_close_timeout else None

    def progress(self, words: str) -> None:
        """What is being done now, for the next beat."""
        self._progress = words

    def beat(self) -> None:
        """Tell the server that this attempt lives."""
        self.still_mine()
        activity.heartbeat(self._progress)
        self._last_beat = time.monotonic()

    def still_mine(self) -> None:
        """Called immediately before an effect.

        Raises:
            TemporaryError: LEASE_LOST when the server has stopped waiting for this attempt.
        """
        now = time.monotonic()
        silent, age = now - self._last_beat, now - self._started
        if (self._patience and silent > self._patience) or (self._lifetime and age > self._lifetime):
            raise TemporaryError(
                Code.LEASE_LOST, f"This attempt was frozen for {silent:.1f} s and has been given to another worker."
            )


@contextlib.asynccontextmanager
async def heartbeating() -> AsyncIterator[Pulse]:
    """Beat in the background for as long as the body runs."""
    pulse = Pulse()

    async def beat() -> None:
        # The start of the attempt counts as a beat: most steps are over before a first one would be worth its call.
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            pulse.beat()

    task = asyncio.create_task(beat())
    try:
        yield pulse
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, SeawallError):
            await task


@contextlib.contextmanager
def on_the_wire() -> Iterator[None]:
    """Turn what is raised inside into an `ApplicationError` of our contract."""
    try:
        yield
    except SeawallError as error:
        raise _encode(error) from None
    except (ApplicationError, asyncio.CancelledError):
        raise
    except Exception as error:
        log.exception("unexpected error in %s", activity.info().activity_type)
        sentence = f"An unexpected {type(error).__name__} in {activity.info().activity_type}; the worker's log has it."
        raise _encode(OutcomeUnknownError(sentence)) from None


def _encode(error: SeawallError) -> ApplicationError:
    delay = error.delay if isinstance(error, TemporaryError) else None
    return ApplicationError(
        str(error),
        {"next_step": error.next_step, "attempt": activity.info().attempt},
        type=error.code,
        non_retryable=isinstance(error, PermanentError),
        next_retry_delay=None if delay is None else timedelta(seconds=delay),
    )


def _insist_on_the_first_execution(request: StepRequest) -> None:
    """A reset rewinds a run, and not the world: what the new execution takes for undone may stand.

    Raises:
        PermanentError: LEASE_LOST, when the execution that asks is not the one that took the lease.
    """
    wanted, asks = request.ref.execution, activity.info().workflow_run_id
    if wanted and asks != wanted:
        raise PermanentError(
            Code.LEASE_LOST,
            "This run was reset: the lease belongs to the execution before it, and what that one did stands.",
            f"Start a new run that adopts it: `seawall adopt {request.ref.application}`.",
        )


VerbMethod = Callable[[Self, StepRequest, Pulse], Awaitable[StepResult]]


def verb(name: Verb) -> Callable[[VerbMethod[Self]], Callable[[Self, StepRequest], Awaitable[StepResult]]]:
    """Make a method the activity of a verb: it beats, it is timed, and its errors are ours."""

    def decorate(method: VerbMethod[Self]) -> Callable[[Self, StepRequest], Awaitable[StepResult]]:
        # `self` stays without annotation: the SDK takes an annotated first parameter for an argument.
        @activity.defn(name=name.value)
        async def run(self, request: StepRequest) -> StepResult:  # type: ignore[no-untyped-def]
            started = time.monotonic()
            with on_the_wire():
                _insist_on_the_first_execution(request)
                async with heartbeating() as pulse:
                    result = await method(self, request, pulse)
            return result.model_copy(
                update={"provider_seconds": time.monotonic() - started, "attempt": activity.info().attempt}
            )

        functools.update_wrapper(run, method, assigned=("__doc__",), updated=())
        return run

    return decorate
