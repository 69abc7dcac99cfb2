"""Looking at instances: by page, never one by one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from activities.providers.aws import tags
from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused
from workflows.model.failure import Code, TemporaryError

PAGE = 100
"""`DescribeInstanceStatus` takes no more identifiers at once, and AWS advises no more of `StartInstances` either."""
RUNS = ("pending", "running")
EXISTS = (*RUNS, "stopping", "stopped")
ABSENT = "absent"
ABANDONED = f"{tags.PREFIX}abandoned"


@dataclass(frozen=True)
class Machine:
    """An instance as AWS describes it."""

    id: str
    state: str
    pool: str = ""
    """Its type and zone: instances of one pool are short of capacity together."""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its tag `Name`."""
        return self.tags.get("Name", "")

    def tag(self, name: str) -> str:
        """One of our own tags; empty where there is none."""
        return self.tags.get(tags.PREFIX + name, "")


@dataclass(frozen=True)
class Health:
    """What AWS says of an instance that was started."""

    state: str
    checked: bool
    """Both status checks are passed: the machine below it, and the instance itself."""


def pages(ids: Sequence[str]) -> Iterator[list[str]]:
    """As many at once as AWS takes."""
    return (list(ids[at : at + PAGE]) for at in range(0, len(ids), PAGE))


async def by_id(aws: Aws, ids: Sequence[str]) -> dict[str, Machine]:
    """Those of them that AWS still knows. By filter: an identifier that is unknown would fail the whole call."""
    found: list[Machine] = []
    for page in pages(ids):
        found += await _described(aws, [{"Name": "instance-id", "Values": page}])
    return {machine.id: machine for machine in found}


async def by_tags(aws: Aws, marks: dict[str, str], *names: str) -> list[Machine]:
    """All that exist under these of our tags."""
    states = {"Name": "instance-state-name", "Values": list(EXISTS)}
    return await _described(aws, [*tags.filters(marks, *names), states])


async def _described(aws: Aws, filters: list[dict[str, Any]]) -> list[Machine]:
    found = await aws.pages(
        "ec2", "describe_instances", "Reservations", Filters=filters, PaginationConfig={"PageSize": PAGE}
    )
    return [_machine(one) for reservation in found for one in reservation["Instances"]]


def _machine(one: dict[str, Any]) -> Machine:
    pool = f"{one.get('InstanceType', '')} in {one.get('Placement', {}).get('AvailabilityZone', '')}"
    return Machine(one["InstanceId"], one["State"]["Name"], pool, tags.table(one.get("Tags")))


async def health(aws: Aws, ids: Sequence[str]) -> dict[str, Health]:
    """State and status checks of them.

    Raises:
        TemporaryError: NOT_FOUND, while AWS does not show yet what was launched a moment ago.
    """
    found: dict[str, Health] = {}
    for page in pages(ids):
        try:
            told = await aws.read("ec2", "describe_instance_status", InstanceIds=page, IncludeAllInstances=True)
        except Refused as error:
            if error.reason != "InvalidInstanceID.NotFound":
                raise
            raise TemporaryError(Code.NOT_FOUND, "AWS does not show all of the instances yet.") from None
        found |= {one["InstanceId"]: _health(one) for one in told["InstanceStatuses"]}
    return found


def _health(one: dict[str, Any]) -> Health:
    checks = {one.get(name, {}).get("Status") for name in ("InstanceStatus", "SystemStatus")}
    return Health(one["InstanceState"]["Name"], checks == {"ok"})
