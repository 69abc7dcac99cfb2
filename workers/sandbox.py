"""Temporal's workflow sandbox, kept on. Only the shared language is passed through: it is frozen data, costly to import
again for each run. Never the engine or the planner: a passed-through module may call random or the clock unseen."""

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

PASSED_THROUGH = ("workflows.model",)


def runner() -> SandboxedWorkflowRunner:
    """The runner that the worker, the replayer and the tests share."""
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH))
