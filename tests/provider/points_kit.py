"""What the tests of recovery points share: components that are copied in intervals, and a site without a server."""

import shutil
from datetime import datetime
from typing import Any

from activities.providers.base import now
from tests.provider.support import NEW, OLD, Pair, request
from workflows.model.messages import StepRequest
from workflows.model.observed import RecoveryPoint
from workflows.model.runbook import Component

INTERVAL = Component.model_validate(
    {
        "role": "data",
        "kind": "postgres",
        "replication": {
            "mode": "interval",
            "period": "15m",
            "snapshots": {"every": "1d", "keep": 2, "keep_for": "1ms"},
        },
    }
)


def asked(step: str = "db.do", epoch: int = 5, **more: Any) -> StepRequest:
    """A step at the recovery site, of a component that is copied in intervals."""
    return request(NEW, step, epoch, component=INTERVAL, **more)


def cold(pair: Pair) -> None:
    """The recovery site has neither a server nor data."""
    pair.kill(NEW)
    shutil.rmtree(pair.data(NEW))


def insert(pair: Pair, first: int, last: int) -> None:
    """One commit for each row, so that each has a time of its own."""
    for number in range(first, last + 1):
        pair.ask(OLD, "insert into orders values ('ann', %s)", number)


def clock(pair: Pair) -> datetime:
    """The serving server's, between two commits."""
    found: datetime = pair.ask(OLD, "select clock_timestamp()")
    return found


async def copied(pair: Pair, step: str = "db.snapshot", epoch: int = 5) -> RecoveryPoint:
    """A fresh copy at the recovery site."""
    point = (await pair.provider(NEW).snapshot(asked(step, epoch))).point
    assert point
    assert point.covers_until
    assert point.covers_until <= now()
    return point


async def chosen(pair: Pair, choice: str, epoch: int = 5) -> RecoveryPoint:
    """What `choice` means now."""
    point = (await pair.provider(NEW).choose_recovery_point(asked(choice=choice, epoch=epoch))).point
    assert point
    return point


def rows(pair: Pair, site: str = NEW) -> list[int]:
    """The numbers that are there."""
    found = pair.ask(site, "select array_agg(seq order by seq) from orders")
    return list(found or [])
