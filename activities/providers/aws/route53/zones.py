"""Reads zones, sends a batch to one, and waits until Route 53 tells it everywhere."""

import asyncio
from collections.abc import Callable, Sequence

from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused
from activities.providers.aws.waiting import until
from activities.providers.base import Context
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import Ref

from .records import Set, Sets, Zone, batch, guard_name, select
from .settings import Record, Route53Settings, plain

FEW = 3
"""Up to so many names are asked for one by one; beyond, the zone is read by pages of 300."""
PAGE = "100"


async def read(aws: Aws, settings: Route53Settings) -> list[Zone]:
    """All zones, pending changes included (`ListResourceRecordSets` shows them).

    Raises:
        PermanentError: NOT_FOUND for a zone that is not there, CONFIGURATION for a record of another routing.
    """
    return [await read_one(aws, zone, tuple(records)) for zone, records in settings.by_zone.items()]


async def read_one(aws: Aws, zone: str, records: tuple[Record, ...]) -> Zone:
    """One zone."""
    names = sorted({record.host for record in records} | {plain(guard_name(records))})
    listed = await _listed(aws, zone, names)
    return Zone(zone, records, *select(records, listed))


async def _listed(aws: Aws, zone: str, names: Sequence[str]) -> list[Set]:
    if len(names) > FEW:
        return await aws.pages("route53", "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=zone)
    asked = (
        aws.read("route53", "list_resource_record_sets", HostedZoneId=zone, StartRecordName=f"{name}.", MaxItems=PAGE)
        for name in names
    )
    return [one for found in await asyncio.gather(*asked) for one in found["ResourceRecordSets"]]


async def submit(aws: Aws, zone: Zone, sets: Sequence[Sets], ref: Ref, refuse: Callable[[Zone], None]) -> str:
    """Send the batch; the id of the change.

    Args:
        refuse: raises for what stands in a zone that is not as it was read, when the batch was refused.

    Raises:
        PermanentError: nothing was changed.
        OutcomeUnknownError: it may have landed.
    """
    changes = batch(zone, sets, ref)
    try:
        sent = await aws.change(
            "route53", "change_resource_record_sets", HostedZoneId=zone.id, ChangeBatch={"Changes": changes}
        )
    except Refused as error:
        if error.reason != "InvalidChangeBatch":
            raise
        now = await read_one(aws, zone.id, zone.records)
        refuse(now)
        if now.digest != zone.digest or now.words != zone.words:
            raise changed(now) from None
        raise PermanentError(
            Code.CONFIGURATION,
            f"Route 53 refused the change of {zone.id}, in which nothing has changed meanwhile ({error.reason}).",
            "A record may be protected, or may not fit others of its name: the worker's log has AWS's words.",
        ) from None
    return str(sent["ChangeInfo"]["Id"]).removeprefix("/change/")


def changed(zone: Zone) -> PermanentError:
    """Somebody else changed it."""
    return PermanentError(
        Code.PRECONDITION_CHANGED,
        f"Records in {zone.id} are not what this run saw.",
        "Look who changed them (CloudTrail has every change), and plan again.",
    )


async def in_sync(aws: Aws, zone: str, change: str, context: Context, patience: float) -> None:
    """Wait until every name server of Route 53 tells it.

    Raises:
        OutcomeUnknownError: it is still PENDING after `patience` seconds.
    """
    await until(
        lambda: aws.read("route53", "get_change", Id=change),
        lambda told: told["ChangeInfo"]["Status"] == "INSYNC",
        lambda _: f"the change of {zone} is on its way to all name servers",
        context,
        patience,
    )
