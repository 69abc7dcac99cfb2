"""The provider of the kind `aws.route53`: users go to a site by one compare-and-set for each zone."""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from activities.providers.aws.calls import Aws
from activities.providers.aws.component import AwsProvider
from activities.providers.aws.register import Register
from activities.providers.aws.settings import AwsSettings
from activities.providers.base import now
from activities.providers.by_hand import ByHand
from workflows.model.base import in_words
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, SeawallError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import Role
from workflows.model.verbs import Verb

from . import by_hand, zones
from .records import Sets, Zone, longest_ttl
from .resolving import seconds_until_told
from .settings import Route53Settings

MOST_FACTS = 50
"""Records that go into an observation whole; of more, their digest only."""


class Route53Provider(AwsProvider):
    """Invariants: the epoch beside the records only rises, and no record is left without an answer.

    One zone changes at once or not at all. Several change one after another: where a later one fails, the answer is
    *unknown*, so that the next attempt goes on, or the undo takes back exactly the zones that carry this run's epoch.
    """

    kind: ClassVar[str] = "aws.route53"
    role: ClassVar[Role | None] = Role.TRAFFIC
    verbs: ClassVar[frozenset[Verb]] = frozenset({Verb.OBSERVE, Verb.FLIP_DNS, Verb.RESTORE_DNS})
    Settings: ClassVar[type[AwsSettings]] = Route53Settings

    settings: Route53Settings

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        facts: dict[str, Any] = {}
        try:
            found = await zones.read(self.aws(site), self.settings)
            facts = _facts(found)
            reach, detail = self._whither(found, site)
        except SeawallError as error:
            reach, detail = Reach.SILENT, error.sentence
        return Observation(
            component=component, site=site, observer=observer, reach=reach, at=now(), detail=detail, facts=facts
        )

    def _whither(self, found: Sequence[Zone], site: str) -> tuple[Reach, str]:
        total = len(self.settings.records)
        counts = {name: sum(zone.pointing_at(name) for zone in found) for name in self.settings.sites}
        for name, count in counts.items():
            if count == total:
                here = Reach.SERVING if name == site else Reach.STANDBY
                return here, f"All {total} records send users to {name}."
        told = ", ".join(f"{count} to {name}" for name, count in counts.items())
        return Reach.UNKNOWN, f"Of {total} records, some send users elsewhere: {told}."

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:  # noqa: ARG002 (its one verb moves the names)
        return by_hand.flip(self.settings, self.site(request.target.target), request)

    async def flip_dns(self, request: StepRequest) -> StepResult:
        started, site = time.monotonic(), request.target.target
        aws = self.aws(site, request)
        found = await zones.read(aws, self.settings)
        for zone in found:
            _not_stale(request, zone)
        _as_planned(request, found, site)
        self.context.still_mine()
        noted = await self.register(site, request).claim({"zones": {zone.id: list(zone.stands) for zone in found}})
        wanted = {zone.id: zone.wanted(site) for zone in found}
        sent = await self._bring(request, aws, found, wanted)
        lost = await self._in_sync(request, aws, found)
        seconds = time.monotonic() - started
        ttl = max(longest_ttl(noted["zones"].get(zone.id, ())) for zone in found)
        told = await self._told([sets for zone in found for sets in wanted[zone.id]], ttl)
        return StepResult(
            detail=self._words(site, len(found), seconds, lost, ttl, told),
            changed=bool(sent),
            before={"zones": len(found), "epochs": {zone.id: zone.epoch for zone in found}},
            after=_facts(await zones.read(aws, self.settings)) | {"sync_seconds": seconds, "resolver_seconds": told},
        )

    async def restore_dns(self, request: StepRequest) -> StepResult:
        """What stood before the first attempt of the flip comes back, in the zones that carry this run's epoch."""
        site = request.target.target
        noted = await self.register(site, request).noted()
        if noted is None:
            return StepResult(detail="This run did not change any record.", changed=False)
        aws = self.aws(site, request)
        found = [zone for zone in await zones.read(aws, self.settings) if zone.id in noted["zones"]]
        wanted: dict[str, tuple[Sets, ...]] = {}
        for zone in found:
            _not_stale(request, zone)
            if zone.epoch == request.ref.epoch:
                wanted[zone.id] = _earlier(zone, noted["zones"][zone.id])
                if not zone.is_as(wanted[zone.id]) and not zone.is_as(zone.wanted(site)):
                    raise zones.changed(zone)
        ours = [zone for zone in found if zone.id in wanted]
        sent = await self._bring(request, aws, ours, wanted)
        await self._in_sync(request, aws, ours)
        return StepResult(
            detail=f"{len(sent)} of {len(found)} zones are as they were again." if sent else "It is as it was before.",
            changed=bool(sent),
            after=_facts(await zones.read(aws, self.settings)),
        )

    async def _bring(
        self, request: StepRequest, aws: Aws, found: Sequence[Zone], wanted: Mapping[str, Sequence[Sets]]
    ) -> list[str]:
        """Zone after zone; those that were changed by this attempt."""
        open_ = [zone for zone in found if not (zone.epoch == request.ref.epoch and zone.is_as(wanted[zone.id]))]
        done = len(found) - len(open_)
        for zone in open_:
            self.context.still_mine()
            self.context.heartbeat(f"changing zone {done + 1} of {len(found)}")
            try:
                change = await zones.submit(
                    aws, zone, wanted[zone.id], request.ref, lambda seen: _not_stale(request, seen)
                )
                done += 1
                await self._change(request, zone).claim({"change": change})
            except SeawallError as error:
                if not done:
                    raise
                # What is done stands, so that "nothing was changed" would be untrue of the step as a whole.
                told = f"{done} of {len(found)} zones are changed, and then: {error.sentence}"
                raise OutcomeUnknownError(told, error.next_step) from error
        return [zone.id for zone in open_]

    def _change(self, request: StepRequest, zone: Zone) -> Register:
        """Where the id of the change is noted: an attempt that comes after it can go on waiting for it."""
        step = f"{request.ref.step}/{zone.id}{'/undo' if request.undo or request.result else ''}"
        ref = request.ref.model_copy(update={"step": step})
        return self.register(request.target.target, request.model_copy(update={"ref": ref}))

    async def _in_sync(self, request: StepRequest, aws: Aws, found: Sequence[Zone]) -> int:
        """Wait until Route 53 tells all changes of this step everywhere; how many of them cannot be asked for, since
        their answer was lost, and their id with it."""
        lost = 0
        for zone in found:
            noted = await self._change(request, zone).noted()
            if noted is None:
                lost += 1
                continue
            await zones.in_sync(aws, zone.id, str(noted["change"]), self.context, self.patience)
        return lost

    async def _told(self, wanted: Sequence[Sets], ttl: int) -> float | None:
        if self.settings.resolver is None:
            return None
        return await seconds_until_told(self.settings.resolver, wanted, ttl, self.context)

    def _words(self, site: str, count: int, seconds: float, lost: int, ttl: int, told: float | None) -> str:
        words = f"{len(self.settings.records)} records in {count} zones send users to {site} after {in_words(seconds)}"
        if lost:
            words += f", but for the answer to {lost} changes, which was lost: a minute more may pass"
        if told is not None:
            return f"{words}; the resolver told it {in_words(told)} later."
        words += "; the resolver did not tell it within TTL and margin" if self.settings.resolver else ""
        until = now() + timedelta(seconds=ttl)
        return f"{words}; the last client may see the old answer until {until:%H:%M:%S} UTC (TTL {ttl} s)."


def _earlier(zone: Zone, noted: Sequence[Sequence[Any]]) -> tuple[Sets, ...]:
    """What stood before; where nothing did, what stands now: a name is never left without an answer."""
    return tuple(tuple(sets) or stands for sets, stands in zip(noted, zone.stands, strict=True))


def _not_stale(request: StepRequest, zone: Zone) -> None:
    if zone.epoch is not None and zone.epoch > request.ref.epoch:
        raise PermanentError(
            Code.STALE_EPOCH,
            f"Epoch {zone.epoch} stands in {zone.id}, above epoch {request.ref.epoch} of this run: a later run has"
            " taken over.",
            "Look at the later run; this one must not go on.",
        )


def _as_planned(request: StepRequest, found: Sequence[Zone], site: str) -> None:
    """Every zone is what the plan saw, or what is wanted."""
    planned = request.before.facts.get("digests") if request.before else None
    for zone in found:
        if planned is not None and zone.digest != planned.get(zone.id) and not zone.is_as(zone.wanted(site)):
            raise zones.changed(zone)


def _facts(found: Sequence[Zone]) -> dict[str, Any]:
    """Digests, epochs, and the records themselves where they are few."""
    facts: dict[str, Any] = {
        "digests": {zone.id: zone.digest for zone in found},
        "epochs": {zone.id: zone.epoch for zone in found},
    }
    if sum(len(zone.records) for zone in found) <= MOST_FACTS:
        facts["sets"] = {zone.id: list(zone.stands) for zone in found}
        facts["guards"] = {zone.id: zone.guard for zone in found}
    return facts
