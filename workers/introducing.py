"""Starts the `Application` entities of all runbooks: people see every application before anything happens to it, and
the first recovery does not wait for its entity's first task."""

import logging

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError

from activities.providers.registry import Registry
from workers.marking import readable_runbooks
from workers.settings import Settings
from workflows.model.entity import application_workflow_id
from workflows.model.messages import CONTROL_QUEUE, TASK_TIMEOUT

log = logging.getLogger("seawall.introducing")


async def introduce(client: Client, settings: Settings, registry: Registry) -> None:
    """Start what does not run yet. A failure is only logged: an entity starts at the latest with its first lease."""
    for runbook in readable_runbooks(settings, registry):
        name = runbook.application
        try:
            await client.start_workflow(
                "Application",
                id=application_workflow_id(name),
                task_queue=CONTROL_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                task_timeout=TASK_TIMEOUT,
                static_summary=f"{name}: lease and epoch",
            )
        except RPCError as error:
            log.warning("%s is not introduced yet: %s", name, error)
