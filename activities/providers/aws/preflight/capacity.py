"""Is there room for what a recovery would start: addresses, the types in their zones, the quota, and the permission?"""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused
from workflows.model.failure import Code, TemporaryError
from workflows.model.observed import Finding

from .starts import Start

QUOTAS: Mapping[str, str] = {
    **dict.fromkeys(("a", "c", "d", "h", "i", "m", "r", "t", "z"), "L-1216C47A"),
    **dict.fromkeys(("g", "vt"), "L-DB2E81BA"),
    "p": "L-417A185B",
    "x": "L-7295265B",
    "f": "L-74FC7D96",
    "inf": "L-1945791B",
    "trn": "L-2C3B7624",
}
"""Running On-Demand instances of a family, in vCPUs (EC2 User Guide, "Amazon EC2 On-Demand Instance quotas")."""

_OTHER_QUOTAS = frozenset({"dl", "hpc", "mac", "u"})
"""Families that are counted otherwise; `im` and `is` are of the standard ones."""


async def of_all(aws: Aws, mover: Aws, starts: list[Start]) -> list[Finding]:
    """Nothing is asked when nothing is to be started. `mover` has the role that would start it: who only looks may not,
    and a dry run would tell of the wrong one."""
    if not starts:
        return []
    zones = await _zones(aws, {subnet for start in starts for subnet in start.subnets})
    asked = await asyncio.gather(_offers(aws, starts, zones), _quota(aws, starts), _permission(mover, starts))
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


async def _quota(aws: Aws, starts: Iterable[Start]) -> list[Finding]:
    more = Counter({start.types[0]: 0 for start in starts if start.types})
    for start in starts:
        if start.types:
            more[start.types[0]] += start.count
    if not more:
        return []
    running = await _running(aws)
    sizes = await _vcpus(aws, {*more, *running})
    used, wanted = _by_quota(running, sizes), _by_quota(more, sizes)
    found = []
    for quota, count in sorted(wanted.items()):
        limit = await _limit(aws, quota)
        if limit is None:
            sentence = f"The quota {quota} of {aws.region} could not be read."
            found.append(_finding("QUOTA_UNKNOWN", sentence, "Look at it in Service Quotas.", blocking=False))
        elif used[quota] + count > limit:
            sentence = (
                f"{count} vCPUs would be started in {aws.region}, {used[quota]} run there, and the quota {quota} is"
                f" {limit:.0f}."
            )
            found.append(_finding("QUOTA_SHORT", sentence, "Ask for a larger quota: it takes days.", blocking=True))
    return found


async def _running(aws: Aws) -> Counter[str]:
    """Types of the On-Demand instances that count now: running ones, and those that come."""
    filters = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    found = await aws.pages("ec2", "describe_instances", "Reservations", Filters=filters)
    return Counter(
        one["InstanceType"]
        for reservation in found
        for one in reservation["Instances"]
        if one.get("InstanceLifecycle") != "spot"
    )


async def _vcpus(aws: Aws, types: set[str]) -> dict[str, int]:
    filters = [{"Name": "instance-type", "Values": sorted(types)}]
    found = await aws.pages("ec2", "describe_instance_types", "InstanceTypes", Filters=filters)
    return {one["InstanceType"]: one["VCpuInfo"]["DefaultVCpus"] for one in found}


def _by_quota(types: Mapping[str, int], sizes: Mapping[str, int]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for kind, count in types.items():
        family = re.split(r"[^a-z]", kind)[0]
        quota = QUOTAS.get(family) or ("" if family in _OTHER_QUOTAS else QUOTAS.get(family[:1], ""))
        if quota:
            found[quota] += count * sizes.get(kind, 0)
    return found


async def _limit(aws: Aws, quota: str) -> float | None:
    try:
        found = await aws.read("service-quotas", "get_service_quota", ServiceCode="ec2", QuotaCode=quota)
    except Refused:
        return None
    return float(found["Quota"]["Value"])


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
