"""A backup or a moment as a new table, named by the epoch: a table cannot be restored in its own place."""

from typing import TYPE_CHECKING

from activities.providers.aws.tags import pairs, tags
from activities.providers.aws.waiting import until
from activities.providers.base import now
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult

from .look import ABANDONED, Standing, maybe, standing
from .points import CONTINUOUS

if TYPE_CHECKING:
    from .provider import DynamoProvider


def restored_name(provider: "DynamoProvider", request: StepRequest) -> str:
    """Of the table that this run restores: its own key, as the call takes no token."""
    table: str = provider.site(request.target.site).table
    return f"{table}-{request.ref.epoch}"


async def restore(provider: "DynamoProvider", request: StepRequest) -> StepResult:
    """Make the table, and wait until it is active."""
    point, name = request.point, request.target.site
    if point is None:
        raise PermanentError(Code.INVALID_INPUT, "No recovery point was given.", "Choose one first.")
    if point.kind == "stream":
        return StepResult(detail="The replica stands there already; there is nothing to restore.", changed=False)
    aws, into = provider.aws(name, request), restored_name(provider, request)
    stands = await standing(aws, provider.site(name).table)
    provider.as_planned(request, stands)
    provider.context.still_mine()
    await provider.register(name, request).claim({"table": into})
    there = await maybe(aws, into)
    if there is not None and there.source != stands.arn:
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"There is a table {into} already, which was not restored from {stands.name}.",
            "Rename or remove it, then retry.",
        )
    if there is None:
        provider.context.still_mine()
        if point.name != CONTINUOUS:
            await aws.change("dynamodb", "restore_table_from_backup", TargetTableName=into, BackupArn=point.position)
        else:
            moment = {"RestoreDateTime": point.until} if point.until else {"UseLatestRestorableTime": True}
            await aws.change(
                "dynamodb",
                "restore_table_to_point_in_time",
                SourceTableName=stands.name,
                TargetTableName=into,
                **moment,
            )
    made = await until(
        lambda: maybe(aws, into),
        lambda found: found is not None and found.status == "ACTIVE",
        lambda found: f"{into} is {found.status if found else 'not there yet'}",
        provider.context,
        provider.patience,
    )
    assert made is not None
    await aws.repeatable("dynamodb", "tag_resource", ResourceArn=made.arn, Tags=pairs(tags(request, name)))
    return StepResult(
        detail=f"{into} is restored: name it to what uses it, and in the runbook.",
        changed=there is None,
        after=made.facts(),
        point=point,
    )


async def discard(provider: "DynamoProvider", request: StepRequest) -> StepResult:
    """Mark the restored table as abandoned; it is removed by hand or by infra, never by a recovery."""
    name = request.target.site
    aws = provider.aws(name, request)
    if await provider.register(name, request).noted() is None:
        return StepResult(detail="This run restored nothing here.", changed=False)
    made: Standing | None = await maybe(aws, restored_name(provider, request))
    if made is None or ABANDONED in made.tags:
        return StepResult(detail="There is nothing of this run's restore, or it is marked already.", changed=False)
    if made.epoch is not None:
        raise PermanentError(
            Code.ROLE_MISMATCH, f"The restored table {made.name} serves, so it is not thrown away.", "Go forward."
        )
    provider.context.still_mine()
    marks = pairs({ABANDONED: now().isoformat()})
    await aws.repeatable("dynamodb", "tag_resource", ResourceArn=made.arn, Tags=marks)
    return StepResult(detail=f"{made.name} is marked as abandoned.")
