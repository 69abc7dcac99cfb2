"""Removes what a drill left in its bubble, and waits until it is gone.

Invariant: a deletion names only what the look of the same turn found with the bubble's tag and the application's.
"""

from collections.abc import Awaitable, Callable

from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused
from activities.providers.aws.waiting import until
from activities.providers.base import Context
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError

from .contents import Contents, tagged
from .lease import Lease

_BATCH = 100


async def close(aws: Aws, lease: Lease, most: int, context: Context, patience: float) -> int:
    """Remove everything of the lease's bubble; how many things there were.

    Raises:
        PermanentError: LIMIT_EXCEEDED, before anything is touched.
        OutcomeUnknownError: something is left, told in words.
    """

    async def look() -> Contents:
        return await tagged(aws, lease.application, lease.bubble)

    found = await look()
    if len(found.all) > most:
        raise PermanentError(
            Code.LIMIT_EXCEEDED,
            f"{len(found.all)} things bear the tag of the bubble {lease.bubble}; the runbook lets {most} be removed.",
            "Nothing was touched. Find out what they are; then raise `most`, or take their tags away.",
        )

    async def turn() -> Contents:
        await _remove(aws, stands := await look(), context.still_mine)
        return stands

    try:
        await until(turn, lambda stands: set(stands.all) <= set(found.others), Contents.told, context, patience)
    except OutcomeUnknownError:
        raise _left(lease, await look()) from None
    if found.others:
        raise _left(lease, Contents(others=found.others))
    return len(found.all)


async def _remove(aws: Aws, stands: Contents, still_mine: Callable[[], None]) -> None:
    """Ask for what can be removed now: machines and databases first, then what they held on to.

    Each of these calls can be repeated: it names one thing, or does nothing more to what is on its way out.
    """
    for at in range(0, len(stands.instances), _BATCH):
        still_mine()
        batch = list(stands.instances[at : at + _BATCH])
        await _gently(aws.repeatable("ec2", "terminate_instances", InstanceIds=batch))
    for name in stands.databases:
        still_mine()
        await _gently(
            aws.repeatable(
                "rds",
                "delete_db_instance",
                DBInstanceIdentifier=name,
                SkipFinalSnapshot=True,
                DeleteAutomatedBackups=True,
            )
        )
    for name in stands.clusters:
        still_mine()
        await _gently(aws.repeatable("rds", "delete_db_cluster", DBClusterIdentifier=name, SkipFinalSnapshot=True))
    if not stands.running:
        await _remove_the_rest(aws, stands, still_mine)


async def _remove_the_rest(aws: Aws, stands: Contents, still_mine: Callable[[], None]) -> None:
    for name in stands.interfaces:
        still_mine()
        await _gently(aws.repeatable("ec2", "delete_network_interface", NetworkInterfaceId=name))
    for name in stands.volumes:
        still_mine()
        await _gently(aws.repeatable("ec2", "delete_volume", VolumeId=name))
    for name in stands.snapshots:
        still_mine()
        await _gently(aws.repeatable("ec2", "delete_snapshot", SnapshotId=name))


async def _gently(call: Awaitable[object]) -> None:
    """What is gone, or not yet free to go, is judged by the next look; a missing permission is told at once.

    Raises:
        Refused: PERMISSION.
    """
    try:
        await call
    except Refused as error:
        if error.code is Code.PERMISSION:
            raise
    except OutcomeUnknownError:
        return


def _left(lease: Lease, stands: Contents) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"The bubble {lease.bubble} is not empty: {stands.told()}.", "Remove what is named, then retry."
    )
