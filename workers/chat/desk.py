"""What people ask in Slack, done by the same functions as on the command line, in the name of who asked.

Slack has verified the member that it names; the policy says who that is, and what they may.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from temporalio.exceptions import TemporalError

from workers import control
from workers.door import Caller, Door
from workflows.model.failure import Code, PermanentError
from workflows.model.policy import POLICY_FILE
from workflows.model.progress import CompiledPlan, ProgressView
from workflows.model.requests import RunRequest

from .modals import Kept
from .typed import moment

Planner = Callable[..., CompiledPlan]
"""`(application, operation, *, planned, choice, live)`; see `workers.planned`."""


@dataclass(frozen=True)
class Member:
    """Who has asked, as Slack says, and where."""

    user: str
    channel: str = ""
    team: str = ""


class Desk:
    """One for the gateway."""

    def __init__(self, door: Door, planner: Planner) -> None:
        self.door = door
        self._planner = planner

    async def caller(self, member: Member) -> Caller:
        """Who that is in the policy.

        Raises:
            PermanentError: FORBIDDEN, for a member whom it does not know.
        """
        where = " ".join(part for part in ("slack", member.team, member.channel) if part)
        found = await asyncio.to_thread(self.door.who, "slack", member.user, where)
        if found is None:
            raise PermanentError(
                Code.FORBIDDEN,
                f"The policy knows no Slack member {member.user}, so nothing can be asked for here.",
                f"Whoever keeps {POLICY_FILE} can write `slack: {member.user}` beside a person's name.",
            )
        return found

    async def insist(self, caller: Caller, act: str, application: str) -> None:
        """Go on when they may.

        Raises:
            PermanentError: FORBIDDEN.
        """
        if objection := await asyncio.to_thread(self.door.objection, caller, act, application):
            raise PermanentError(Code.FORBIDDEN, objection)

    async def plan(self, application: str, operation: str, options: dict[str, Any]) -> CompiledPlan:
        """What that would do.

        Raises:
            PermanentError: when there is no such runbook or plan.
        """
        return await asyncio.to_thread(
            self._planner,
            application,
            operation,
            planned=bool(options.get("planned")),
            choice=str(options.get("point", "latest")),
            live=bool(options.get("live")),
        )

    def request(self, kept: Kept, reason: str) -> RunRequest:
        """What a form asks for.

        Raises:
            PermanentError: INVALID_INPUT.
        """
        fields = dict(kept.fields)
        if "at" in fields:
            fields["at"] = moment(fields["at"])
        return control.checked(control.RUN_REQUESTS[kept.operation], runbook=kept.application, reason=reason, **fields)

    async def start(self, caller: Caller, kept: Kept, reason: str) -> str:
        """Start it, once for each form; the sentence that says so."""
        run = await self.door.start(caller, self.request(kept, reason), kept.run)
        return f"{run} has begun. Its thread is in the channel."

    async def run_of(self, name: str) -> str:
        """The run that somebody names, by its id or by its application."""
        if not name:
            raise PermanentError(Code.INVALID_INPUT, "Name the run, or the application.", "`/dr help` shows how.")
        return await control.find_run(self.door.client, name)

    async def look(self, caller: Caller, run: str) -> ProgressView:
        """Where a run is."""
        return await self.door.progress(caller, run)

    async def answer(self, caller: Caller, kept: Kept, reason: str = "", loss: str = "") -> str:
        """Send an answer to a run; what the run says to it."""
        match kept.act:
            case "approve":
                return await self.door.approve(caller, kept.run, kept.code, reason)
            case "reject":
                return await self.door.reject(caller, kept.run, kept.code, reason)
            case "accept_data_loss":
                return await self.door.accept_data_loss(caller, kept.run, kept.code, loss, reason)
            case "acknowledge":
                return await self.door.acknowledge(caller, kept.run, reason)
        return await self.door.answer(caller, kept.run, kept.act, kept.step or None, reason)


def why(error: Exception) -> str:
    """What to tell whoever asked, calmly, of something that went wrong.

    Raises:
        Exception: the error itself, when nobody foresaw it.
    """
    if isinstance(error, PermanentError):
        return str(error)
    if isinstance(error, TemporalError | RuntimeError):
        # RuntimeError is what the SDK raises when it cannot connect.
        return (
            "Temporal does not answer here, so it is not known whether this was done. What runs goes on without this "
            "chat. Look with `/dr runs` in a minute, and ask again then: what was done already is not done twice."
        )
    raise error
