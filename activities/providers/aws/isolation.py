"""The isolation group: a security group that lets nobody in, which fences what stands behind it alone."""

from workflows.model.failure import Code, PermanentError

from .calls import Aws


async def entrances(aws: Aws, group: str) -> int:
    """How many inbound rules it has."""
    found = await aws.read("ec2", "describe_security_groups", GroupIds=[group])
    return sum(len(one.get("IpPermissions", [])) for one in found["SecurityGroups"])


async def insist_that_nobody_gets_in(aws: Aws, group: str) -> None:
    """Before it is relied on.

    Raises:
        PermanentError: CONFIGURATION, when it has an inbound rule; NOT_FOUND.
    """
    if rules := await entrances(aws, group):
        raise PermanentError(
            Code.CONFIGURATION,
            f"The isolation group {group} lets somebody in ({rules} rules), so it fences nothing off.",
            "Remove its inbound rules, then retry.",
        )
