"""What a run did to a cloud, by the simulator's effect ledger, and not by the run's own word."""

from collections import Counter
from collections.abc import Iterable

from rich.table import Table

from activities.providers.aws.s3.settings import MARK
from infra.awssim.ledger import Entry, Outcome
from workflows.model.base import Message


class Effect(Message):
    """One call that took effect."""

    region: str
    service: str
    operation: str
    resources: tuple[str, ...] = ()
    times: int
    """How often the same call with the same parameters took effect in one run. More than once is a defect."""


def effects_of(lines: Iterable[Entry]) -> tuple[Effect, ...]:
    """The calls of one run that took effect, in their order. Without those to the register, which only takes notes, and
    without the marks in a bucket, which workers write all the time."""
    found = [one for one in lines if one.outcome is Outcome.TOOK_EFFECT and not _is_note(one)]
    keys = [(one.region, one.service, one.operation, one.parameters, one.resources) for one in found]
    return tuple(
        Effect(region=region, service=service, operation=operation, resources=resources, times=times)
        for (region, service, operation, _, resources), times in Counter(keys).items()
    )


def _is_note(one: Entry) -> bool:
    return one.service == "dynamodb" or any(resource.endswith(f"/{MARK}") for resource in one.resources)


def effects_table(moves: Iterable[tuple[str, tuple[Effect, ...]]]) -> Table:
    """Every resource that was touched."""
    table = Table(title="Every effect in the cloud, by the simulator's ledger", title_justify="left")
    for column in ("", "region", "call", "resource", "times"):
        table.add_column(column)
    for name, effects in moves:
        for at, effect in enumerate(effects):
            shown = ", ".join(one.rpartition(":")[2] for one in effect.resources[:2])
            call = f"{effect.service} {effect.operation}"
            table.add_row("" if at else name, effect.region, call, shown, str(effect.times))
    return table
