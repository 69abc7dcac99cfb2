"""Automation: a document that AWS itself runs. Its ClientToken is made of the errand's mark, in the form of a UUID."""

import uuid
from collections.abc import Mapping
from typing import Any

from activities.providers.aws.calls import Aws
from activities.providers.aws.hooks import Errand, Seen

GOOD = frozenset({"Success", "CompletedWithSuccess"})
BAD = frozenset(
    {
        "TimedOut",
        "Cancelled",
        "Failed",
        "Rejected",
        "CompletedWithFailure",
        "Exited",
        "ChangeCalendarOverrideRejected",
    }
)


def client_token(errand: Errand) -> str:
    """The same for every attempt at the errand."""
    return str(uuid.UUID(errand.mark[:32]))


async def start(aws: Aws, errand: Errand) -> str:
    """Start it; the id of the execution."""
    given = {"Parameters": errand.hook.given} if errand.hook.parameters else {}
    begun = await aws.change(
        "ssm",
        "start_automation_execution",
        DocumentName=errand.hook.automation,
        DocumentVersion=errand.version,
        ClientToken=client_token(errand),
        **given,
    )
    return str(begun["AutomationExecutionId"])


async def seen(aws: Aws, errand: Errand, execution: str) -> Seen:
    """How far it is. Its failure message is left where it is: it repeats what a step has put out."""
    found = await aws.read("ssm", "get_automation_execution", AutomationExecutionId=execution)
    one = found["AutomationExecution"]
    status, name = one["AutomationExecutionStatus"], errand.hook.automation
    if status in GOOD:
        return Seen(ended=True, words=f"{name} has run.")
    if status in BAD:
        return Seen(ended=True, failed=f"{_step(one)}the execution {execution} is {status}", words=f"{name}: {status}.")
    return Seen(ended=False, words=f"{name} is {status}")


def _step(execution: Mapping[str, Any]) -> str:
    steps = execution.get("StepExecutions", ())
    failed = [f"its step {one['StepName']} is {one['StepStatus']}" for one in steps if one.get("StepStatus") in BAD]
    return f"{failed[0]}, and " if failed else ""
