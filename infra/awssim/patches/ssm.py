"""SSM: documents run, on instances and by themselves, take their time, and fail where they say `exit 1`."""

import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models import ec2_backends
from moto.ssm.exceptions import InvalidDocument, SSMException
from moto.ssm.responses import SimpleSystemManagerResponse

from infra.awssim import states
from infra.awssim.patches.registry import Function, patch

FAILS = "exit 1"
RUNS, STARTS = "seawall/commands", "seawall/executions"


@dataclass
class Run:
    """One run of a document."""

    document: Any
    given: Mapping[str, Any]
    ids: list[str] = field(default_factory=list)
    undelivered: set[str] = field(default_factory=set)
    """Instances of them that do not run, so that nothing reaches them."""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    since: float = field(default_factory=time.monotonic)

    @property
    def status(self) -> str:
        """Of the document, wherever it can run."""
        if time.monotonic() - self.since < states.delay("ssm.run"):
            return "InProgress"
        return "Failed" if FAILS in self.document.content else "Success"

    def on(self, instance: str) -> tuple[str, str]:
        """Status and its details on an instance."""
        gone = instance in self.undelivered and self.status != "InProgress"
        return ("TimedOut", "DeliveryTimedOut") if gone else (self.status, self.status)

    @property
    def whole(self) -> str:
        """The status of a command: failed when it failed anywhere."""
        found = {self.on(one)[0] for one in self.ids}
        return next((one for one in ("InProgress", "Failed", "TimedOut") if one in found), "Success")


@patch(SimpleSystemManagerResponse, "send_command", "ssm", "SendCommand")
def send_command(_original: Function, this: Any) -> ActionResult:
    """A Command document (`InvalidDocument`) on instances that are there (`InvalidInstanceId`), by their ids."""
    document, ids = _document(this, "Command"), list(this._get_param("InstanceIds", []))
    instances = {one.id: one for one in _instances(this) if one.state != "terminated"}
    if not ids or not set(ids) <= set(instances):
        raise SSMException("InvalidInstanceId", "Instances not in a valid state for account")
    undelivered = {one for one in ids if instances[one].state != "running"}
    given = {name: this._get_param(name) for name in ("Comment", "Parameters") if this._get_param(name)}
    run = Run(document, given, ids, undelivered)
    _kept(this, RUNS)[run.id] = run
    return ActionResult({"Command": _command(run)})


@patch(SimpleSystemManagerResponse, "list_commands", "ssm", "ListCommands")
def list_commands(_original: Function, this: Any) -> ActionResult:
    """By id (`InvalidCommandId`), or by the document's name; the newest first."""
    wanted = {one["key"]: one["value"] for one in this._get_param("Filters", [])}.get("DocumentName")
    found = [run for run in _asked(this) if wanted in (None, run.document.name)]
    return ActionResult({"Commands": [_command(run) for run in reversed(found)]})


@patch(SimpleSystemManagerResponse, "list_command_invocations", "ssm", "ListCommandInvocations")
def list_command_invocations(_original: Function, this: Any) -> ActionResult:
    """How a command (`InvalidCommandId`) went on each instance; what does not run times out."""
    found = [_invocation(run, instance) for run in _asked(this) for instance in run.ids]
    return ActionResult({"CommandInvocations": found})


@patch(SimpleSystemManagerResponse, "start_automation_execution", "ssm", "StartAutomationExecution")
def start_automation_execution(_original: Function, this: Any) -> ActionResult:
    """An Automation document is started: `AutomationDefinitionNotFoundException` where there is none."""
    run = Run(_document(this, "Automation"), {"Parameters": this._get_param("Parameters") or {}})
    _kept(this, STARTS)[run.id] = run
    return ActionResult({"AutomationExecutionId": run.id})


@patch(SimpleSystemManagerResponse, "get_automation_execution", "ssm", "GetAutomationExecution")
def get_automation_execution(_original: Function, this: Any) -> ActionResult:
    """An execution (`AutomationExecutionNotFoundException`) with its first step, whose status is its own."""
    run = _kept(this, STARTS).get(this._get_param("AutomationExecutionId"))
    if run is None:
        raise SSMException("AutomationExecutionNotFoundException", "There is no such execution.")
    steps = [{"StepName": one["name"], "StepStatus": run.status} for one in run.document.content_json["mainSteps"][:1]]
    found = {
        "AutomationExecutionId": run.id,
        "DocumentName": run.document.name,
        "DocumentVersion": run.document.document_version,
        "ExecutionStartTime": run.at,
        "AutomationExecutionStatus": run.status,
        "StepExecutions": steps,
        "Parameters": run.given["Parameters"],
    }
    return ActionResult({"AutomationExecution": found})


def _document(this: Any, sort: str) -> Any:
    """The document that is asked for, in the version that is asked for, of that sort."""
    name, version = this._get_param("DocumentName"), this._get_param("DocumentVersion")
    documents = this.ssm_backend._documents.get(name)
    found = documents and documents.find(version, strict=False)
    if found and found.document_type == sort:
        return found
    if sort == "Command":
        raise InvalidDocument("The specified document does not exist.")
    raise SSMException("AutomationDefinitionNotFoundException", "The specified document does not exist.")


def _instances(this: Any) -> Iterator[Any]:
    backend = ec2_backends[this.current_account][this.region]
    return (one for reservation in backend.all_reservations() for one in reservation.instances)


def _kept(this: Any, name: str) -> dict[str, Run]:
    found: dict[str, Run] = vars(this.ssm_backend).setdefault(name, {})
    return found


def _asked(this: Any) -> list[Run]:
    """The commands of a region, or the one that is asked for."""
    kept, wanted = _kept(this, RUNS), this._get_param("CommandId")
    if wanted is not None and wanted not in kept:
        raise SSMException("InvalidCommandId", "The specified command ID isn't valid.")
    return [kept[wanted]] if wanted is not None else list(kept.values())


def _command(run: Run) -> dict[str, Any]:
    ended = [one for one in run.ids if run.on(one)[0] != "InProgress"]
    return {
        "CommandId": run.id,
        "DocumentName": run.document.name,
        "DocumentVersion": run.document.document_version,
        **run.given,
        "InstanceIds": run.ids,
        "RequestedDateTime": run.at,
        "ExpiresAfter": run.at + timedelta(hours=2),
        "Status": run.whole,
        "StatusDetails": run.whole,
        "TargetCount": len(run.ids),
        "CompletedCount": len(ended),
        "ErrorCount": sum(run.on(one)[0] == "Failed" for one in ended),
    }


def _invocation(run: Run, instance: str) -> dict[str, Any]:
    status, details = run.on(instance)
    return {
        "CommandId": run.id,
        "InstanceId": instance,
        "DocumentName": run.document.name,
        "DocumentVersion": run.document.document_version,
        "RequestedDateTime": run.at,
        "Status": status,
        "StatusDetails": details,
    }
