"""What the `Application` entity does beside answering: it watches who holds it, and keeps its schedules in step.

The invariant: a lease is never given back by guessing. A run that has ended without giving it back may have left
effects behind, so the lease stays with it, loudly, until a person adopts or releases it. Only a rehearsal, which
touched nothing of the application, is forgotten at once.

None of this is waited for by a run: `acquire_lease` has returned before any of it begins.
"""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows.model.entity import PREEMPTION, Ending, Orphan, WatchRequest
from workflows.model.messages import CONTROL_QUEUE, LoadedRunbook, LoadRunbookRequest
from workflows.model.schedules import HoldSchedulesRequest

from . import policies
from .notice_words import orphaned
from .notices import deliver

CALL_AGAIN = timedelta(minutes=15)
"""After which people are told once more of a lease that nobody has adopted or freed."""
_AGAIN = timedelta(minutes=1)
"""After which what could not be done is tried anew."""


class Held(NamedTuple):
    """One execution that holds something."""

    holder: str
    run_id: str


async def watch(held: Callable[[], Held | None], gone: Callable[[Held, Ending], None]) -> None:
    """Tell, for ever, when an execution that `held` names has ended while it was still named."""
    while True:
        await workflow.wait_condition(lambda: held() is not None)
        watched = held()
        if watched is not None and (ending := await _ending_of(watched, held)) is not None:
            gone(watched, ending)


async def _ending_of(watched: Held, held: Callable[[], Held | None]) -> Ending | None:
    """How it ended; None once it holds nothing any more, or when the watch gave up and has to begin anew."""
    look = workflow.start_activity(
        "watch_holder",
        WatchRequest(holder=watched.holder, run_id=watched.run_id),
        task_queue=CONTROL_QUEUE,
        result_type=Ending,
        summary=f"watch {watched.holder}"[:100],
        **policies.watching(),
    )
    await workflow.wait_condition(lambda: look.done() or held() != watched)
    ended = held() == watched
    if not ended:
        look.cancel()
    with contextlib.suppress(ActivityError, asyncio.CancelledError):
        ending: Ending = await look
        return ending if ended else None
    return None


async def hold_schedules(request: HoldSchedulesRequest) -> bool:
    """Pause the application's schedules for a run, or let them go on; whether that is known to stand."""
    words = f"pause the schedules for {request.holder}" if request.holder else "let the schedules go on"
    try:
        await workflow.execute_activity(
            "hold_schedules",
            request,
            task_queue=CONTROL_QUEUE,
            summary=words[:100],
            **policies.chore(),
        )
    except ActivityError as error:
        workflow.logger.warning("could not %s: %s", words, error.cause)
        return False
    return True


async def call_for(orphaned_now: Callable[[], Orphan | None], application: str) -> None:
    """Tell people, and again and again for as long as nobody has adopted or freed the lease."""
    orphan, called = orphaned_now(), 0

    def over() -> bool:
        return orphaned_now() != orphan

    while orphan is not None and not over() and workflow.patched("tell-of-orphans"):
        try:
            await _tell_of(application, orphan, called)
        except Exception:
            # No fault in a message may keep the entity from giving out leases.
            workflow.logger.exception("nobody could be told that %s is orphaned", application)
        await wait_before_again(over, CALL_AGAIN)
        called += 1
    await workflow.wait_condition(over)


async def _tell_of(application: str, orphan: Orphan, called: int) -> None:
    """Tell the responders, and at later calls whoever the ladder names, that nobody recovers this application."""
    try:
        loaded: LoadedRunbook = await workflow.execute_activity(
            "load_runbook",
            LoadRunbookRequest(name=application),
            task_queue=CONTROL_QUEUE,
            result_type=LoadedRunbook,
            summary="who is to be told of the orphaned lease",
            **policies.chore(),
        )
    except ActivityError as error:
        workflow.logger.warning("nobody can be told that %s is orphaned: %s", application, error.cause)
        return
    notices = loaded.runbook.notices
    ladder = [name for rung in notices.escalation for name in rung.to] if called else []
    message = orphaned(application, orphan, called)
    for channel in dict.fromkeys([*notices.audiences.responders, *ladder]):
        key = f"{application} orphaned {orphan.epoch} {orphan.holder} {called}"
        delivery = await deliver(notices, key, channel, message)
        if not delivery.taken:
            workflow.logger.warning("%s was not told that %s is orphaned: %s", channel, application, delivery.detail)


async def wait_before_again(changed: Callable[[], bool], after: timedelta = _AGAIN) -> None:
    """Wait until something changes, or it is time to do it once more."""
    with contextlib.suppress(TimeoutError):
        await workflow.wait_condition(changed, timeout=after, timeout_summary="try again")


async def end_rehearsal(held: Held) -> None:
    """The drill undoes what it has, beside the real run: they share nothing."""
    try:
        await workflow.get_external_workflow_handle(held.holder, run_id=held.run_id).cancel(reason=PREEMPTION)
    except ApplicationError:
        workflow.logger.info("the drill %s had ended", held.holder)
