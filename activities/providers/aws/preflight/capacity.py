"""Is there room for what a recovery would start: addresses, the types in their zones, the quota, and the permission?"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused
from workflows.model.failure import Code, TemporaryError
from workflows.model.observed import Finding

from . import quotas
from .starts import Start


async def of_all(aws: Aws, mover: Aws, starts: list[Start]) -> list[Finding]:
    """Nothing is asked when nothing is to be started. `mover` has the role that would start it: who only looks may not,
    and a dry run would tell of the wrong one."""
    if not starts:
        return []
    zones = await _zones(aws, {subnet for start in starts for subnet in start.subnets})
    asked = await asyncio.gather(_offers(aws, starts, zones), quotas.of_all(aws, starts), _permission(mover, starts))
    return [*_addresses(starts, zones), *(one for found in asked for one in found)]


async def _zones(aws: Aws, subnets: set[str]) -> dict[str, dict[str, Any]]:
    """Subnets, with their zones and free addresses."""
    if not subnets:
        return {}
    filters = [{"Name": "subnet-id", "Values": sorted(subnets)}]
    found = await aws.pages("ec2", "describe_subnets", "Subnets", Filters=filters)
    return {one["SubnetId"]: one for one in found}


def _addresses(starts: Iterable[Start], subnets: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """Free addresses at the first choice. What can go elsewhere still recovers, with less to fall back on."""
    wanted: Counter[str] = Counter()
    elsewhere: set[str] = set()
    for start in starts:
        share = -(-start.count // len(start.subnets)) if start.spread and start.subnets else start.count
        for subnet in start.subnets if start.spread else start.subnets[:1]:
            wanted[subnet] += share
        elsewhere |= set(start.subnets[:1]) if not start.spread and len(start.subnets) > 1 else set()
    found = []
    for name, count in sorted(wanted.items()):
        free = subnets[name]["AvailableIpAddressCount"] if name in subnets else count
        if free < count:
            sentence = f"The subnet {name} has {free} free addresses, and {count} are wanted there."
            next_step = "Free some, or name a larger subnet."
            found.append(_finding("ADDRESSES_SHORT", sentence, next_step, blocking=name not in elsewhere))
    return found


async def _offers(aws: Aws, starts: Iterable[Start], subnets: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    types = {kind for start in starts for kind in start.types}
    zones = {str(one["AvailabilityZone"]) for one in subnets.values()}
    if not types or not zones:
        return []
    filters = [{"Name": "instance-type", "Values": sorted(types)}, {"Name": "location", "Values": sorted(zones)}]
    listed = await aws.pages(
        "ec2",
        "describe_instance_type_offerings",
        "InstanceTypeOfferings",
        LocationType="availability-zone",
        Filters=filters,
    )
    offered = {(one["InstanceType"], one["Location"]) for one in listed}
    found = []
    for start in starts:
        at = {str(subnets[name]["AvailabilityZone"]) for name in start.subnets if name in subnets}
        pairs = {(kind, zone) for kind in start.types for zone in at}
        for kind, zone in sorted(pairs - offered):
            next_step = "Name a type that the zone offers, or another subnet."
            blocking = not pairs & offered
            found.append(_finding("TYPE_NOT_OFFERED", f"{kind} is not offered in {zone}.", next_step, blocking))
    return list(dict.fromkeys(found))


async def _permission(aws: Aws, starts: Iterable[Start]) -> list[Finding]:
    """A dry run is refused with `DryRunOperation` when the call itself would have been allowed."""
    found = []
    for start in starts:
        try:
            if start.dry_run is not None:
                await aws.read("ec2", "run_instances", DryRun=True, MinCount=1, MaxCount=1, **start.dry_run)
            elif start.existing:
                await aws.read("ec2", "start_instances", DryRun=True, InstanceIds=list(start.existing))
        except Refused as error:
            if error.reason == "DryRunOperation":
                continue
            code = "PERMISSION_MISSING" if error.code is Code.PERMISSION else "START_REFUSED"
            found.append(_finding(code, error.sentence, error.next_step, blocking=True))
        except TemporaryError as error:
            found.append(_finding("START_UNSURE", error.sentence, error.next_step, blocking=False))
    return list(dict.fromkeys(found))


def _finding(code: str, sentence: str, next_step: str, blocking: bool) -> Finding:
    return Finding(code=code, sentence=sentence, next_step=next_step, blocking=blocking)
