"""Posture: is this application ready to be recovered? Started by a schedule, or by anybody who wants to know."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.engine import policies
from workflows.engine.attributes import APPLICATION, OPERATION, STATE
from workflows.model.entity import ApplicationState
from workflows.model.failure import Code
from workflows.model.messages import CONTROL_QUEUE, LoadedRunbook, LoadRunbookRequest
from workflows.model.progress import PostureReport
from workflows.model.requests import PostureRequest
from workflows.planning.posture import posture


@workflow.defn(name="Posture")
class Posture:
    """One look at one application's readiness. It changes nothing."""

    @workflow.run
    async def run(self, request: PostureRequest | None = None) -> PostureReport:
        if request is None:
            raise ApplicationError(
                f"Posture wants an input such as {PostureRequest.example}. Nothing was started.",
                type=Code.INVALID_INPUT,
                non_retryable=True,
            )
        loaded: LoadedRunbook = await workflow.execute_activity(
            "load_runbook",
            LoadRunbookRequest(name=request.runbook),
            task_queue=CONTROL_QUEUE,
            result_type=LoadedRunbook,
            **policies.bookkeeping(),
        )
        state: ApplicationState = await workflow.execute_activity(
            "application_state",
            request.runbook,
            task_queue=CONTROL_QUEUE,
            result_type=ApplicationState,
            **policies.bookkeeping(),
        )
        findings = posture(loaded.runbook, state, workflow.now())
        ready = not any(finding.blocking for finding in findings)
        workflow.upsert_search_attributes(
            [
                APPLICATION.value_set(request.runbook),
                OPERATION.value_set("posture"),
                STATE.value_set("READY" if ready else "NOT_READY"),
            ]
        )
        return PostureReport(
            application=request.runbook,
            at=workflow.now(),
            ready=ready,
            findings=findings,
            active_site=state.active_site or loaded.runbook.home,
            protected=state.protected,
        )
