"""Who is told of what, by which channel, and who is called when nobody answers. `docs/notices.md` explains it."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal, get_args

from pydantic import Field

from .base import Duration, Message, Name, SecretRef, Strict


class Event(StrEnum):
    """What people are told of."""

    STARTED = "started"
    WAITING_FOR_APPROVAL = "waiting-for-approval"
    PARKED = "parked"
    POINT_OF_NO_RETURN = "point-of-no-return"
    RECOVERED = "recovered"
    DEGRADED = "degraded"
    COMPENSATED = "compensated"
    FAILED = "failed"
    """Refused, rejected, or stopped with nothing to undo."""
    DRILL_RESULT = "drill-result"
    ESCALATION = "escalation"
    """Nobody has acknowledged. It goes to the channels of the ladder, whatever their audience."""


Told = Literal[
    Event.STARTED,
    Event.WAITING_FOR_APPROVAL,
    Event.PARKED,
    Event.POINT_OF_NO_RETURN,
    Event.RECOVERED,
    Event.DEGRADED,
    Event.COMPENSATED,
    Event.FAILED,
    Event.DRILL_RESULT,
]
"""What an audience may be sent."""

ENDS: tuple[Told, ...] = (Event.RECOVERED, Event.DEGRADED, Event.COMPENSATED, Event.FAILED)


_FRAME: tuple[Told, ...] = (Event.STARTED, *ENDS)


class Audience(StrEnum):
    """For whom a message is written; the first of them that a channel belongs to decides its words."""

    RESPONDERS = "responders"
    STAKEHOLDERS = "stakeholders"
    STATUS_PAGE = "status_page"


class Channel(Strict):
    """One way to people: e-mail, chat, a pager, a webhook."""

    url: SecretRef
    """Where the Apprise URL is found, such as `{env: SHOP_SLACK}`. It is a secret and never stands in a runbook."""
    fallback: Name | None = None
    """The channel that is taken when this one does not deliver."""


class Audiences(Strict):
    """The channels of each audience."""

    responders: tuple[Name, ...] = ()
    """Who acts: they are told what is asked of them, and the command that answers."""
    stakeholders: tuple[Name, ...] = ()
    """Who must know: no commands, no steps."""
    status_page: tuple[Name, ...] = ()
    """The users: no sites, no names, no reasons."""


class Send(Strict):
    """Of which events each audience is told."""

    responders: tuple[Told, ...] = get_args(Told)
    stakeholders: tuple[Told, ...] = (*_FRAME, Event.DRILL_RESULT)
    status_page: tuple[Told, ...] = _FRAME
    """How a run ended is told only where its start was."""


class Rung(Strict):
    """One step of the ladder: who else is called when something has waited for people so long."""

    after: Duration
    """Since it began to wait."""
    to: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Channels."""


class Notices(Strict):
    """Who is told of what. A dead channel never stops or delays a recovery: it is reported."""

    channels: dict[Name, Channel] = {}
    audiences: Audiences = Audiences()
    send: Send = Send()
    escalation: tuple[Rung, ...] = ()
    """The ladder for what waits for people, climbed until somebody acknowledges or answers."""
    repeat_last: Duration = timedelta(minutes=30)
    """How often its last step is called again while still nobody answers. `0s`: never."""
    drills: tuple[Audience, ...] = (Audience.RESPONDERS, Audience.STAKEHOLDERS)
    """The audiences that are told of drills too. Every subject begins with DRILL then."""


Tone = Literal["info", "success", "warning", "failure"]


class NoticeText(Message):
    """One message, as people read it."""

    subject: str
    body: str
    tone: Tone = "info"


MOST_BODY = 1800
AGAIN = "(sent again: it is not known whether it arrived)"


def sent_again(message: NoticeText) -> NoticeText:
    """The message, marked: an earlier attempt may have arrived."""
    room = MOST_BODY - len(AGAIN) - 1
    return message.model_copy(update={"body": f"{message.body[:room]}\n{AGAIN}"})


class SendNoticeRequest(Message):
    """Send one message by one channel."""

    key: str
    """The same for every attempt, and for no other message: run, event and channel."""
    channel: str
    url: SecretRef
    text: NoticeText


class SentNotice(Message):
    """It was taken by the channel."""

    detail: str = ""


class NoticeRecord(Message):
    """One message of a run, and what became of it."""

    at: datetime
    event: Event
    audience: str
    channel: str
    """To which it was addressed."""
    delivered: bool | None = None
    """Null: not known when the run ended."""
    by: str = ""
    """The channel that took it, where that is a fallback."""
    detail: str = ""
