"""Snapshots: taken of the side that serves, copied into the other region under its own key.

The name of a snapshot is made of the step's key, and the copy has the same one: whoever asks again finds both. Where
RDS itself takes them (`automated`), the name is made of the one that is copied, so that each is brought over once.
"""

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Any

from activities.providers.aws.calls import Aws, token
from activities.providers.aws.errors import Refused
from activities.providers.aws.landed import landed
from activities.providers.aws.tags import PREFIX, pairs, table, tags
from activities.providers.aws.waiting import until
from workflows.model.base import Strict
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import Ref, StepRequest, StepResult
from workflows.model.observed import RecoveryPoint

from . import database

if TYPE_CHECKING:
    from .provider import RdsProvider

ARCHIVE, VERIFIED = f"{PREFIX}archive", f"{PREFIX}verified"


class Snapshot(Strict):
    """What stands."""

    name: str
    arn: str
    status: str
    percent: int
    taken: datetime | None
    """When it was taken of the instance, also for a copy; null until it is whole."""
    tags: dict[str, str]

    @property
    def whole(self) -> bool:
        """Whether it can be copied and restored."""
        return self.status == "available"


def read(found: dict[str, Any]) -> Snapshot:
    """Of one entry of DescribeDBSnapshots."""
    return Snapshot(
        name=found["DBSnapshotIdentifier"],
        arn=found["DBSnapshotArn"],
        status=found.get("Status", "creating"),
        percent=found.get("PercentProgress", 0),
        taken=found.get("OriginalSnapshotCreateTime") or found.get("SnapshotCreateTime"),
        tags=table(found.get("TagList")),
    )


async def look(aws: Aws, name: str) -> Snapshot | None:
    """The snapshot of that name; None when there is none."""
    try:
        found = await aws.read("rds", "describe_db_snapshots", DBSnapshotIdentifier=name)
    except Refused as error:
        if error.code is Code.NOT_FOUND:
            return None
        raise
    return read(found["DBSnapshots"][0])


def name_of(ref: Ref, component: str, what: str = "") -> str:
    """The name of this step's snapshot; another step's is never the same."""
    digest = token(ref, what)[:16]
    return "-".join(word for word in ("seawall", ref.application, component, what, digest) if word).replace("--", "-")


def as_point(request: StepRequest, found: Snapshot) -> RecoveryPoint:
    """As a recovery point at `target.site`, without what taking it would lose."""
    verified = found.tags.get(VERIFIED)
    return RecoveryPoint(
        component=request.target.name,
        site=request.target.site,
        kind="snapshot",
        position=found.arn,
        name=found.name,
        taken=found.taken,
        covers_until=found.taken,
        verified=datetime.fromisoformat(verified) if verified else None,
        proof="restored in a drill, and came up" if verified else "",
    )


async def snapshot(provider: "RdsProvider", request: StepRequest) -> StepResult:
    """Take one at `target.source`, or choose the newest that RDS took there, and copy it to `target.site`."""
    target = request.target
    chosen = await _newest_automated(provider, request) if provider.settings.automated else None
    name = _name_of_copy(request, chosen) if chosen else name_of(request.ref, target.name)
    here = provider.aws(target.site, request)
    copied = await look(here, name)
    claimed = copied is None
    if copied is None and chosen:
        await _copy(provider, request, here, chosen, name)
    elif copied is None:
        taken, _ = await take(provider, request, name, target.source)
        if target.source != target.site:
            with landed(f"{name} was taken"):
                await _copy(provider, request, here, taken, name)
    else:
        await provider.register(target.site, request).noted()
    found = await _whole(provider, here, name)
    return StepResult(
        detail=f"{name} stands in {here.region}, taken {found.taken:%Y-%m-%d %H:%M:%S} UTC.",
        changed=claimed,
        after={"name": name, "arn": found.arn},
        point=as_point(request, found),
    )


async def take(
    provider: "RdsProvider", request: StepRequest, name: str, site: str, archive: bool = False
) -> tuple[Snapshot, bool]:
    """A snapshot of the instance at a site, once it is whole, and whether this attempt has asked for it. An `archive`
    is of an instance that does not serve, and is no recovery point."""
    aws = provider.aws(site, request)
    found = await look(aws, name)
    if found is None:
        instance = await database.insist(aws, provider.instance(site))
        if not archive:
            _insist_on_serving(provider, site, instance)
        await provider.claim(request, instance)
        provider.context.still_mine()
        await aws.change(
            "rds",
            "create_db_snapshot",
            DBInstanceIdentifier=instance.name,
            DBSnapshotIdentifier=name,
            Tags=pairs(tags(request, site) | ({ARCHIVE: "diverged"} if archive else {})),
        )
    return await _whole(provider, aws, name), found is None


def _insist_on_serving(provider: "RdsProvider", site: str, instance: database.Database) -> None:
    if not instance.serves(provider.site(site).isolation_group):
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"{instance.name} at {site} does not serve ({instance.status}); a copy of it would be a copy of old data.",
            "Look which site serves, and ask again.",
        )


async def _newest_automated(provider: "RdsProvider", request: StepRequest) -> Snapshot:
    """What RDS took last at the side that serves.

    Raises:
        PermanentError: NOT_FOUND, when it has taken none yet; PRECONDITION_CHANGED where that side does not serve.
    """
    site = request.target.source
    aws, name = provider.aws(site, request), provider.instance(site)
    _insist_on_serving(provider, site, await database.insist(aws, name))
    listed = await aws.pages(
        "rds", "describe_db_snapshots", "DBSnapshots", DBInstanceIdentifier=name, SnapshotType="automated"
    )
    whole = [one for one in map(read, listed) if one.whole and one.taken]
    if not whole:
        raise PermanentError(
            Code.NOT_FOUND,
            f"RDS has taken no snapshot of {name} at {site} by itself yet.",
            "Wait for its backup window; without a backup retention there is none.",
        )
    return max(whole, key=lambda one: (one.taken, one.name))


def _name_of_copy(request: StepRequest, taken: Snapshot) -> str:
    """Of an automated snapshot's copy; another component's copy of it has a name of its own."""
    digest = hashlib.sha256(taken.arn.encode()).hexdigest()[:16]
    words = ("seawall", request.ref.application, request.target.name, "automated", digest)
    return "-".join(words).replace("--", "-")


async def _copy(provider: "RdsProvider", request: StepRequest, here: Aws, taken: Snapshot, name: str) -> None:
    target = request.target
    key = provider.site(target.site).kms_key
    await provider.claim(request, None)
    provider.context.still_mine()
    await here.change(
        "rds",
        "copy_db_snapshot",
        SourceDBSnapshotIdentifier=taken.arn,
        TargetDBSnapshotIdentifier=name,
        SourceRegion=provider.site(target.source).region,
        Tags=pairs(tags(request, target.site)),
        **({"KmsKeyId": key} if key else {}),
    )


async def _whole(provider: "RdsProvider", aws: Aws, name: str) -> Snapshot:
    async def seen() -> Snapshot | None:
        return await look(aws, name)

    found = await until(
        seen,
        lambda one: one is not None and not _failed(one) and one.whole,
        lambda one: f"{name} is {one.status} ({one.percent} %)" if one else f"{name} does not show yet",
        provider.context,
        provider.patience,
    )
    assert found is not None
    return found


def _failed(found: Snapshot) -> bool:
    if found.status == "failed":
        raise PermanentError(
            Code.NOT_FOUND, f"The snapshot {found.name} has failed.", "Look at its events in RDS; take another one."
        )
    return False
