"""Renaming, by which one instance takes another's place and nothing is lost."""

from typing import TYPE_CHECKING

from activities.providers.aws.calls import Aws
from activities.providers.aws.tags import PREFIX, pairs, tags
from activities.providers.aws.waiting import until
from activities.providers.base import now
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest

from . import database
from .database import ABANDONED, SERVED, Database

if TYPE_CHECKING:
    from .provider import RdsProvider


async def rename(provider: "RdsProvider", aws: Aws, stands: Database, name: str) -> Database:
    """Give an instance another name, and wait until it answers by that one only."""

    async def seen() -> Database | None:
        return await database.look(aws, stands.name)

    def words(one: Database | None) -> str:
        return f"{stands.name} is {one.status}, and becomes {name}" if one else ""

    limits = (provider.context, provider.patience)
    # An earlier attempt's rename may be under way; RDS changes only what has arrived.
    if await until(seen, lambda one: one is None or _arrived(one), words, *limits) is not None:
        provider.context.still_mine()
        await aws.change(
            "rds",
            "modify_db_instance",
            DBInstanceIdentifier=stands.name,
            NewDBInstanceIdentifier=name,
            ApplyImmediately=True,
        )
        await until(seen, lambda one: one is None, words, *limits)
    return await available(provider, aws, name)


async def available(provider: "RdsProvider", aws: Aws, name: str) -> Database:
    """Wait until the instance is there. One that is stopped stays so, and has arrived."""

    async def seen() -> Database | None:
        return await database.look(aws, name)

    found = await until(
        seen,
        lambda one: one is not None and _arrived(one),
        lambda one: f"{name} is {one.status}" if one else f"{name} does not show yet",
        provider.context,
        provider.patience,
    )
    assert found is not None
    return found


def _arrived(found: Database) -> bool:
    if found.status in ("failed", "restore-error", "incompatible-restore", "incompatible-network"):
        raise PermanentError(
            Code.TARGET_UNFIT,
            f"{found.name} is {found.status}; RDS will not go on with it.",
            "Look at its events in RDS, mend what they name, then retry.",
        )
    return found.status in ("available", "stopped") and found.settled


async def abandon(
    provider: "RdsProvider", request: StepRequest, aws: Aws, stands: Database, served: bool = False
) -> None:
    """Mark what a prune may remove, once it is older than copies are kept; and whether it held data of its own."""
    if ABANDONED not in stands.tags:
        provider.context.still_mine()
        made = tags(request, request.target.site)
        # Whose it is, and not by which run it was made: of what we found here that would be a lie.
        marks = {f"{PREFIX}{word}": made[f"{PREFIX}{word}"] for word in ("application", "component", "site")}
        marks |= {ABANDONED: now().isoformat(timespec="seconds")} | ({SERVED: "true"} if served else {})
        await aws.repeatable("rds", "add_tags_to_resource", ResourceName=stands.arn, Tags=pairs(marks))


async def wanted(provider: "RdsProvider", aws: Aws, name: str) -> None:
    """Take the mark away again, where there is one."""
    stands = await database.look(aws, name)
    if stands is not None and ABANDONED in stands.tags:
        provider.context.still_mine()
        await aws.repeatable("rds", "remove_tags_from_resource", ResourceName=stands.arn, TagKeys=[ABANDONED, SERVED])


def taken(name: str) -> PermanentError:
    """For a name that somebody else's instance has."""
    return PermanentError(
        Code.PRECONDITION_CHANGED,
        f"The name {name} is taken by an instance that this run has not made.",
        "Find out whose it is; rename or remove it, then retry.",
    )
