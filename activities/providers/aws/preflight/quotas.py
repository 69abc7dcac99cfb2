"""Would the quotas of the account be enough for what a recovery starts, beside what runs already?"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused
from activities.providers.aws.metrics import newest
from workflows.model.observed import Finding

from .starts import Start

ON_DEMAND: Mapping[str, str] = {
    **dict.fromkeys(("a", "c", "d", "h", "i", "m", "r", "t", "z"), "L-1216C47A"),
    **dict.fromkeys(("g", "vt"), "L-DB2E81BA"),
    "p": "L-417A185B",
    "x": "L-7295265B",
    "f": "L-74FC7D96",
    "inf": "L-1945791B",
    "trn": "L-2C3B7624",
}
"""Running On-Demand instances of a family, in vCPUs (EC2 User Guide, "Amazon EC2 On-Demand Instance quotas")."""

SPOT: Mapping[str, str] = {
    **dict.fromkeys(("a", "c", "d", "h", "i", "m", "r", "t", "z"), "L-34B43A08"),
    **dict.fromkeys(("g", "vt"), "L-3819A6DF"),
    "p": "L-7212CCBC",
    "x": "L-E3A00192",
    "f": "L-88CF9481",
    "inf": "L-B5D1601B",
    "trn": "L-6B0D517C",
}
"""The same of Spot instances (EC2 User Guide, "Spot Instance quotas")."""

FARGATE = {False: "L-3032A538", True: "L-36FBB829"}
"""vCPUs of tasks, by whether they are Spot (Amazon ECS User Guide, "AWS Fargate service quotas")."""

_OTHER_QUOTAS = frozenset({"dl", "hpc", "mac", "u"})
"""Families that are counted otherwise; `im` and `is` are of the standard ones."""


async def of_all(aws: Aws, starts: Sequence[Start]) -> list[Finding]:
    """One finding for each quota that is too small, or that could not be read."""
    return [*await _instances(aws, starts), *await _tasks(aws, starts)]


async def _instances(aws: Aws, starts: Iterable[Start]) -> list[Finding]:
    more: Counter[tuple[str, bool]] = Counter()
    for start in starts:
        if start.types:
            more[start.types[0], start.spot] += start.count
    if not more:
        return []
    running = await _running(aws)
    sizes = await _vcpus(aws, {kind for kind, _ in (*more, *running)})
    used, wanted = _by_quota(running, sizes), _by_quota(more, sizes)
    return [
        finding
        for code, count in sorted(wanted.items())
        for finding in _judged(aws, code, await _quota(aws, "ec2", code), count, used[code])
    ]


async def _tasks(aws: Aws, starts: Iterable[Start]) -> list[Finding]:
    """What runs is counted by AWS itself, under the metric that the quota names; a quota without one is held against
    what is to be started alone."""
    wanted: dict[str, float] = defaultdict(float)
    for start in starts:
        if start.task_vcpus:
            wanted[FARGATE[start.spot]] += start.count * start.task_vcpus
    found: list[Finding] = []
    for code, count in sorted(wanted.items()):
        quota = await _quota(aws, "fargate", code)
        found += _judged(aws, code, quota, count, await _usage(aws, quota))
    return found


def _judged(aws: Aws, code: str, quota: Mapping[str, Any] | None, wanted: float, used: float) -> list[Finding]:
    if quota is None:
        sentence = f"The quota {code} of {aws.region} could not be read."
        return [
            Finding(code="QUOTA_UNKNOWN", sentence=sentence, next_step="Look at it in Service Quotas.", blocking=False)
        ]
    limit = float(quota["Value"])
    if used + wanted <= limit:
        return []
    sentence = (
        f"{wanted:g} vCPUs would be started in {aws.region}, {used:g} run there, and the quota {code} is {limit:g}."
    )
    return [
        Finding(
            code="QUOTA_SHORT", sentence=sentence, next_step="Ask for a larger quota: it takes days.", blocking=True
        )
    ]


async def _running(aws: Aws) -> Counter[tuple[str, bool]]:
    """Types of the instances that count now, and whether they are Spot: running ones, and those that come."""
    filters = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    found = await aws.pages("ec2", "describe_instances", "Reservations", Filters=filters)
    return Counter(
        (one["InstanceType"], one.get("InstanceLifecycle") == "spot")
        for reservation in found
        for one in reservation["Instances"]
    )


async def _vcpus(aws: Aws, types: set[str]) -> dict[str, int]:
    filters = [{"Name": "instance-type", "Values": sorted(types)}]
    found = await aws.pages("ec2", "describe_instance_types", "InstanceTypes", Filters=filters)
    return {one["InstanceType"]: one["VCpuInfo"]["DefaultVCpus"] for one in found}


def _by_quota(types: Mapping[tuple[str, bool], int], sizes: Mapping[str, int]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for (kind, spot), count in types.items():
        quotas = SPOT if spot else ON_DEMAND
        family = re.split(r"[^a-z]", kind)[0]
        quota = quotas.get(family) or ("" if family in _OTHER_QUOTAS else quotas.get(family[:1], ""))
        if quota:
            found[quota] += count * sizes.get(kind, 0)
    return found


async def _quota(aws: Aws, service: str, code: str) -> Mapping[str, Any] | None:
    try:
        found: Mapping[str, Any] = await aws.read(
            "service-quotas", "get_service_quota", ServiceCode=service, QuotaCode=code
        )
    except Refused:
        return None
    quota: Mapping[str, Any] = found["Quota"]
    return quota


async def _usage(aws: Aws, quota: Mapping[str, Any] | None) -> float:
    metric = (quota or {}).get("UsageMetric") or {}
    if not metric.get("MetricName"):
        return 0.0
    dimensions = dict(metric.get("MetricDimensions", {}))
    found = await newest(aws, metric["MetricNamespace"], metric["MetricName"], dimensions)
    return found.value if found else 0.0
