"""Sets of copies: what was taken at one moment, and is restored together or not at all."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from activities.providers.aws.calls import Aws
from activities.providers.aws.tags import tags
from activities.providers.base import now
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest
from workflows.model.observed import Lag, RecoveryPoint

from .look import CALL, IMAGES, MEMBER, SET, SIZE, TAKEN, Copy, copies
from .settings import EbsSite

GIB = 2**30


def set_name(request: StepRequest) -> str:
    """Of what this very step takes."""
    return f"{request.target.name}-{request.ref.epoch}-{hashlib.sha256(request.ref.key.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class StoredSet:
    """The copies of one set in a region, by the names of its volumes."""

    name: str
    members: dict[str, Copy]

    def flaw(self, place: EbsSite) -> str:
        """Why it cannot be restored at the site; empty when it can."""
        lacking = sorted(place.volumes.keys() - self.members.keys())
        if lacking:
            return f"lacks {', '.join(lacking)}"
        ours = {name: self.members[name] for name in place.volumes}
        wrong = [
            *(f"{name} is {copy.state} ({copy.progress} %)" for name, copy in ours.items() if not copy.done),
            *(f"{name} has {one.size} GiB" for name, one in ours.items() if str(one.size) != one.tags.get(SIZE)),
            *(f"{name} is not encrypted" for name, copy in ours.items() if place.kms_key and not copy.encrypted),
        ]
        calls = {copy.tags.get(CALL, "") for copy in ours.values()}
        if len(calls) > len({call.split(":")[0] for call in calls}):
            # A lost answer may leave two shots of one instance: a volume of each is no moment at all.
            wrong.append("was not taken at one moment")
        return "; ".join(wrong)

    @property
    def taken(self) -> datetime:
        """When the first of its volumes was."""
        return min(datetime.fromisoformat(copy.tags[TAKEN]) for copy in self.members.values())

    @property
    def images(self) -> dict[str, str]:
        """The copied images by those that they were made of."""
        told = next(iter(self.members.values())).tags.get(IMAGES, "")
        return dict(pair.split("=") for pair in told.split(",") if pair)

    def point(self, request: StepRequest, place: EbsSite) -> RecoveryPoint:
        """As it is told; only for a whole one."""
        ours = [self.members[name] for name in place.volumes]
        images = "".join(f"; image {old} is {new} there" for old, new in self.images.items())
        keyed = ", encrypted" if place.kms_key else ""
        instances = {one.tags.get(CALL, "").split(":")[0] for one in ours}
        apart = "" if len(instances) == 1 else f", one moment for each of {len(instances)} instances"
        return RecoveryPoint(
            component=request.target.name,
            site=request.target.site,
            kind="snapshot",
            position=self.taken.isoformat(),
            expected_loss=Lag(seconds=max(0.0, (now() - self.taken).total_seconds())),
            name=self.name,
            taken=self.taken,
            covers_until=self.taken,
            size=sum(one.size for one in ours) * GIB,
            verified=now(),
            proof=f"all {len(ours)} snapshots are completed in {place.region} with their sizes{keyed}; crash-consistent"
            f"{apart}{images}",
        )


async def stored(aws: Aws, request: StepRequest, name: str = "") -> list[StoredSet]:
    """The sets of this component that were copied into the region; only the one of that name, when one is given."""
    marks = tags(request, request.target.site)
    named = {"set": name} if name else {}
    return grouped(await copies(aws, marks, "application", "component", **named))


def grouped(found: Iterable[Copy]) -> list[StoredSet]:
    """Copies as sets. Of two copies of one volume the earlier counts; what was taken here for elsewhere does not."""
    sets: dict[str, dict[str, Copy]] = defaultdict(dict)
    for copy in sorted(found, key=lambda one: one.started):
        if SET in copy.tags and MEMBER in copy.tags:
            sets[copy.tags[SET]].setdefault(copy.tags[MEMBER], copy)
    return [StoredSet(name, members) for name, members in sets.items()]


async def whole(aws: Aws, request: StepRequest, place: EbsSite, name: str) -> StoredSet:
    """The set of that name, when it can be restored at the site.

    Raises:
        PermanentError: NOT_FOUND, or TARGET_UNFIT with what it lacks.
    """
    found = next(iter(await stored(aws, request, name)), None)
    if found is None:
        raise PermanentError(
            Code.NOT_FOUND, f"There is no set of snapshots {name!r} in {place.region}.", "Choose another one."
        )
    if flaw := found.flaw(place):
        raise PermanentError(Code.TARGET_UNFIT, f"The set {name} is not whole: {flaw}.", "Choose another one.")
    return found
