"""What each workflow commands, in words: `python -m tests.replay.fingerprints` writes `fingerprints.txt` anew.

The recorded histories are replayed on today's code, and the commands that the code gives are written down, a line for
each turn of the workflow. Where today's code gives another command than the recorded one, the replay stops there, and
the line shows what it gave. Durations and payloads are left out: they may change under a run that is open.
"""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import WorkflowHistory
from temporalio.worker import (
    Replayer,
    UnsandboxedWorkflowRunner,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)
from temporalio.workflow import _Definition

from workers.converter import DATA_CONVERTER
from workers.worker import WORKFLOWS

HISTORIES = Path(__file__).parent / "histories"
FILE = Path(__file__).parent / "fingerprints.txt"

_PLAIN = {
    "complete_workflow_execution": "END completed",
    "fail_workflow_execution": "END failed",
    "cancel_workflow_execution": "END cancelled",
    "continue_as_new_workflow_execution": "END continued as new",
    "request_cancel_external_workflow_execution": "cancel another workflow",
    "upsert_workflow_search_attributes": "search attributes",
    "request_cancel_activity": "cancel activity",
    "cancel_timer": "cancel timer",
    "start_timer": "timer",
}


class _Recording(WorkflowRunner):
    """Runs workflows as the replayer does, and writes down what they command."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._updates: dict[str, str] = {}
        self._inner = UnsandboxedWorkflowRunner()

    def prepare_workflow(self, defn: _Definition) -> None:
        self._inner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        instance = self._inner.create_instance(det)
        activate = instance.activate

        def activate_and_record(act: WorkflowActivation) -> WorkflowActivationCompletion:
            for job in act.jobs:
                if job.HasField("do_update"):
                    self._updates[job.do_update.protocol_instance_id] = job.do_update.name
            completion = activate(act)
            words = [self._words(command) for command in completion.successful.commands]
            if words:
                self.lines.append("  " + ", ".join(words))
            return completion

        instance.activate = activate_and_record  # type: ignore[method-assign]
        return instance

    def _words(self, command: WorkflowCommand) -> str:
        kind = command.WhichOneof("variant") or ""
        if kind == "schedule_activity":
            found = command.schedule_activity
            named = "" if found.activity_id.isdecimal() else f" {found.activity_id}"
            return f"{found.activity_type}{named} @{found.task_queue}"
        if kind == "start_child_workflow_execution":
            return f"child {command.start_child_workflow_execution.workflow_type}"
        if kind == "set_patch_marker":
            return f"patch {command.set_patch_marker.patch_id}"
        if kind == "update_response":
            answer = command.update_response
            return f"{self._updates[answer.protocol_instance_id]} {answer.WhichOneof('response')}"
        return _PLAIN.get(kind, kind)


async def fingerprints(names: str = "*", workflows: Sequence[type] = WORKFLOWS) -> dict[str, str]:
    """The commands that these workflows give, for each recorded history of such a name."""
    recording = _Recording()
    replayer = Replayer(workflows=workflows, workflow_runner=recording, data_converter=DATA_CONVERTER)
    texts = {}
    for path in sorted(HISTORIES.glob(f"{names}.json")):
        text = path.read_text(encoding="utf-8")
        begun = json.loads(text)["events"][0]["workflowExecutionStartedEventAttributes"]
        recording.lines.clear()
        await replayer.replay_workflow(
            WorkflowHistory.from_json(begun["workflowId"], text), raise_on_replay_failure=False
        )
        title = f"{path.stem}: {begun['workflowType']['name']}"
        texts[path.stem] = "\n".join([title, *recording.lines]) + "\n"
    return texts


def recorded() -> dict[str, str]:
    """What `fingerprints.txt` says, for each history."""
    blocks = FILE.read_text(encoding="utf-8").split("\n\n")
    return {block.partition(":")[0].strip(): block.strip("\n") + "\n" for block in blocks}


def write() -> None:
    """Write `fingerprints.txt` anew."""
    FILE.write_text("\n".join(asyncio.run(fingerprints()).values()), encoding="utf-8")


if __name__ == "__main__":
    write()
