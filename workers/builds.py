"""Builds of the workflows: a run stays on the build on which it began, as long as a worker of that build is there.

A run in flight was decided step by step by one version of the code; another version may not agree with what it finds
in the history. So a deployment runs the old and the new build side by side: runs are pinned to theirs, new runs take
the *current* build, and the old one is retired when its last run has ended.

Only the control worker has a build: it alone runs workflows. The workers of the sites do what they are told, and what
they are told only ever gains fields with defaults.
"""

import asyncio
import hashlib
import time
from importlib.metadata import version
from pathlib import Path

from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentRequest,
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import WorkerDeploymentConfig

import workflows
from workers.settings import Settings
from workflows.model.base import Message
from workflows.model.failure import Code, PermanentError


class Build(Message):
    """One build of a deployment, as the server knows it."""

    build: str
    current: bool
    """New runs take this one."""
    runs: int
    """Open runs that are pinned to it. Its worker may be stopped when this is zero and it is not current."""


def own_build(root: Path = Path(workflows.__file__).parent) -> str:
    """What this code is called: the version of the package, and a hash of the workflows' source below `root`.

    A change outside the workflows is no new build: it can be rolled out in place.
    """
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode() + path.read_bytes())
    return f"{version('seawall')}-{digest.hexdigest()[:10]}"


def deployment_of(settings: Settings) -> WorkerDeploymentConfig | None:
    """How the control worker is pinned; None where versioning is off."""
    if not settings.deployment:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(settings.deployment, settings.build or own_build()),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.PINNED,
    )


async def list_builds(client: Client, deployment: str) -> list[Build]:
    """Every build that the server knows of, the newest first; none when no worker of the deployment ever polled.

    Raises:
        RPCError: the server did not answer.
    """
    try:
        found = await client.workflow_service.describe_worker_deployment(
            DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=deployment)
        )
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return []
        raise
    info = found.worker_deployment_info
    current = info.routing_config.current_deployment_version.build_id
    newest = sorted(info.version_summaries, key=lambda one: one.create_time.ToNanoseconds(), reverse=True)
    names = [one.deployment_version.build_id for one in newest]
    return [Build(build=name, current=name == current, runs=await _runs(client, deployment, name)) for name in names]


async def make_current(client: Client, deployment: str, build: str, within: float = 10.0) -> None:
    """Let new runs begin on that build, and the `Application` entities go on with it.

    Args:
        client: of the server.
        deployment: whose build it is.
        build: its name.
        within: seconds for a worker that has just started to become known, queue by queue.

    Raises:
        PermanentError: NOT_FOUND when no worker of that build has asked for work, or not for all the work that the
            current one takes. Nothing was changed.
    """
    asked = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace, deployment_name=deployment, build_id=build, identity=client.identity
    )
    deadline = time.monotonic() + within
    while True:
        try:
            await client.workflow_service.set_worker_deployment_current_version(asked)
        except RPCError as error:
            if error.status not in (RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.NOT_FOUND):
                raise
            if time.monotonic() > deadline:
                known = ", ".join(one.build for one in await list_builds(client, deployment)) or "none"
                raise PermanentError(
                    Code.NOT_FOUND,
                    f"No worker of the build {build!r} asks for all of the work; known builds: {known}.",
                    "Start its control worker first: new runs would wait for nobody.",
                ) from error
            await asyncio.sleep(0.2)
        else:
            return


async def _runs(client: Client, deployment: str, build: str) -> int:
    query = (
        f"TemporalWorkerDeploymentVersion = '{deployment}:{build}' and TemporalWorkflowVersioningBehavior = 'Pinned' "
        "and ExecutionStatus = 'Running'"
    )
    return (await client.count_workflows(query)).count
