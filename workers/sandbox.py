"""Two runners of workflow code: the strict one proves that it is deterministic, the plain one runs what was proved.

Temporal's sandbox builds every run anew from the sources: 50 to 100 ms each on the worker's one thread, before the
first step of a recovery and again for each run after a restart, in the hour in which a hundred of them begin at once.
So the sandbox stands in the tests and in all replays, where the engine passes through it, and the worker goes without.
What the sandbox would refuse at run time is refused in the source as well: tests/arch/test_determinism.py.
"""

from temporalio.worker import UnsandboxedWorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

PASSED_THROUGH = ("workflows.model",)
"""The shared language only: frozen data. The engine or the planner may call the clock unseen when passed through."""


def strict_runner() -> SandboxedWorkflowRunner:
    """Temporal's sandbox, for tests and replays."""
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH))


def plain_runner() -> UnsandboxedWorkflowRunner:
    """For the worker."""
    return UnsandboxedWorkflowRunner()
