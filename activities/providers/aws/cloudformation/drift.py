"""Drift: what of a stack somebody changed past CloudFormation. It takes a while to be found, so that only a preflight
asks for it; a look shows what was found last."""

from typing import Any

from activities.providers.aws.calls import Aws
from activities.providers.aws.waiting import until
from activities.providers.base import Context
from workflows.model.failure import Code, SeawallError
from workflows.model.observed import Finding

PATIENCE = 60.0
"""Seconds. AWS takes some minutes for hundreds of resources: what is not known by then is told as not known."""


async def findings(aws: Aws, name: str, context: Context) -> list[Finding]:
    """A stack that drifted may be changed by an update in more than its change set says."""
    try:
        asked = await aws.repeatable("cloudformation", "detect_stack_drift", StackName=name)
        found = await until(
            lambda: _status(aws, asked["StackDriftDetectionId"]),
            lambda one: one["DetectionStatus"] != "DETECTION_IN_PROGRESS",
            lambda _one: f"the drift of {name} is looked for",
            context,
            PATIENCE,
        )
    except SeawallError as error:
        if error.code is Code.CONFIGURATION:
            return []  # There is no such stack: the look at the component tells.
        return [Finding(code="DRIFT_UNKNOWN", sentence=f"Whether {name} drifted is not known: {error.sentence}")]
    if found.get("StackDriftStatus") != "DRIFTED":
        return []
    sentence = f"{name} drifted: {found.get('DriftedStackResourceCount', 0)} resources are not as its template says."
    return [Finding(code="STACK_DRIFTED", sentence=sentence, next_step="Look at them in AWS, and bring them back.")]


async def _status(aws: Aws, detection: str) -> dict[str, Any]:
    return await aws.read("cloudformation", "describe_stack_drift_detection_status", StackDriftDetectionId=detection)
