"""The only place that talks to AWS.

Invariants:

* A change is sent once. botocore would send it again by itself when the answer is lost, also where the call has no
  token: its retries are off for changes, and on (three tries) for reads.
* Only regional endpoints, STS among them: a role is assumed in the region that it is used in.
* A call that was throttled was not carried out: it is sent again, more and more slowly, within a budget of time.
* A cancel waits for the answer of the call in flight: a thread cannot be stopped, and its effect would land later.

`read`, `pages`, `change` and `repeatable` take the names of service and operation as literals: `tests/arch` reads them
out of the code, and the IAM policies in `infra/aws/policies` are made of them.
"""

import asyncio
import copy
import functools
import hashlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import boto3
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.loaders import Loader, create_loader
from botocore.session import Session, get_session

from workflows.model.failure import Code, SeawallError, TemporaryError
from workflows.model.messages import Ref

from .errors import Nature, translate
from .settings import AwsSettings, AwsSite

READ_TRIES = 3
THROTTLED_SECONDS = 600.0
"""The budget of one call: for so long AWS's request to wait is obeyed before the step fails and is tried anew."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 20.0
LOOK_LIMITS = (1.5, 2.5)
"""Seconds to connect and to answer, for a look: that a region does not answer is an answer, and must come soon."""
SESSION_SECONDS = 3600
T = TypeVar("T")


class Aws:
    """Calls to the region of one site, by one provider."""

    def __init__(
        self,
        site: AwsSite,
        settings: AwsSettings,
        run: str = "",
        heartbeat: Callable[[str], None] = lambda _words: None,
    ) -> None:
        """`run` goes into the name of the role's session, by which CloudTrail tells who it was. Without one these are
        the calls of a look: tried once, and soon given up."""
        self.site = site
        self.region = site.region
        self.calls: Counter[str] = Counter()
        """How often each operation was asked for, every page of a list by itself."""
        self._looks = not run
        self._heartbeat = heartbeat
        self._session_name = session_name(run or "look")
        limits = (settings.connect_timeout.total_seconds(), settings.read_timeout.total_seconds())
        self._limits = LOOK_LIMITS if self._looks else limits
        self._endpoint = ""

    def at(self, url: str, region: str) -> "Aws":
        """The same identity in another region, or at an endpoint of its own (empty for the region's): a cluster of ARC
        has five of those. There a read is tried once, since the next endpoint is the second try."""
        found = copy.copy(self)
        found._endpoint, found.region = url, region
        return found

    async def read(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """Ask; tried three times.

        Raises:
            SeawallError: as `errors.translate` says; never OutcomeUnknownError.
        """
        return await self._call(Nature.READ, service, operation, parameters)

    async def change(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """Act; sent once. Ask `context.still_mine()` before.

        Raises:
            OutcomeUnknownError: it may have taken effect.
            SeawallError: it has not, as `errors.translate` says.
        """
        return await self._call(Nature.CHANGE, service, operation, parameters)

    async def repeatable(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """A change that does the same when it is sent twice, by a token or by its nature; tried three times."""
        return await self._call(Nature.CHANGE, service, operation, parameters, repeat=True)

    async def pages(self, service: str, operation: str, member: str, /, **parameters: Any) -> list[Any]:
        """All pages of a list; `member` names the list in the answer."""

        def collect() -> list[Any]:
            client = self._client(service, repeat=True)
            found: list[Any] = []
            for page in client.get_paginator(operation).paginate(**parameters):
                found += page.get(member, [])
                self.calls[operation] += 1
            return found

        return await self._unthrottled(collect, Nature.READ, service, operation)

    async def _call(
        self, nature: Nature, service: str, operation: str, parameters: dict[str, Any], repeat: bool = False
    ) -> dict[str, Any]:
        self.calls[operation] += 1

        def call() -> dict[str, Any]:
            client = self._client(service, repeat=repeat or nature is Nature.READ)
            answer: dict[str, Any] = getattr(client, operation)(**parameters)
            return answer

        return await self._unthrottled(call, nature, service, operation)

    async def _unthrottled(self, call: Callable[[], T], nature: Nature, service: str, operation: str) -> T:
        end = time.monotonic() + (0.0 if self._looks else THROTTLED_SECONDS)
        pause = FIRST_PAUSE
        while True:
            try:
                return await self._settled(call, nature, service, operation)
            except TemporaryError as error:
                if error.code is not Code.THROTTLED or time.monotonic() + pause > end:
                    raise
                self._heartbeat(error.sentence)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 (many workers must not come back at once)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _settled(self, call: Callable[[], T], nature: Nature, service: str, operation: str) -> T:
        task = asyncio.ensure_future(asyncio.to_thread(call))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task})
            if not task.cancelled():
                task.exception()  # Looked at, so that asyncio does not complain: the cancel is what is told.
            raise
        except SeawallError:
            raise
        except Exception as error:
            raise translate(error, nature, f"{service}.{operation}", self.region) from None

    def _client(self, service: str, repeat: bool) -> Any:
        place = Place(self.site.region, self.region, self._endpoint)
        role = self.site.role
        who = Identity(role, self._session_name, self.site.external_id or "") if role else None
        once = self._looks or self._endpoint or not repeat
        return _client(service, place, who, self._limits, 1 if once else READ_TRIES)


def session_name(run: str) -> str:
    """A name that STS takes (`[\\w+=,.@-]`, 2 to 64 characters) of a workflow's id."""
    return ("seawall-" + "".join(char if char.isalnum() or char in "+=,.@-" else "-" for char in run))[:64].rstrip("-")


def token(ref: Ref, part: str = "") -> str:
    """The idempotency token of a step's one effect: 64 characters, the most that EC2 takes. `part` tells one of several
    calls of the step from the others."""
    return hashlib.sha256(f"{ref.key}:{part}".encode()).hexdigest()


_LOCK = threading.Lock()


class Place(NamedTuple):
    """Where a call goes."""

    home: str
    """The region in which the role is assumed."""
    region: str
    endpoint: str
    """Empty for the region's own."""


class Identity(NamedTuple):
    """A role that is taken on; without one, the worker is who it is."""

    role: str
    session: str
    external_id: str
    """Empty where the role's trust asks for none."""


Limits = tuple[float, float]


def _client(service: str, place: Place, who: Identity | None, limits: Limits, tries: int) -> Any:
    with _LOCK:  # botocore makes clients in one thread only; using them is safe in any.
        return _made(service, place, who, limits, tries)


@functools.lru_cache(maxsize=256)
def _made(service: str, place: Place, who: Identity | None, limits: Limits, tries: int) -> Any:
    config = Config(
        region_name=place.region,
        connect_timeout=limits[0],
        read_timeout=limits[1],
        retries={"mode": "standard", "total_max_attempts": tries},
        user_agent_extra="seawall",
        max_pool_connections=16,
    )
    made = _session(place.home, who, limits)
    return made.client(service, region_name=place.region, endpoint_url=place.endpoint or None, config=config)


@functools.lru_cache(maxsize=64)
def _session(region: str, who: Identity | None, limits: Limits) -> boto3.session.Session:
    made = _fresh() if who is None else _assumed(region, who, limits)
    return boto3.session.Session(botocore_session=made, region_name=region)


@functools.cache
def _models() -> Loader:
    """What the SDK knows of the services. Read by each session anew, that of EC2 alone takes a fifth of a second."""
    return create_loader()


def _fresh() -> Session:
    made = get_session()
    made.register_component("data_loader", _models())
    return made


def _assumed(region: str, who: Identity, limits: Limits) -> Session:
    """A session under the role, which asks for new credentials before the old ones expire."""
    config = Config(connect_timeout=limits[0], read_timeout=limits[1], retries={"total_max_attempts": READ_TRIES})
    sts = boto3.session.Session(botocore_session=_fresh(), region_name=region).client("sts", config=config)

    asked = {"RoleArn": who.role, "RoleSessionName": who.session, "DurationSeconds": SESSION_SECONDS}
    asked |= {"ExternalId": who.external_id} if who.external_id else {}

    def refresh() -> dict[str, str]:
        found = sts.assume_role(**asked)["Credentials"]
        return {
            "access_key": found["AccessKeyId"],
            "secret_key": found["SecretAccessKey"],
            "token": found["SessionToken"],
            "expiry_time": found["Expiration"].isoformat(),
        }

    made = _fresh()
    made._credentials = RefreshableCredentials.create_from_metadata(refresh(), refresh, "sts-assume-role")
    return made


def forget_clients() -> None:
    """For tests that change the environment, or a worker whose credentials were replaced."""
    with _LOCK:
        _made.cache_clear()
        _session.cache_clear()
