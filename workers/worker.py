"""The worker: one process a site, and one for control. It wires activities to providers and waits for work.

The control worker runs the workflows and their bookkeeping, on the queue `seawall`. A site's worker does the verbs of
that site, on `seawall-SITE`, and writes markers into the data of the other sites, whose loss it may be asked about.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from activities import apprise_box, checks
from activities.archive_diverged import ArchiveDiverged
from activities.bench import Bench
from activities.break_glass import PageStore
from activities.bubbles import Bubbles
from activities.choose_recovery_point import ChooseRecoveryPoint
from activities.clone_data import CloneData
from activities.compare_sites import CompareSites
from activities.evidence import KEY_VARIABLE
from activities.fence import Fence
from activities.flip_dns import FlipDns
from activities.health_check import HealthCheck
from activities.hold_schedules import HeldSchedules
from activities.keys import signing_key
from activities.lease import Leases
from activities.measure_capacity import MeasureCapacity
from activities.measure_lag import MeasureLag
from activities.measure_loss import MeasureLoss
from activities.observe import Observe
from activities.people.register import Register as PeopleRegister
from activities.preflight import Preflight
from activities.promote import Promote
from activities.protect import Protect
from activities.prove import Prove
from activities.providers.registry import Registry
from activities.prune import Prune
from activities.rebuild_replica import RebuildReplica
from activities.reopen_site import ReopenSite
from activities.report_store import ReportStore
from activities.restore import Restore
from activities.runbook_file import RunbookFiles
from activities.send_notice import SendNotice
from activities.snapshot import Snapshot
from activities.start_instances import Instances
from activities.sync_delta import SyncDelta
from activities.verify_consistency import VerifyConsistency
from activities.watch_holder import Watch
from workers.builds import deployment_of
from workers.connect import connect
from workers.introducing import introduce
from workers.marking import keep_marking, readable_runbooks
from workers.sandbox import plain_runner
from workers.settings import READY_FILE, Settings
from workers.sweeping import keep_sweeping, keep_sweeping_devices
from workflows.application import Application
from workflows.drill import Drill
from workflows.failback import Failback
from workflows.failover import Failover
from workflows.model.failure import PermanentError
from workflows.model.messages import CONTROL_QUEUE, site_queue
from workflows.model.runbook import BubbleDevice
from workflows.posture import Posture
from workflows.replicate import Replicate
from workflows.reprotect import Reprotect
from workflows.switchover import Switchover
from workflows.upgrading import UpgradingApplication

log = logging.getLogger("seawall.worker")

WORKFLOWS = (Failover, Switchover, Failback, Reprotect, Drill, Replicate, Posture, Application)
PINNED_WORKFLOWS = (*WORKFLOWS[:-1], UpgradingApplication)
"""Where runs are pinned to their build. Two lists, since the SDK refuses a behaviour on a worker without a build."""


def verb_activities(bench: Bench) -> list[Callable[..., Any]]:
    """The activities that act on components, bound to a bench."""
    fence, instances, dns, checks = Fence(bench), Instances(bench), FlipDns(bench), HealthCheck(bench)
    restore, bubbles = Restore(bench), Bubbles(bench)
    return [
        Observe(bench).observe,
        ChooseRecoveryPoint(bench).choose_recovery_point,
        Snapshot(bench).snapshot,
        fence.fence,
        fence.unfence,
        SyncDelta(bench).sync_delta,
        Promote(bench).promote,
        instances.start_instances,
        instances.stop_instances,
        dns.flip_dns,
        dns.restore_dns,
        checks.health_check,
        checks.verify,
        MeasureLoss(bench).measure_loss,
        CompareSites(bench).compare_sites,
        MeasureLag(bench).measure_lag,
        MeasureCapacity(bench).measure_capacity,
        VerifyConsistency(bench).verify_consistency,
        ReopenSite(bench).reopen_site,
        ReopenSite(bench).close_site,
        ArchiveDiverged(bench).archive_diverged,
        RebuildReplica(bench).rebuild_replica,
        Protect(bench).protect,
        restore.restore,
        restore.discard_restore,
        Prune(bench).prune,
        bubbles.open_bubble,
        bubbles.prove_isolation,
        bubbles.close_bubble,
        CloneData(bench).clone_data,
    ]


def control_activities(client: Client, settings: Settings, registry: Registry) -> list[Callable[..., Any]]:
    """The bookkeeping of runs: runbooks, leases, reports."""
    leases, runbooks, schedules = Leases(client), RunbookFiles(settings.runbooks, registry), HeldSchedules(client)
    runbooks.read_ahead()
    return [
        runbooks.load_runbook,
        Prove(client, PeopleRegister(settings.people), settings.runbooks).prove,
        leases.acquire_lease,
        leases.release_lease,
        leases.application_state,
        leases.note_drill,
        leases.is_live_drill,
        leases.note_replication,
        Watch(client).watch_holder,
        schedules.hold_schedules,
        schedules.is_scheduled,
        ReportStore(settings.reports, signing_key(os.environ, KEY_VARIABLE)).write_report,
        PageStore(settings.reports, registry).write_page,
        SendNotice(settings.state).send_notice,
    ]


def make_worker(client: Client, settings: Settings, registry: Registry | None = None) -> Worker:
    """The worker of `settings.site`."""
    found = registry or Registry()
    control = settings.site == "control"
    deployment = deployment_of(settings) if control else None
    bench = Bench(found, settings.site, settings.state)
    activities: Sequence[Callable[..., Any]] = [
        *verb_activities(bench),
        Preflight(bench).preflight,
        *(control_activities(client, settings, found) if control else ()),
    ]
    return Worker(
        client,
        task_queue=CONTROL_QUEUE if control else site_queue(settings.site),
        workflows=list(PINNED_WORKFLOWS if deployment else WORKFLOWS) if control else [],
        activities=activities,
        workflow_runner=plain_runner(),
        deployment_config=deployment,
        # A dead worker's cached workflow is handed to the next worker after this long, not after the default 10 s.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
        # A frozen worker's open polls go on being given work: each costs a step one heartbeat time-out.
        max_concurrent_activity_task_polls=2,
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        default_heartbeat_throttle_interval=timedelta(seconds=1),
        graceful_shutdown_timeout=timedelta(seconds=5),
    )


async def run_worker(settings: Settings) -> None:
    """Connect, however long the server takes, and work until SIGTERM or SIGINT.

    While it takes work, the file `worker.ready` in its state folder says so.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    settings.state.mkdir(parents=True, exist_ok=True)
    ready = settings.state / READY_FILE
    ready.unlink(missing_ok=True)
    registry = Registry()
    await _warm_up(settings, registry)
    client = await _connect_patiently(settings, stop)
    if client is None:
        return
    chores = (
        [introduce(client, settings, registry)]
        if settings.site == "control"
        else _site_chores(settings, registry, client)
    )
    tasks = [asyncio.create_task(chore) for chore in chores]
    async with make_worker(client, settings, registry):
        log.info("the worker of %s waits for work", settings.site)
        ready.touch()
        await stop.wait()
        ready.unlink(missing_ok=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _site_chores(settings: Settings, registry: Registry, client: Client) -> list[Coroutine[Any, Any, None]]:
    """What a site's worker does beside its tasks, for ever."""
    bench = Bench(registry, settings.site, settings.state)

    def devices() -> list[BubbleDevice]:
        sites = (runbook.sites.get(settings.site) for runbook in readable_runbooks(settings, registry))
        return [site.bubble for site in sites if site and site.bubble]

    return [
        keep_marking(settings, registry),
        keep_sweeping(settings.state, client),
        keep_sweeping_devices(bench, devices, client),
    ]


async def _warm_up(settings: Settings, registry: Registry) -> None:
    """Load now what the first recovery would otherwise wait for: the HTTP client, every kind that a runbook names."""
    await checks.warm_up()
    for runbook in readable_runbooks(settings, registry):
        if settings.site == "control" and runbook.notices.channels:
            with contextlib.suppress(PermanentError):  # told when the first message is sent
                await asyncio.to_thread(apprise_box.load)
        for component in runbook.components.values():
            registry.get(component.kind)


async def _connect_patiently(settings: Settings, stop: asyncio.Event) -> Client | None:
    """A worker may start before the server: on the worst day nothing starts in order."""
    while not stop.is_set():
        try:
            return await connect(settings)
        except PermanentError as error:
            log.warning("%s", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1.0)
    return None
