"""The only module that knows Apprise: one message to one Apprise URL, within a bounded time.

A URL is a secret. Nothing that Apprise, or the HTTP library under it, has to say about one reaches a log.
"""

import asyncio
import functools
import logging
import threading
import warnings
from typing import Any

from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, TemporaryError
from workflows.model.notices import NoticeText

MOST_SENDERS = 16
"""Threads that may hang in a dead channel at once."""

_loading = threading.Lock()
_places = threading.BoundedSemaphore(MOST_SENDERS)


def load() -> Any:
    """Apprise, which takes a second to load with all its services.

    Raises:
        PermanentError: CONFIGURATION when it is not installed.
    """
    with _loading:
        return _loaded()


@functools.cache
def _loaded() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what its services import is not ours to mend
            import apprise

            apprise.Apprise().add("json://localhost")  # the services are loaded by the first URL
    except ImportError:
        raise PermanentError(
            Code.CONFIGURATION, "Apprise is not installed with this worker.", "Install seawall[notices]."
        ) from None
    logging.getLogger("apprise").disabled = True
    # At DEBUG it writes the path of each request, which is the token of many a chat tool.
    http = logging.getLogger("urllib3")
    http.setLevel(max(http.getEffectiveLevel(), logging.INFO))
    return apprise


async def send(url: str, message: NoticeText, seconds: float) -> None:
    """Send it; it was taken when this returns.

    The call runs in a daemon thread of its own: a channel that answers byte by byte would hold one of the event loop's
    threads for as long as it likes, and the worker's end with it.

    Raises:
        OutcomeUnknownError: the channel did not take it, or did not answer in time; it may have arrived all the same.
        PermanentError: CONFIGURATION when the URL is none that Apprise knows.
        TemporaryError: LIMIT_EXCEEDED when too many hang already; nothing was sent.
    """
    box = _box(await asyncio.to_thread(load), url)
    if not _places.acquire(blocking=False):
        raise TemporaryError(Code.LIMIT_EXCEEDED, f"{MOST_SENDERS} messages hang in channels that do not answer.")
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bool] = loop.create_future()

    def settle(taken: bool) -> None:
        if not answer.done():
            answer.set_result(taken)

    def work() -> None:
        try:
            taken = bool(box.notify(message.body, title=message.subject, notify_type=message.tone))
        except Exception:  # its text may hold the URL
            taken = False
        finally:
            _places.release()
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, taken)

    threading.Thread(target=work, name="notice", daemon=True).start()
    try:
        taken = await asyncio.wait_for(answer, seconds)
    except TimeoutError:
        raise OutcomeUnknownError(f"It gave no answer within {seconds:g} s.") from None
    if not taken:
        raise OutcomeUnknownError("It could not be reached, or did not take the message.")


def _box(apprise: Any, url: str) -> Any:
    asset = apprise.AppriseAsset(
        app_id="Seawall", app_desc="Disaster recovery", app_url="", secure_logging=True, body_format="text"
    )
    box = apprise.Apprise(asset=asset)
    if not url or not box.add(url):
        raise PermanentError(
            Code.CONFIGURATION, "The secret of this channel is no URL that Apprise knows.", "See `docs/notices.md`."
        )
    return box
