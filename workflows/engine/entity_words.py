"""What the `Application` entity shows of itself: its search attributes, and its details in Markdown."""

import json
from collections.abc import Iterable
from datetime import datetime
from html import escape

from temporalio import workflow

from workflows.model.entity import ApplicationState, Orphan
from workflows.model.plan import Mode

from .attributes import APPLICATION, EPOCH, OPERATION, SITE, STATE


def show(state: ApplicationState, before: ApplicationState | None = None) -> None:
    """Show the state, in the list where it differs from the one before, and in the details."""
    if before is None or _listed(state) != _listed(before):
        operation, site = _listed(state)[1:3]
        workflow.upsert_search_attributes(
            [
                APPLICATION.value_set(state.application),
                STATE.value_set(state_word(state)),
                OPERATION.value_set(operation) if operation else OPERATION.value_unset(),
                EPOCH.value_set(state.epoch),
                SITE.value_set(site) if site else SITE.value_unset(),
            ]
        )
    workflow.set_current_details("\n\n".join(_paragraphs(state)))


def _listed(state: ApplicationState) -> tuple[str, str, str, int]:
    return state_word(state), state.lease.operation.value if state.lease else "", state.active_site, state.epoch


def state_word(state: ApplicationState) -> str:
    """The search attribute: whether the application may be changed now, and by whom."""
    if state.orphan:
        return "ORPHANED"
    if state.lease:
        return "BUSY"
    return "READY" if state.protected else "UNPROTECTED"


def adopting_input(state: ApplicationState, orphan: Orphan) -> str:
    """The input with which a new run takes the lease over."""
    asked: dict[str, object] = {"runbook": state.application, "reason": "why", "requested_by": "your-name"}
    if orphan.ending.mode is Mode.PLANNED and orphan.operation == "failover":
        asked["planned"] = True
    return json.dumps(asked | {"adopts": orphan.epoch})


def _paragraphs(state: ApplicationState) -> Iterable[str]:
    lease, orphan = state.lease, state.orphan
    held = f"held by {lease.holder} since {_moment(lease.since)}" if lease else "free"
    protected = "protected" if state.protected else "**UNPROTECTED**: start `Reprotect` to rebuild its replication"
    if orphan:
        yield from _orphaned(state, orphan)
    yield (
        f"**{state.application}** is active at **{state.active_site or 'not known yet'}**, epoch {state.epoch}, "
        f"{held}, {protected}."
    )
    yield f"Last run: {state.last_run or 'none'} {state.last_outcome}"
    if state.rehearsal:
        yield f"Rehearsal running: {state.rehearsal.holder}"
    if state.replication:
        yield f"Replication at {state.replication.at:%H:%M:%S} UTC: {state.replication.sentence}"


def _orphaned(state: ApplicationState, orphan: Orphan) -> Iterable[str]:
    yield f"**ORPHANED since {_moment(orphan.noticed)}.** {_safe(orphan.told)} {_safe(orphan.left)}"
    yield "Until a person answers, nothing else may change the application. Two answers are safe:"
    workflow_type = orphan.operation.value.capitalize()
    yield (
        f"**Adopt**, to go on from what stands: `seawall adopt {state.application} --reason why`, or start a "
        f"`{workflow_type}` with `{adopting_input(state, orphan)}`"
    )
    site = state.active_site or "SITE"
    freed = {"by": "your-name", "epoch": orphan.epoch, "active_site": site, "reason": "why"}
    yield (
        "**Release**, after looking at both sites and mending by hand what must not stay: "
        f"`seawall release {state.application} --active-site {site} --epoch {orphan.epoch} --reason why`, or send the "
        f"update `free_lease` with `{json.dumps(freed)}`"
    )


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _safe(text: str) -> str:
    """In one line, with nothing that HTML could take for markup: the words of whoever ended the run stand in it."""
    return escape(" ".join(text.split())[:1500], quote=False)
