"""The provider of the kind `dns`: sends users to a site by one compare-and-set of address and epoch."""

import asyncio
import contextlib
import ipaddress
import time
from typing import Any, ClassVar

import dns.name
import dns.rdatatype

from activities.providers.base import Context, Provider, now
from activities.providers.by_hand import ByHand, Command
from workflows.model.base import Strict
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, TemporaryError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import Check, DnsCheck, Role
from workflows.model.verbs import Verb

from . import by_hand, record, update
from .record import ServerSilent, Standing
from .settings import DnsSettings
from .update import Answer

MARGIN_SECONDS = 2.0


class DnsProvider(Provider):
    """Invariants: the epoch beside the address only rises, and the name is never left without an address."""

    kind: ClassVar[str] = "dns"
    role: ClassVar[Role | None] = Role.TRAFFIC
    verbs: ClassVar[frozenset[Verb]] = frozenset({Verb.OBSERVE, Verb.FLIP_DNS, Verb.RESTORE_DNS, Verb.HEALTH_CHECK})
    Settings: ClassVar[type[Strict]] = DnsSettings

    settings: DnsSettings

    def __init__(self, settings: DnsSettings, context: Context) -> None:
        super().__init__(settings, context)

    def _address(self, site: str) -> str:
        found = self.settings.addresses.get(site)
        if found is None:
            raise PermanentError(
                Code.CONFIGURATION, f"No address is set for the site {site!r}.", "Add it to `addresses` in the runbook."
            )
        return found

    async def _read(self) -> Standing:
        try:
            return await record.read(self.settings)
        except ServerSilent as error:
            raise TemporaryError(Code.UNREACHABLE, str(error), "Check the name server, then retry.") from error

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        facts: dict[str, Any] = {}
        try:
            stands = await record.read(self.settings)
            facts = stands.facts()
            here = stands.addresses == (self._address(site),)
            reach = Reach.SERVING if here else Reach.STANDBY
            detail = f"{self.settings.record} is {', '.join(stands.addresses) or 'without an address'}."
        except ServerSilent as error:
            reach, detail = Reach.SILENT, str(error)
        return Observation(
            component=component, site=site, observer=observer, reach=reach, at=now(), detail=detail, facts=facts
        )

    async def check(self, check: Check, site: str) -> str:  # noqa: ARG002 (one zone serves all sites)
        if not isinstance(check, DnsCheck):
            raise self.unsupported(Verb.HEALTH_CHECK)
        try:
            found = await record.ask(
                self.settings.server,
                self.settings.port,
                dns.name.from_text(check.name),
                dns.rdatatype.A,
                check.timeout.total_seconds(),
            )
        except ServerSilent as error:
            raise TemporaryError(Code.CHECK_FAILED, str(error)) from None
        if not found:
            raise TemporaryError(Code.CHECK_FAILED, f"{check.name} has no address.")
        return f"{check.name} is {', '.join(sorted(data.address for data in found))}."

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:  # noqa: ARG002 (its one verb moves the name)
        self._address(request.target.target)
        return by_hand.flip_by_hand(self.settings, request)

    def check_by_hand(self, check: Check, site: str) -> Command | None:  # noqa: ARG002 (one zone serves all sites)
        return by_hand.check_by_hand(self.settings, check)

    async def flip_dns(self, request: StepRequest) -> StepResult:
        started = time.monotonic()
        wanted = (self._address(request.target.target),)
        stands = await self._read()
        self._not_stale(request, stands)
        before = _before(request, stands)
        changed = not _ours(request, stands, wanted)
        if changed:
            await self._change(request, _expected(request, stands, wanted), wanted, self._ttl, before)
        authoritative = time.monotonic() - started
        seen = await self._visible(wanted, max(stands.ttl or 0, self._ttl))
        return StepResult(
            detail=_words(self.settings, wanted, authoritative, seen),
            changed=changed,
            before=before,
            after=(await self._read()).facts() | {"authoritative_seconds": authoritative, "resolver_seconds": seen},
        )

    async def restore_dns(self, request: StepRequest) -> StepResult:
        stands = await self._read()
        self._not_stale(request, stands)
        flipped = (self._address(request.target.target),)
        if stands.epoch != request.ref.epoch:
            return StepResult(detail="No flip of this run stands.", changed=False, after=stands.facts())
        earlier = request.result.before if request.result else {}
        wanted = tuple(sorted(earlier.get("addresses") or stands.was))
        if not wanted:
            return StepResult(
                detail="There was no address before, and the name is never left without one; left as it is.",
                changed=False,
                after=stands.facts(),
            )
        if stands.addresses == wanted:
            return StepResult(detail="It is as it was before.", changed=False, after=stands.facts())
        if stands.addresses != flipped:
            raise self._precondition(stands)
        ttl = int(earlier.get("ttl") or self._ttl)
        await self._change(request, stands, wanted, ttl, stands.facts())
        seen = await self._visible(wanted, max(stands.ttl or 0, ttl))
        return StepResult(
            detail=f"{self.settings.record} is {', '.join(wanted)} again.",
            before=stands.facts(),
            after=(await self._read()).facts() | {"resolver_seconds": seen},
        )

    @property
    def _ttl(self) -> int:
        return round(self.settings.ttl.total_seconds())

    def _not_stale(self, request: StepRequest, stands: Standing) -> None:
        if stands.epoch is not None and stands.epoch > request.ref.epoch:
            raise PermanentError(
                Code.STALE_EPOCH,
                f"Epoch {stands.epoch} stands at {self.settings.record}, above epoch {request.ref.epoch} of this run:"
                " a later run has taken over.",
                "Look at the later run; this one must not go on.",
            )

    def _precondition(self, stands: Standing) -> PermanentError:
        return PermanentError(
            Code.PRECONDITION_CHANGED,
            f"{self.settings.record} is {', '.join(stands.addresses) or 'without an address'} now, which is not what"
            " this run saw.",
            "Look who changed it, and plan again.",
        )

    async def _change(
        self, request: StepRequest, expected: Standing, wanted: tuple[str, ...], ttl: int, before: dict[str, Any]
    ) -> None:
        """Send the update and read back until it is known what became of it."""
        was = tuple(before.get("addresses") or ())
        txt = record.compose(request.ref.epoch, request.ref.key, was)
        message = update.message(self.settings, expected, wanted, ttl, txt)
        self.context.still_mine()
        self.context.heartbeat(f"updating {self.settings.record}")
        answer = await update.send(self.settings, message)
        end = time.monotonic() + self.settings.timeout.total_seconds()
        silent = True
        while True:
            with contextlib.suppress(ServerSilent):
                stands = await record.read(self.settings)
                silent = False
                if stands.addresses == wanted and stands.epoch == request.ref.epoch:
                    return
                self._not_stale(request, stands)
                if answer is Answer.CHANGED:
                    raise self._precondition(stands)
            # A server may answer an update a moment before it shows it.
            if time.monotonic() >= end:
                raise OutcomeUnknownError(
                    f"The update of {self.settings.record} was sent and "
                    + ("the name server does not answer any more." if silent else "does not show."),
                    "The next attempt looks before it acts.",
                )
            self.context.heartbeat(f"reading {self.settings.record} back")
            await asyncio.sleep(0.01)

    async def _visible(self, wanted: tuple[str, ...], ttl: int) -> float | None:
        """Seconds until the resolver told the new address; None when it did not within TTL and margin."""
        started = time.monotonic()
        while self.settings.resolver and time.monotonic() - started < ttl + MARGIN_SECONDS:
            if await record.resolved(self.settings) == wanted:
                return time.monotonic() - started
            self.context.heartbeat("waiting for the resolver to tell the new address")
            await asyncio.sleep(0.01)
        return None


def _before(request: StepRequest, stands: Standing) -> dict[str, Any]:
    """What stood before this step, also when an earlier attempt has changed it already."""
    seen = request.before.facts if request.before else {}
    if seen.get("addresses"):
        return {key: seen.get(key) for key in ("addresses", "ttl", "epoch", "key")}
    facts = stands.facts()
    if stands.epoch == request.ref.epoch and stands.was:
        facts |= {"addresses": list(stands.was), "epoch": None, "key": ""}
    return facts


def _ours(request: StepRequest, stands: Standing, wanted: tuple[str, ...]) -> bool:
    return stands.addresses == wanted and stands.epoch == request.ref.epoch


def _expected(request: StepRequest, stands: Standing, wanted: tuple[str, ...]) -> Standing:
    """The left side of the compare-and-set: the addresses that the plan saw, the epoch text that was just read."""
    planned = request.before.facts.get("addresses") if request.before else None
    if planned is None or stands.addresses == wanted:
        return stands
    addresses = tuple(sorted(str(ipaddress.ip_address(address)) for address in planned))
    return Standing(addresses, stands.ttl, stands.txt, stands.epoch, stands.key, stands.was)


def _words(settings: DnsSettings, wanted: tuple[str, ...], authoritative: float, seen: float | None) -> str:
    words = f"{settings.record} is {', '.join(wanted)} at its server after {authoritative * 1000:.0f} ms"
    if settings.resolver is None:
        return f"{words}."
    if seen is None:
        return f"{words}; the resolver did not tell it within TTL and margin."
    return f"{words}, at the resolver {seen * 1000:.0f} ms later."
