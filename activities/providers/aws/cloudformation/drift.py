"""Drift: what of a stack somebody changed past CloudFormation. It takes a while to be found, so that only a preflight
asks for it; a look shows what was found last."""

from typing import Any

from activities.providers.aws.calls import Aws
from activities.providers.aws.waiting import until
from activities.providers.base import Context
from workflows.model.failure import Code, SeawallError
from workflows.model.observed import Finding

PATIENCE = 2.0
"""Seconds: a run waits no longer than five for a preflight. AWS may take minutes, and goes on by itself; what it finds
is shown by the next look."""


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
        sentence = f"Whether {name} drifted is not known yet: {error.sentence}"
        return [Finding(code="DRIFT_UNKNOWN", sentence=sentence, next_step="The next look at it shows what was found.")]
    if found.get("StackDriftStatus") != "DRIFTED":
        return []
    sentence = f"{name} drifted: {found.get('DriftedStackResourceCount', 0)} resources are not as its template says."
    return [Finding(code="STACK_DRIFTED", sentence=sentence, next_step="Look at them in AWS, and bring them back.")]


async def _status(aws: Aws, detection: str) -> dict[str, Any]:
    return await aws.read("cloudformation", "describe_stack_drift_detection_status", StackDriftDetectionId=detection)
