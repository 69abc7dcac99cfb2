"""Removes what a drill left behind when nobody else can: its worker died, or its run was ended from outside."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.bench import Bench
from activities.bubble.closing import owners, sweep_bubbles
from workflows.model.failure import SeawallError
from workflows.model.runbook import BubbleDevice

log = logging.getLogger("seawall.sweeping")

EVERY_SECONDS = 30.0
_PATIENCE = timedelta(seconds=5)
Devices = Callable[[], Iterable[BubbleDevice]]


async def keep_sweeping(state_dir: Path, client: Client, every: float = EVERY_SECONDS) -> None:
    """Close every bubble whose lease has ended, or whose drill has, now and for ever."""
    while True:
        await sweep_once(state_dir, client)
        await asyncio.sleep(every)


async def keep_sweeping_devices(bench: Bench, devices: Devices, client: Client, every: float = EVERY_SECONDS) -> None:
    """The same for the bubble devices of this worker's site, now and for ever.

    Args:
        bench: of this worker.
        devices: reads the devices anew for each sweep, since runbooks change.
        client: tells which drills have ended.
        every: seconds.
    """
    while True:
        for device in devices():
            await sweep_device(bench, device, client)
        await asyncio.sleep(every)


async def sweep_device(bench: Bench, device: BubbleDevice, client: Client) -> None:
    """One sweep of one device. One that does not answer is asked again by the next."""
    try:
        name = await bench.device(device).sweep_bubble(bench.here, lambda run: _has_ended(client, run))
    except SeawallError as error:
        log.warning("the bubbles of a %s cannot be swept: %s", device.kind, error)
        return
    if name:
        log.warning("the bubble %s was left behind by its drill and is closed now", name)


async def sweep_once(state_dir: Path, client: Client) -> None:
    """One sweep. What the server does not answer for is left to its lease."""
    try:
        ended = await ended_of(client, await asyncio.to_thread(owners, state_dir))
        for name in await asyncio.to_thread(sweep_bubbles, state_dir, ended):
            log.warning("the bubble %s was left behind by its drill and is closed now", name)
    except (SeawallError, OSError) as error:
        log.warning("a bubble cannot be closed: %s", error)


async def ended_of(client: Client, workflow_ids: Iterable[str]) -> frozenset[str]:
    """Those of which the server says that they do not run any more, or that it does not know them."""
    asked = list(workflow_ids)
    ended = await asyncio.gather(*(_has_ended(client, workflow_id) for workflow_id in asked))
    return frozenset(workflow_id for workflow_id, over in zip(asked, ended, strict=True) if over)


async def _has_ended(client: Client, workflow_id: str) -> bool:
    try:
        found = await client.get_workflow_handle(workflow_id).describe(rpc_timeout=_PATIENCE)
    except RPCError as error:
        return error.status is RPCStatusCode.NOT_FOUND
    return found.close_time is not None
