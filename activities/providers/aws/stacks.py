"""What stands of a stack of CloudFormation."""

from collections.abc import Mapping
from typing import Any

from workflows.model.base import Strict

from .calls import Aws
from .errors import Refused

DONE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"})
PLANNED = "REVIEW_IN_PROGRESS"
"""There is a change set for it, and nothing else."""
STUCK = "UPDATE_ROLLBACK_FAILED"
ROLLED_BACK = "UPDATE_ROLLBACK_COMPLETE"
HIDDEN = "****"
"""What is shown in the place of a value that the template hides (`NoEcho`)."""


class Stack(Strict):
    """One stack."""

    status: str
    parameters: dict[str, str]
    outputs: dict[str, str]
    drift: str
    """As it was found when somebody looked last; a look does not look for it."""
    change_set: str
    """The ARN of the change set that was executed last; empty where it never was one."""

    @property
    def settled(self) -> bool:
        """Whether nothing is at work on it."""
        return not self.status.endswith("_IN_PROGRESS") or self.status == PLANNED

    @property
    def stands(self) -> bool:
        """Whether its resources are as its template says."""
        return self.status in DONE or self.status == ROLLED_BACK

    def made_by(self, name: str) -> bool:
        """Whether it was the change set of that name that was executed last."""
        return f":changeSet/{name}/" in self.change_set


async def stack_of(aws: Aws, name: str) -> Stack | None:
    """The stack; None where there is none."""
    try:
        found = await aws.read("cloudformation", "describe_stacks", StackName=name)
    except Refused as error:
        # AWS has no other code for a stack that is not there, and a name of this form is not refused for anything else.
        if error.reason != "ValidationError":
            raise
        return None
    return _read(found["Stacks"][0])


async def newest_event(aws: Aws, name: str) -> str:
    """What CloudFormation did last, in a few words; its reasons stay there, since they may repeat what it was given."""
    found = await aws.read("cloudformation", "describe_stack_events", StackName=name)
    events = found.get("StackEvents", [])
    return f"{events[0]['LogicalResourceId']} is {events[0]['ResourceStatus']}" if events else "nothing has begun"


async def first_failure(aws: Aws, name: str) -> str:
    """The resource at which the last change failed."""
    found = await aws.read("cloudformation", "describe_stack_events", StackName=name)
    for event in found.get("StackEvents", []):
        if event["ResourceStatus"].endswith("_FAILED"):
            return f"{event['LogicalResourceId']} is {event['ResourceStatus']}"
    return "its events name no resource"


def _read(one: Mapping[str, Any]) -> Stack:
    return Stack(
        status=one["StackStatus"],
        parameters={each["ParameterKey"]: each.get("ParameterValue", "") for each in one.get("Parameters", ())},
        outputs={each["OutputKey"]: each["OutputValue"] for each in one.get("Outputs", ())},
        drift=one.get("DriftInformation", {}).get("StackDriftStatus", "NOT_CHECKED"),
        change_set=one.get("ChangeSetId", ""),
    )
