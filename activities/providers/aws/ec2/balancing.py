"""Target groups: an instance that was launched for one is registered there while it runs."""

from collections.abc import Mapping, Sequence

from activities.providers.aws.calls import Aws
from activities.providers.base import Context

from .settings import Launch


async def enlist(aws: Aws, launches: Sequence[Launch], ids: Mapping[str, str], context: Context) -> bool:
    """Register instances, by the names they were launched under; whether any was not registered before."""
    wanted: dict[str, set[str]] = {}
    for one in launches:
        for group in one.target_groups if one.name in ids else ():
            wanted.setdefault(group, set()).add(ids[one.name])
    missing = {group: found - await _registered(aws, group) for group, found in wanted.items()}
    for group, found in missing.items():
        if found:
            context.still_mine()
            await aws.repeatable("elbv2", "register_targets", TargetGroupArn=group, Targets=_targets(found))
    return any(missing.values())


async def strike(aws: Aws, launches: Sequence[Launch], ids: Sequence[str], context: Context) -> None:
    """Deregister those that are registered. What is under way there is not waited for: the balancer drains it."""
    for group in sorted({group for one in launches for group in one.target_groups}) if ids else ():
        found = await _registered(aws, group) & set(ids)
        if found:
            context.still_mine()
            await aws.repeatable("elbv2", "deregister_targets", TargetGroupArn=group, Targets=_targets(found))


async def _registered(aws: Aws, group: str) -> set[str]:
    told = await aws.read("elbv2", "describe_target_health", TargetGroupArn=group)
    return {one["Target"]["Id"] for one in told["TargetHealthDescriptions"]}


def _targets(ids: set[str]) -> list[dict[str, str]]:
    return [{"Id": one} for one in sorted(ids)]
