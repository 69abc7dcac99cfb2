"""Tells people what a run does, and calls others when nobody answers.

Invariants:

* No step waits for a message. A message is an activity of its own task; only a run that has ended, and has given its
  lease back, gives those that are still on their way a bounded chance.
* No fault in here reaches the run: what cannot be told is noted.
* A run whose runbook has no notices commands nothing by this module.
* No command depends on when people acknowledge: the timers of a ladder run out, and find that they are not wanted.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows.model.messages import CONTROL_QUEUE
from workflows.model.notices import (
    ENDS,
    Audience,
    Channel,
    Event,
    NoticeRecord,
    Notices,
    NoticeText,
    SendNoticeRequest,
    SentNotice,
)
from workflows.model.plan import Operation
from workflows.model.progress import RunState, StepState

from . import policies
from .notice_words import text
from .occasion import occasion

if TYPE_CHECKING:
    from .run import RecoveryRun

MOST = 200
"""Messages of one run, its last ones aside: a step that fails all night is not worth a history that ends the run."""

_TRIES = 4
_TRIES_BEFORE_FALLBACK = 2
_ENDS: Mapping[RunState, Event] = {
    RunState.RECOVERED: Event.RECOVERED,
    RunState.RECOVERED_DEGRADED: Event.DEGRADED,
    RunState.COMPENSATED: Event.COMPENSATED,
    RunState.REFUSED: Event.FAILED,
}
_PARKED = "parked"


class Delivery(NamedTuple):
    """What became of a message."""

    taken: bool
    by: str
    """The channel that took it, where that is a fallback."""
    detail: str


async def deliver(notices: Notices, key: str, channel: str, message: NoticeText) -> Delivery:
    """By the channel, or by the one that it falls back on, and so on; `key` is the same for each attempt."""
    said: list[str] = []
    tried: set[str] = set()
    taken: str | None = channel
    while taken is not None and taken not in tried:
        tried.add(taken)
        place = notices.channels[taken]
        delivered, words = await _attempt(f"{key} {taken}", taken, place, message)
        said += [f"{taken}: {words}"] if words else []
        if delivered:
            return Delivery(True, "" if taken == channel else taken, " ".join(said))
        taken = place.fallback
    return Delivery(False, "", " ".join(said))


async def _attempt(key: str, name: str, place: Channel, message: NoticeText) -> tuple[bool, str]:
    """Whether the channel has taken it, and what is to be said of that."""
    try:
        sent: SentNotice = await workflow.execute_activity(
            "send_notice",
            SendNoticeRequest(key=key, channel=name, url=place.url, text=message),
            task_queue=CONTROL_QUEUE,
            result_type=SentNotice,
            summary=f"{name}: {message.subject}"[:100],
            **policies.notice(_TRIES_BEFORE_FALLBACK if place.fallback else _TRIES),
        )
    except ActivityError as error:
        cause = error.cause
        return False, cause.message if isinstance(cause, ApplicationError) else "It gave no answer in time."
    return True, sent.detail


class Notifier:
    """The messages of one run."""

    def __init__(self, run: "RecoveryRun") -> None:
        self._run = run
        self._told: set[str] = set()
        self._acknowledged: set[str] = set()
        """Waits that somebody has taken, by key."""
        self._climbing: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []
        # A leg of a live drill is a run of its own, and as much of a drill.
        self._drill = run.ledger.operation is Operation.DRILL or workflow.info().parent is not None

    @property
    def _notices(self) -> Notices:
        loaded = self._run.ledger.loaded
        return loaded.runbook.notices if loaded else Notices()

    # --- What is new ---

    def look(self) -> None:
        """Tell what is new since the last look."""
        if any(wait not in self._acknowledged for wait, _event in self._waits()):
            self._run.ledger.acknowledged = ""
        if not self._notices.channels:
            return
        try:
            for key, event in self._news():
                if key not in self._told:
                    self._told.add(key)
                    self._tell(key, event)
                    self._climb_for(key)
        except Exception as error:
            self._failed(error)

    def _news(self) -> Iterator[tuple[str, Event]]:
        ledger = self._run.ledger
        if self._run.executor is not None:
            yield "started", Event.STARTED
        yield from self._waits()
        if ledger.clock.pivot is not None:
            yield "pivot", Event.POINT_OF_NO_RETURN
        if ledger.state.ended and ledger.clock.ended is not None:
            drilled = ledger.operation is Operation.DRILL
            yield "end", Event.DRILL_RESULT if drilled else _ENDS[ledger.state]

    def _waits(self) -> Iterator[tuple[str, Event]]:
        """What waits for people now."""
        ledger = self._run.ledger
        gate = ledger.gate
        if ledger.state.ended:
            return
        if gate is not None and any(record.id == gate.step for record in ledger.in_state(StepState.WAITING)):
            yield f"gate-{gate.step}-{2 if gate.escalated else 1}", Event.WAITING_FOR_APPROVAL
        for step, parked in ledger.parked.items():
            yield f"{_PARKED}-{step}-{parked.since:%Y%m%dT%H%M%S.%f}", Event.PARKED

    # --- Sending ---

    def _tell(self, key: str, event: Event, rung: int | None = None) -> None:
        """Start the messages of an event; on a rung of the ladder, to that rung's channels."""
        notices = self._notices
        if len(self._run.ledger.notices) >= MOST and key != "end":
            return
        if rung is None:
            addressed = [*self._addressed(notices, event)]
        else:
            addressed = [(Audience.RESPONDERS, name) for name in dict.fromkeys(notices.escalation[rung].to)]
        if not addressed:
            return
        about = occasion(self._run.ledger, event, self._drill, workflow.now())
        for audience, channel in addressed:
            self._send(key, event, audience, channel, text(about, audience))

    def _addressed(self, notices: Notices, event: Event) -> Iterator[tuple[Audience, str]]:
        """Each channel once: where two audiences share one, the words are those for the first."""
        used: set[str] = set()
        for audience in Audience:
            if event not in getattr(notices.send, audience.value) or (self._drill and audience not in notices.drills):
                continue
            # Users who were told of nothing need no news of its end.
            if audience is Audience.STATUS_PAGE and event in ENDS and "started" not in self._told:
                continue
            for channel in getattr(notices.audiences, audience.value):
                if channel not in used:
                    used.add(channel)
                    yield audience, channel

    def _send(self, key: str, event: Event, audience: Audience, channel: str, message: NoticeText) -> None:
        records = self._run.ledger.notices
        records.append(NoticeRecord(at=workflow.now(), event=event, audience=audience.value, channel=channel))
        self._keep(self._deliver(len(records) - 1, key, channel, message))

    async def _deliver(self, number: int, key: str, channel: str, message: NoticeText) -> None:
        event = self._run.ledger.notices[number].event
        # A reset keeps the original id, so that a run which is played again tells nothing twice; but if it ends
        # otherwise than it did, that is told.
        unique = f"{self._run.ledger.workflow_id} {workflow.info().original_execution_run_id} {key} {event}"
        try:
            delivery = await deliver(self._notices, unique, channel, message)
            self._note(number, delivered=delivery.taken, by=delivery.by, detail=delivery.detail)
        except Exception as error:
            self._note(number, delivered=False, detail=type(error).__name__)
            self._failed(error, channel)

    def _note(self, number: int, **found: object) -> None:
        records = self._run.ledger.notices
        records[number] = records[number].model_copy(update=found)
        self._run.show()

    def _failed(self, error: Exception, channel: str = "") -> None:
        workflow.logger.exception("a notice could not be made")
        why = f"{type(error).__name__} {channel}".strip()
        self._run.ledger.note("notice not made", "Seawall", workflow.now(), None, why)

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        """Start it beside the run; a task that nobody holds may be collected while it waits."""
        self._tasks = [task for task in self._tasks if not task.done()]
        self._tasks.append(asyncio.create_task(work))

    # --- The ladder ---

    def _climb_for(self, key: str) -> None:
        """Call others, later, while this waits. All that is parked shares one ladder: twenty steps are one trouble."""
        if not key.startswith(("gate-", _PARKED)) or not self._notices.escalation:
            return
        lane = _PARKED if key.startswith(_PARKED) else key
        if lane not in self._climbing:
            self._climbing.add(lane)
            self._keep(self._climb(lane, key))

    async def _climb(self, lane: str, key: str) -> None:
        """Each step at its time, then the last one again and again."""
        notices = self._notices
        last, waited, called = len(notices.escalation) - 1, timedelta(0), 0
        while called <= last or notices.repeat_last:
            number = min(called, last)
            rung = notices.escalation[number]
            pause = rung.after - waited if called <= last else notices.repeat_last
            await workflow.sleep(pause, summary=f"then {', '.join(rung.to)} is called"[:100])
            waited, called = rung.after, called + 1
            if not any(wait.startswith(lane) and wait not in self._acknowledged for wait, _event in self._waits()):
                break
            try:
                self._tell(f"{key}-rung-{called}", Event.ESCALATION, number)
            except Exception as error:
                self._failed(error)
        self._climbing.discard(lane)

    @property
    def waiting(self) -> bool:
        """Whether anything waits for people."""
        return any(True for _wait in self._waits())

    def acknowledge(self, by: str, at: datetime) -> None:
        """Somebody sees to all that waits now."""
        self._acknowledged.update(wait for wait, _event in self._waits())
        self._run.ledger.acknowledged = f"{by} at {at:%H:%M:%S} UTC"

    # --- The end ---

    async def last_word(self) -> bool:
        """Give what is on its way a bounded chance; False when there was nothing. A leg of a live drill waits for
        none: users are away from home until the next leg."""
        if not self._run.ledger.notices or workflow.info().parent is not None:
            return False
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: all(record.delivered is not None for record in self._run.ledger.notices),
                timeout=policies.LAST_WORD,
                timeout_summary="for the last messages",
            )
        return True
