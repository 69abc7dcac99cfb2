"""Removes what a drill left behind when nobody else can: its worker died, or its run was terminated."""

import asyncio
import logging
from pathlib import Path

from activities.bubble.closing import sweep_bubbles
from workflows.model.failure import SeawallError

log = logging.getLogger("seawall.sweeping")

EVERY_SECONDS = 30.0


async def keep_sweeping(state_dir: Path) -> None:
    """Close every bubble whose lease has ended, now and for ever."""
    while True:
        try:
            for name in await asyncio.to_thread(sweep_bubbles, state_dir):
                log.warning("the bubble %s was left behind by its drill and is closed now", name)
        except (SeawallError, OSError) as error:
            log.warning("a bubble cannot be closed: %s", error)
        await asyncio.sleep(EVERY_SECONDS)
