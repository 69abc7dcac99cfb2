"""What the rules of the checker share: what a violation is, and a few questions to a record."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tests.torture.record import EffectRecord, Event, Record, RunRecord


@dataclass(frozen=True)
class Violation:
    """A rule that was broken: which one, how, and by which events."""

    rule: str
    sentence: str
    events: tuple[str, ...] = ()

    def __str__(self) -> str:
        shown = "".join(f"\n      {event}" for event in self.events)
        return f"{self.rule}: {self.sentence}{shown}"


Rule = Callable[[Record], Iterable[Violation]]

UNDOES = {
    "fence": "unfence",
    "flip_dns": "restore_dns",
    "restore": "discard_restore",
    "start_instances": "stop_instances",
    "stop_instances": "start_instances",
    "reopen_site": "close_site",
}
"""What takes back what. Starting and stopping take each other back: the step tells which of them is the deed."""

MUTATING = frozenset(
    {
        "fence", "unfence", "promote", "start_instances", "stop_instances", "flip_dns", "restore_dns", "reopen_site",
        "close_site", "archive_diverged", "rebuild_replica", "protect", "restore", "discard_restore", "snapshot",
        "prune", "open_bubble", "close_bubble", "clone_data",
    }
)  # fmt: skip


def told(effect: EffectRecord) -> str:
    """An effect in words."""
    what = f"{effect.verb} {effect.component}@{effect.site}"
    return f"{effect.at:%H:%M:%S.%f} {what} epoch {effect.epoch} by {effect.step} of {effect.workflow}"


def shown(event: Event) -> str:
    """An event of a history in words."""
    return f"{event.at:%H:%M:%S.%f} #{event.id} {event.kind} {event.activity or event.name} {event.code}".rstrip()


def is_undo(effect: EffectRecord) -> bool:
    """Whether the effect takes back what its step had done."""
    if effect.verb in ("unfence", "restore_dns", "discard_restore", "close_site"):
        return True
    if effect.verb == "stop_instances":
        return effect.step.endswith(".start_instances")
    return effect.verb == "start_instances" and effect.step.endswith(".stop_at_source")


def deeds(record: Record, workflow: str) -> list[EffectRecord]:
    """The effects of a workflow in production, in their order."""
    return [effect for effect in record.effects if effect.workflow == workflow]


def runs(record: Record) -> Iterator[RunRecord]:
    """The executions that ended by themselves, or had to."""
    return (run for run in record.runs if not run.terminated_by_us)


def end_of(run: RunRecord) -> str:
    """How it ended: an end state; PARKED; or what the server says."""
    if run.terminated_by_us or run.status == "TERMINATED":
        return "TERMINATED"
    if run.status in ("COMPLETED", "CANCELED") and run.report is not None:
        return run.report.end_state.value
    if run.status == "RUNNING" and run.view is not None:
        return run.view.state.value
    return run.status


def answered(run: RunRecord, *names: str) -> list[str]:
    """The steps for which people gave such an answer, and it was taken; an empty name where they named none."""
    taken = (event for event in run.events if event.kind == "accepted" and event.name in names)
    return [str(event.input.get("step") or "") for event in taken]
