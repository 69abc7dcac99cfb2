"""CloudFormation: what an update would do is told beforehand, it takes its time, and it fails as a whole."""

import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from moto.autoscaling.models import autoscaling_backends
from moto.cloudformation.exceptions import AlreadyExistsException, CloudFormationError, ValidationError
from moto.cloudformation.models import Change, CloudFormationBackend
from moto.cloudformation.parsing import get_references_from_template
from moto.cloudformation.responses import CloudFormationResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.sqs.models import sqs_backends

from infra.awssim import states
from infra.awssim.patches.registry import Function, patch

NO_CHANGE = "The submitted information didn't contain changes. Submit different information to create a change set."
REPLACES: Mapping[str, frozenset[str]] = {
    "AWS::AutoScaling::AutoScalingGroup": frozenset({"AutoScalingGroupName", "InstanceId"}),
    "AWS::SQS::Queue": frozenset({"QueueName", "FifoQueue"}),
}
"""By type, the properties whose change replaces a resource ("Update requires: Replacement"). Of other types it is not
known here: `Conditional`."""
FAILS = {"fails": "UPDATE_ROLLBACK_COMPLETE", "stuck": "UPDATE_ROLLBACK_FAILED"}
"""As `awssim` in the `Metadata` of a resource: a change that touches it fails, and so may its rollback."""


@patch(CloudFormationResponse, "_validate_different_update", "cloudformation", "CreateChangeSet")
def validate_different_update(_original: Function, this: Any, *_asked: Any) -> None:
    """What changes nothing is taken; its change set has failed."""
    del this


@patch(CloudFormationBackend, "create_change_set", "cloudformation", "CreateChangeSet")
def create_change_set(original: Function, this: Any, **asked: Any) -> Any:
    """What would be added, modified, replaced and removed; a name is taken once (`AlreadyExistsException`)."""
    stack = next((one for one in this.stacks.values() if one.name == asked["stack_name"]), None)
    if stack and any(one.change_set_name == asked["change_set_name"] for one in _sets(this, stack)):
        raise AlreadyExistsException(f"ChangeSet {asked['change_set_name']} already exists")
    if stack and asked["change_set_type"] == "CREATE":
        raise ValidationError(message=f"Stack [{stack.name}] already exists and cannot be created with the changeSet.")
    before = {} if stack is None else _parameters(stack.template_dict, stack.stack_parameters)
    old = {} if stack is None else stack.template_dict.get("Resources", {})
    answer = original(this, **asked)
    made = this.change_sets[answer[0]]
    made.parameters = {key: str(value) for key, value in asked["parameters"].items()}
    after = _parameters(made.template_dict, made.parameters)
    changed = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    made.changes = list(_changes(old, made.template_dict["Resources"], changed))
    good = bool(made.changes) or asked["change_set_type"] == "CREATE" or bool(changed)
    made.status, made.execution_status = ("CREATE_COMPLETE", "AVAILABLE") if good else ("FAILED", "UNAVAILABLE")
    made.status_reason = None if good else NO_CHANGE
    return answer


@patch(CloudFormationBackend, "describe_change_set", "cloudformation", "DescribeChangeSet")
def describe_change_set(_original: Function, this: Any, change_set_name: str) -> Any:
    """One that there is: `ChangeSetNotFound`."""
    return _set(this, change_set_name)


@patch(CloudFormationBackend, "execute_change_set", "cloudformation", "ExecuteChangeSet")
def execute_change_set(_original: Function, this: Any, change_set_name: str, **_stack: Any) -> None:
    """Once (`InvalidChangeSetStatus`), as a whole or not at all; the stack's other change sets are obsolete then."""
    made = _set(this, change_set_name)
    if made.execution_status != "AVAILABLE":
        text = f"ChangeSet [{change_set_name}] cannot be executed in its current status of [{made.status}]"
        raise CloudFormationError("InvalidChangeSetStatusException", text)
    stack, kind = this.stacks[made.stack_id], made.change_set_type
    for one in _sets(this, stack):
        one.execution_status = "OBSOLETE"
    failed = {end: one for one in made.changes if (end := FAILS.get(_metadata(made, one)))}
    stack.change_set_id = made.change_set_id
    for end, one in failed.items():
        _event(stack, one, f"{kind}_FAILED")
        stack.status = "ROLLBACK_COMPLETE" if kind == "CREATE" else end
        made.execution_status = "EXECUTE_FAILED"
    if not failed:
        _apply(stack, made)
        stack.status, made.execution_status = f"{kind}_COMPLETE", "EXECUTE_COMPLETE"
    stack._add_stack_event(stack.status)
    states.STACK.begin(stack, kind, kind)


@patch(CloudFormationResponse, "detect_stack_drift", "cloudformation", "DetectStackDrift")
def detect_stack_drift(_original: Function, this: Any) -> ActionResult:
    """A stack has drifted when a queue or an Auto Scaling group of it is gone; nothing else is looked at."""
    stack = this.cloudformation_backend.get_stack(this._get_param("StackName"))
    gone = [one for one in stack.stack_resources if _gone(this, one)]
    found = {
        "StackId": stack.stack_id,
        "StackDriftDetectionId": str(uuid.uuid4()),
        "StackDriftStatus": "DRIFTED" if gone else "IN_SYNC",
        "DetectionStatus": "DETECTION_COMPLETE",
        "DriftedStackResourceCount": len(gone),
        "Timestamp": datetime.now(UTC),
    }
    stack.drift_information = {"StackDriftStatus": found["StackDriftStatus"], "LastCheckTimestamp": found["Timestamp"]}
    _kept(this)[found["StackDriftDetectionId"]] = found
    return ActionResult({"StackDriftDetectionId": found["StackDriftDetectionId"]})


@patch(
    CloudFormationResponse,
    "describe_stack_drift_detection_status",
    "cloudformation",
    "DescribeStackDriftDetectionStatus",
)
def describe_stack_drift_detection_status(_original: Function, this: Any) -> ActionResult:
    """What a detection has found; one that there never was is refused: `ValidationError`."""
    found = _kept(this).get(this._get_param("StackDriftDetectionId"))
    if found is None:
        raise ValidationError(message="There is no such drift detection.")
    return ActionResult(found)


@patch(CloudFormationResponse, "continue_update_rollback", "cloudformation", "ContinueUpdateRollback")
def continue_update_rollback(_original: Function, this: Any) -> EmptyResult:
    """A stack whose rollback has failed is rolled back; any other is refused: `ValidationError`."""
    stack = this.cloudformation_backend.get_stack(this._get_param("StackName"))
    if stack.status != "UPDATE_ROLLBACK_FAILED":
        raise ValidationError(message=f"Stack is in {stack.status} state and can not continue its rollback.")
    stack.status = "UPDATE_ROLLBACK_COMPLETE"
    return EmptyResult()


def _apply(stack: Any, made: Any) -> None:
    """In place, where moto's resources can; what is made of it is read anew."""
    stack.resource_map.update(made.template_dict, made.parameters)
    stack.template, stack.parameters = made.template, made.parameters
    stack._parse_template()
    stack.output_map = stack._create_output_map()
    stack.last_updated_time = datetime.now(UTC)


def _changes(old: Mapping[str, Any], new: Mapping[str, Any], changed: set[str]) -> Iterator[Change]:
    for name in new:
        if name not in old:
            yield Change("Add", name, new[name]["Type"])
        elif touched := _touched(old[name], new[name], changed):
            one = Change("Modify", name, new[name]["Type"])
            known = REPLACES.get(new[name]["Type"])
            one.replacement = "Conditional" if known is None else str(bool(touched & known))
            yield one
    yield from (Change("Remove", name, old[name]["Type"]) for name in old if name not in new)


def _touched(old: Mapping[str, Any], new: Mapping[str, Any], changed: set[str]) -> set[str]:
    """The properties that would be set."""
    before, after = old.get("Properties", {}), new.get("Properties", {})
    return {
        name
        for name in {*before, *after}
        if before.get(name) != after.get(name) or changed & set(get_references_from_template({"": after.get(name)}))
    }


def _parameters(template: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, str]:
    defaults = {key: one.get("Default") for key, one in template.get("Parameters", {}).items()}
    return {key: str(value) for key, value in {**defaults, **given}.items()}


def _sets(backend: Any, stack: Any) -> Iterator[Any]:
    return (one for one in backend.change_sets.values() if one.stack_id == stack.stack_id)


def _set(backend: Any, name: str) -> Any:
    found = next(
        (one for one in backend.change_sets.values() if name in (one.change_set_id, one.change_set_name)), None
    )
    if found is None:
        raise CloudFormationError("ChangeSetNotFoundException", f"ChangeSet [{name}] does not exist")
    return found


def _metadata(made: Any, change: Change) -> str:
    resource = made.template_dict["Resources"].get(change.logical_resource_id, {})
    return str(resource.get("Metadata", {}).get("awssim", ""))


def _event(stack: Any, change: Change, status: str) -> None:
    """An event of a resource: as the stack's own, under another name."""
    stack._add_stack_event(status)
    stack.events[-1].logical_resource_id = change.logical_resource_id
    stack.events[-1].resource_type = change.resource_type


def _gone(this: Any, resource: Any) -> bool:
    kind, name = getattr(resource, "cf_resource_type", ""), getattr(resource, "name", "")
    if kind == "AWS::SQS::Queue":
        return name not in sqs_backends[this.current_account][this.region].queues
    if kind == "AWS::AutoScaling::AutoScalingGroup":
        return name not in autoscaling_backends[this.current_account][this.region].autoscaling_groups
    return False


def _kept(this: Any) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = vars(this.cloudformation_backend).setdefault("seawall/drift", {})
    return found
