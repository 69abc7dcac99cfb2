"""Sends one message by one channel, once as far as can be known. Its failure is reported; nobody waits for it."""

import asyncio
import contextlib
import logging
from pathlib import Path

from temporalio import activity

from activities.providers.base import secret
from workflows.model.notices import SendNoticeRequest, SentNotice, sent_again

from .apprise_box import send
from .sent_notices import SentNotices, State
from .wire import on_the_wire

log = logging.getLogger("seawall.notices")

PATIENCE_SECONDS = 10.0
"""Of one attempt; less than the attempt's own time, so that two never send beside each other."""


class SendNotice:
    """The messages of a control worker; `folder` is its state."""

    def __init__(self, folder: Path, seconds: float = PATIENCE_SECONDS) -> None:
        self._sent = SentNotices(folder / "notices")
        with contextlib.suppress(OSError):
            self._sent.forget_old()
        self._seconds = seconds
        self._busy: dict[str, asyncio.Lock] = {}

    @activity.defn(name="send_notice")
    async def send_notice(self, request: SendNoticeRequest) -> SentNotice:
        """Send it, unless it was sent.

        Raises:
            PermanentError: CONFIGURATION, naming where the secret is expected, never the secret.
            OutcomeUnknownError: the channel did not take it, as far as is known.
        """
        with on_the_wire():
            lock = self._busy.setdefault(request.key, asyncio.Lock())
            try:
                async with lock:
                    return await self._send(request)
            finally:
                if not lock.locked():
                    self._busy.pop(request.key, None)

    async def _send(self, request: SendNoticeRequest) -> SentNotice:
        was = await asyncio.to_thread(self._sent.state, request.key)
        if was == "done":
            return SentNotice(detail="It was sent by an earlier attempt.")
        url, message = secret(request.url), request.text
        if was == "begun":
            message = sent_again(message)
        remembered = await self._note(request.key, "begun")
        await send(url, message, self._seconds)
        await self._note(request.key, "done")
        if was == "begun":
            return SentNotice(detail="Sent again: it is not known whether an earlier attempt arrived.")
        return SentNotice(detail="" if remembered else "It could not be noted, so a retry would send it again.")

    async def _note(self, key: str, state: State) -> bool:
        """A full disk must not keep people from being told."""
        try:
            await asyncio.to_thread(self._sent.note, key, state)
        except OSError as error:
            log.warning("a message could not be noted as %s: %s", state, error.strerror)
            return False
        return True
