"""What a recovery at the target would stumble over, asked beside the looks and shown before people decide.

A planned move waits for the answer, and is refused by what blocks it. An unplanned failover does neither: users are
away already, and what is lacking may be had by the time that it is wanted.

Invariant: no command depends on when the answer comes. It is never cancelled, and nothing but the details pane is
written by it; what is not answered when the run ends is dropped with the run.
"""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows.model.failure import Code
from workflows.model.messages import PreflightRequest, PreflightResult, site_queue
from workflows.model.observed import Finding
from workflows.model.plan import Mode

from . import policies
from .holding import Refused

if TYPE_CHECKING:
    from .moving import Moving


class Preflight:
    """The question of one run to its target."""

    def __init__(self, run: "Moving") -> None:
        self._run = run
        self._answer: asyncio.Task[None] | None = None

    @property
    def awaited(self) -> bool:
        """Whether it was asked, and not answered yet."""
        return self._answer is not None and self._run.ledger.preflight is None

    def begin(self) -> None:
        """Ask; unless no kind of the runbook has anything to tell."""
        loaded = self._run.ledger.loaded
        if loaded is not None and loaded.preflights:
            self._answer = asyncio.create_task(self._ask(loaded.preflights))

    async def heed(self) -> None:
        """Before people are asked for a planned move: wait for the answer.

        Raises:
            Refused: TARGET_UNFIT, with all that blocks. Who takes a run over goes on: it has begun.
        """
        ledger = self._run.ledger
        if self._answer is None or ledger.mode is not Mode.PLANNED:
            return
        await self._answer
        blocking = [finding for finding in ledger.preflight or () if finding.blocking]
        if blocking and ledger.adopts is None:
            raise Refused(
                Code.TARGET_UNFIT,
                "; ".join(f"{finding.code}: {finding.sentence}".rstrip(".") for finding in blocking) + ".",
                " ".join(dict.fromkeys(finding.next_step for finding in blocking)),
            )

    async def _ask(self, names: Iterable[str]) -> None:
        run, target = self._run, self._run.ledger.target
        try:
            told = await workflow.execute_activity(
                "preflight",
                PreflightRequest(targets=tuple(run.places(names, target)), rpo=run.runbook.objectives.rpo),
                task_queue=site_queue(target),
                result_type=PreflightResult,
                summary=f"what {target} lacks: {', '.join(names)}"[:100],
                **policies.preflight(),
            )
            found = told.findings
        except ActivityError as error:
            cause = error.cause
            why = cause.message if isinstance(cause, ApplicationError) else f"the worker of {target} did not answer"
            found = (_silent(target, why),)
        run.ledger.preflight = tuple(sorted(found, key=lambda finding: not finding.blocking))
        run.show()


def _silent(target: str, why: str) -> Finding:
    return Finding(
        code="PREFLIGHT_SILENT",
        sentence=f"What {target} lacks is not known: {why.rstrip('.')}.",
        next_step="Ask with `seawall doctor`.",
    )
