"""A door by which people and machines come in, other than the command line: chat, webhooks.

The gateway at the door has verified who somebody is; the policy says what they may. What is asked of a run goes through
`control`, as from the command line, with a voucher of the gateway where a proof is wanted.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from temporalio.client import Client

from activities.people.vouchers import voucher
from activities.policy import read_policy
from workflows.engine.authority import START
from workflows.model.entity import ApplicationState
from workflows.model.failure import Code, PermanentError
from workflows.model.policy import How, Policy
from workflows.model.progress import ProgressView
from workflows.model.proof import Proof, ProofKind, statement
from workflows.model.report import Report
from workflows.model.requests import FailoverRequest, RunRequest

from . import control

KEY_VARIABLE = "SEAWALL_GATEWAY_KEY"
_MOST_RUNS = 500
"""Of all applications, of which somebody may perhaps look at few."""


@dataclass(frozen=True)
class Caller:
    """Who is at the door, as the gateway has verified."""

    subject: str
    """Their name in the policy."""
    how: How
    where: str = ""
    """Told in the report: `slack C024BE91L`, `203.0.113.7`."""


class Door:
    """What may be asked through one gateway."""

    def __init__(self, client: Client, runbooks: Path, name: str, key: Ed25519PrivateKey | None) -> None:
        """`name` is the gateway's in the policy of `runbooks`; without its key it can vouch for nobody."""
        self.client = client
        self._runbooks = runbooks
        self._name = name
        self._key = key

    # --- Who, and what they may ---

    def who(self, how: How, identity: str, where: str = "") -> Caller | None:
        """The person or machine that the policy knows so; None for a stranger.

        Raises:
            PermanentError: CONFIGURATION, when there is no policy or it cannot be read.
        """
        subject = self._policy().who(how, identity)
        return Caller(subject, how, where) if subject else None

    def objection(self, caller: Caller, act: str, application: str) -> str | None:
        """Why they may not, as a sentence; None when they may. The policy is read each time: it may be edited."""
        return self._policy().granted(application).objection(caller.subject, act, application)

    def _policy(self) -> Policy:
        policy = read_policy(self._runbooks)
        if policy is None:
            raise PermanentError(
                Code.CONFIGURATION,
                f"There is no policy in {self._runbooks}, so that nobody may do anything here.",
                "Write one: docs/roles.md.",
            )
        return policy

    def _insist(self, caller: Caller, act: str, application: str) -> None:
        if objection := self.objection(caller, act, application):
            raise PermanentError(Code.FORBIDDEN, objection)

    async def _insist_of(self, caller: Caller, act: str, run: str) -> ProgressView:
        """Of the application that the run itself names: its id is whatever its client chose."""
        view = await control.progress(self.client, run)
        self._insist(caller, act, view.application)
        return view

    # --- Starting ---

    async def start(self, caller: Caller, request: RunRequest, run: str | None = None) -> str:
        """Start a run in the caller's name, and prove it; its workflow id. With `run` that id is used: if it was used
        before, nothing is started.

        Raises:
            PermanentError: FORBIDDEN, or what `control.start` and `control.approve` raise.
        """
        act = "propose" if isinstance(request, FailoverRequest) and request.proposed else _act_of(request)
        self._insist(caller, act, request.runbook)
        asked = request.model_copy(update={"requested_by": caller.subject})
        started = await control.start(self.client, asked, run)
        await self._prove_start(caller, started)
        return started

    async def propose(self, caller: Caller, application: str, reason: str, run: str | None = None) -> str:
        """Open the gate of a failover, for others to decide on; the workflow id."""
        request = control.checked(FailoverRequest, runbook=application, reason=reason, proposed=True)
        return await self.start(caller, request, run)

    async def _prove_start(self, caller: Caller, run: str) -> None:
        """Answer a run that asks who started it."""
        gate = await control.asked_who(self.client, run)
        if gate is None:
            return
        try:
            await self.approve(caller, run, gate.code)
        except PermanentError:
            # The same start, asked for twice: the other one has proved it.
            if await control.asked_who(self.client, run) is not None:
                raise

    # --- Answering ---

    async def approve(self, caller: Caller, run: str, code: str, comment: str = "") -> str:
        """Agree; what the run says to it."""
        proof = await self._voucher(caller, "approve", run, code)
        return await control.approve(self.client, run, caller.subject, code, comment, proof)

    async def reject(self, caller: Caller, run: str, code: str, comment: str = "") -> str:
        """Say no; what the run says to it."""
        proof = await self._voucher(caller, "reject", run, code)
        return await control.reject(self.client, run, caller.subject, code, comment, proof)

    async def accept_data_loss(self, caller: Caller, run: str, code: str, loss: str, reason: str = "") -> str:
        """Accept a loss beyond the RPO by its figure; what the run says to it."""
        proof = await self._voucher(caller, "accept_data_loss", run, code)
        return await control.accept_data_loss(self.client, run, caller.subject, code, loss, reason, proof)

    async def answer(self, caller: Caller, run: str, action: str, step: str | None = None, reason: str = "") -> str:
        """`retry`, `skip`, `accept_degraded`, `pause`, `resume` or `abort`; what the run says to it."""
        await self._insist_of(caller, action, run)
        return await control.answer(self.client, run, action, caller.subject, step, reason)

    async def acknowledge(self, caller: Caller, run: str, note: str = "") -> str:
        """See to what waits; what the run says to it."""
        await self._insist_of(caller, "acknowledge", run)
        return await control.acknowledge(self.client, run, caller.subject, note)

    async def _voucher(self, caller: Caller, act: str, run: str, code: str) -> Proof:
        """The gateway's word for an answer to a gate, where the gate takes one."""
        found, view = await control.report(self.client, run), await control.progress(self.client, run)
        if view.gate is None:
            return Proof()  # The run says that nobody is asked.
        if view.gate.step != START:
            self._insist(caller, act, found.application)
        if ProofKind.VOUCHER not in view.gate.proofs:
            return Proof()  # The run says what it wants instead, or takes a name for its word.
        if self._key is None:
            raise PermanentError(
                Code.CONFIGURATION,
                "This gateway has no key, so that it can vouch for nobody.",
                f"Set {KEY_VARIABLE}; `seawall gateway key` makes one.",
            )
        said = statement(
            act, caller.subject, found.workflow_id, found.run_id, view.gate.step, code.upper(), found.plan_sha256
        )
        given = voucher(self._name, self._key, caller.subject, caller.how, said, caller.where)
        return control.checked(Proof, voucher=given)

    # --- Looking ---

    async def progress(self, caller: Caller, run: str) -> ProgressView:
        """Where a run is."""
        return await self._insist_of(caller, "read", run)

    async def report(self, caller: Caller, run: str) -> Report:
        """Its report, as it stands."""
        await self._insist_of(caller, "read", run)
        return await control.report(self.client, run)

    async def runs(self, caller: Caller, application: str | None = None, limit: int = 20) -> list[dict[str, Any]]:
        """The newest runs that they may look at."""
        if application is not None:
            self._insist(caller, "read", application)
        rows = await control.list_runs(self.client, application, limit if application else _MOST_RUNS)
        return [row for row in rows if self.objection(caller, "read", row["application"]) is None][:limit]

    async def states(self, caller: Caller) -> list[ApplicationState]:
        """The applications that they may look at."""
        states = await control.application_states(self.client)
        return [state for state in states if self.objection(caller, "read", state.application) is None]


def _act_of(request: RunRequest) -> str:
    return control.STARTS[type(request)].lower()
