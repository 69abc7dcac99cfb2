"""The controller's HTTP interface: what it answers, as one of our own errors or as a state."""

import functools
import ssl
from typing import Any, Literal

import httpx
from pydantic import ValidationError

from activities.providers.base import secret
from workflows.model.base import Message
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, TemporaryError

from .settings import HttpPowerSettings


class HostState(Message):
    """What the controller says of a host."""

    host: str
    power: Literal["on", "off", "rescue"]
    epoch: int = 0
    held: bool = False


@functools.cache
def _tls(secure: bool) -> ssl.SSLContext:
    # Loading the certificates takes tens of milliseconds, which plain HTTP need not pay.
    return ssl.create_default_context() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Controller:
    """Asks for one host. A proxy of the environment is never used: it may stand in the failed site."""

    def __init__(self, settings: HttpPowerSettings) -> None:
        self._settings = settings
        self._base = f"{settings.url.rstrip('/')}/hosts/{settings.host}"

    async def state(self) -> HostState:
        """What stands now.

        Raises:
            TemporaryError: UNREACHABLE or THROTTLED.
            PermanentError: CONFIGURATION or NOT_FOUND.
        """
        try:
            return self._parse(await self._ask("GET", self._base))
        except (httpx.HTTPError, OSError) as error:
            raise self._unreachable(error) from None

    async def set(self, power: Literal["on", "off", "rescue"], epoch: int, key: str, held: bool) -> bool:
        """Switch it; one that is off and not `held` may be switched on by hand. True when the controller accepted,
        False when it is not known whether it did.

        Raises:
            PermanentError: STALE_EPOCH, CONFIGURATION or NOT_FOUND.
            TemporaryError: nothing was sent, or the controller said that it is too busy.
        """
        body = {"power": power, "epoch": epoch, "key": key, "held": held}
        try:
            answer = await self._ask("PUT", f"{self._base}/power", body)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise self._unreachable(error) from None
        except (httpx.HTTPError, OSError):
            return False
        if answer.status_code >= 500:
            return False
        self._refusals(answer, epoch)
        return True

    async def _ask(self, method: str, url: str, body: dict[str, Any] | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {secret(self._settings.token)}"}
        timeout = self._settings.timeout.total_seconds()
        tls = _tls(url.startswith("https:"))
        async with httpx.AsyncClient(verify=tls, trust_env=False, timeout=timeout) as client:
            return await client.request(method, url, json=body, headers=headers)

    def _unreachable(self, error: Exception) -> TemporaryError:
        return TemporaryError(
            Code.UNREACHABLE,
            f"The power controller of {self._settings.host} does not answer ({type(error).__name__}).",
            "Check the way to the controller, then retry.",
        )

    def _refusals(self, answer: httpx.Response, epoch: int | None = None) -> None:
        code, host = answer.status_code, self._settings.host
        if code == 409:
            stands = _number(answer)
            raise PermanentError(
                Code.STALE_EPOCH,
                f"The power controller holds epoch {stands} for {host}, above epoch {epoch} of this run.",
                "Look at the later run; this one must not go on.",
            )
        if code in (401, 403):
            raise PermanentError(
                Code.CONFIGURATION, f"The power controller of {host} refused our token.", "Check the token."
            )
        if code == 404:
            raise PermanentError(
                Code.NOT_FOUND, f"The power controller knows no host {host!r}.", "Check `host` in the runbook."
            )
        if code in (429, 503):
            delay = answer.headers.get("Retry-After", "")
            raise TemporaryError(
                Code.THROTTLED,
                f"The power controller of {host} asks to wait.",
                "It is retried by itself.",
                delay=float(delay) if delay.isdigit() else None,
            )
        if code != 200:
            raise PermanentError(
                Code.CONFIGURATION, f"The power controller of {host} answered HTTP {code}.", "Check its `url`."
            )

    def _parse(self, answer: httpx.Response) -> HostState:
        if answer.status_code >= 500 and answer.status_code != 503:
            raise TemporaryError(
                Code.UNREACHABLE,
                f"The power controller of {self._settings.host} answered HTTP {answer.status_code}.",
                "Look at the controller, then retry.",
            )
        self._refusals(answer)
        try:
            found = HostState.model_validate_json(answer.content)
        except ValidationError:
            found = None
        if found is None or found.host != self._settings.host:
            raise PermanentError(
                Code.CONFIGURATION,
                f"The power controller's answer is not about {self._settings.host}.",
                "Check its `url` and `host` in the runbook.",
            )
        return found


def unknown(host: str, power: str) -> OutcomeUnknownError:
    """The switch was asked for and does not show."""
    return OutcomeUnknownError(
        f"{host} was told to be {power}, and its controller does not report it.", "The next attempt looks first."
    )


def _number(answer: httpx.Response) -> int | str:
    try:
        return int(answer.json()["epoch"])
    except (ValueError, KeyError, TypeError):
        return "unknown"
