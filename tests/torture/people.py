"""The people of a scenario: they watch a run until it is over, answer its gate, and what is parked."""

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from temporalio.client import WorkflowFailureError
from temporalio.exceptions import TemporalError
from temporalio.service import RPCError, RPCStatusCode

from tests.torture.scenario import Leg
from tests.torture.started import Started
from workflows.model.progress import GateView, ParkedStep, ProgressView, RunState
from workflows.model.proof import Proof, statement
from workflows.model.report import Report
from workflows.model.requests import Answer, Approval, LossAcceptance, RiskAcceptance

if TYPE_CHECKING:
    from tests.torture.driver import Play

_PAUSE = 0.05
_PATIENCE = 1.5
_LONGEST = 0.5
"""A query costs the worker a task: who asks ever faster slows down what he waits for."""

_TRIES = 6
"""After so many retries people mend what is broken."""


class Asking(NamedTuple):
    """What asks for a proof."""

    step: str
    code: str
    proofs: tuple[str, ...]


class People:
    """Who answers."""

    def __init__(self, play: "Play") -> None:
        self._play = play

    async def attend(self, started: Started) -> None:
        """Watch an execution until it is over, or until it is parked and nobody is to answer."""
        leg = self._play.scenario.legs[started.leg]
        closing = asyncio.create_task(self._closed(started))
        pause = _PAUSE
        try:
            while not closing.done():
                view = await self._play.view(started)
                if view is not None and not closing.done() and await self._look(started, leg, view):
                    return
                await asyncio.wait({closing}, timeout=pause)
                pause = min(pause * _PATIENCE, _LONGEST)
        finally:
            closing.cancel()
            await asyncio.wait({closing}, timeout=_PAUSE)

    async def _closed(self, started: Started) -> None:
        while True:
            try:
                await started.handle.result(follow_runs=False)
            except WorkflowFailureError:
                return
            except RPCError as error:
                if error.status is RPCStatusCode.CANCELLED:
                    return  # The client's word for a wait that this process has given up.
                await asyncio.sleep(_PAUSE)
            else:
                return

    async def _look(self, started: Started, leg: Leg, view: ProgressView) -> bool:
        """React to what the run shows; True when nobody will answer any more."""
        if view.gate is not None:
            if view.gate.code not in started.codes:
                started.codes.append(view.gate.code)
            if not started.answered:
                started.answered = True
                await self._play.deeds.at("gate", started)
                await self._answer_gate(started, leg, view.gate)
        if view.parked:
            await self._play.deeds.at("parked", started)
            if leg.parked == "leave":
                return view.state is RunState.PARKED and leg.ends == ("PARKED",)
            for parked in view.parked:
                await self._answer_parked(started, leg, parked)
        return False

    # --- The gate ---

    async def _answer_gate(self, started: Started, leg: Leg, gate: GateView) -> None:
        if leg.people == "silent" or started.terminated:
            return
        await self._wrong_answers(started, leg, gate)
        asks = Asking(gate.step, gate.code, gate.proofs)
        if leg.people == "reject":
            answer = Approval(approver="ben", code=gate.code, comment="no")
            await self._answer_proved(started, "reject", answer, "ben", asks)
            return
        for number, name in enumerate(("anna", "ben")[: self._play.scenario.required]):
            answer = Approval(approver=name, code=gate.code)
            await self._answer_proved(started, "approve", answer, name, asks)
            if number == 0 and "twice" in leg.wrong:
                why = "the same person twice"
                await self._play.ask(started, "approve", answer, by=name, code=gate.code, why=why)
        if gate.loss:
            accepted = LossAcceptance(by="ben", code=gate.code, loss=gate.loss)
            await self._answer_proved(started, "accept_data_loss", accepted, "ben", asks)

    async def _wrong_answers(self, started: Started, leg: Leg, gate: GateView) -> None:
        for wrong in leg.wrong:
            if wrong == "code":
                await self._refused(started, "anna", _other(gate.code), "a code of nowhere")
            elif wrong == "stranger":
                await self._refused(started, "mallory", gate.code, "no approver")
            elif wrong == "requester":
                await self._refused(started, "carl", gate.code, "whoever asked")
            elif wrong == "old-code":
                for old in started.old_codes:
                    if old != gate.code:
                        await self._refused(started, "anna", old, "the code of before the reset")
            elif wrong == "figure" and gate.loss:
                risk = LossAcceptance(by="ben", code=gate.code, loss="1 s")
                await self._play.ask(started, "accept_data_loss", risk, by="ben", code=gate.code, why="another figure")

        if gate.proofs:
            await self._wrong_proofs(started, gate.code)

    async def _refused(self, started: Started, by: str, code: str, why: str, **proof: str) -> None:
        await self._play.ask(started, "approve", Approval(approver=by, code=code, **proof), by=by, code=code, why=why)

    # --- Proofs ---

    async def _wrong_proofs(self, started: Started, code: str) -> None:
        devices = self._play.devices
        await self._refused(started, "anna", code, "a name alone")
        await self._refused(started, "anna", code, "a guess", otp=devices.guess("anna"))
        for name, used in devices.taken.items():
            await self._refused(started, name, code, "a password that was used", otp=used)
        if strange := devices.password("ben"):
            await self._refused(started, "anna", code, "somebody else's password", otp=strange)

    async def _answer_proved(self, started: Started, act: str, answer: Proof, name: str, asks: Asking) -> None:
        """With a password; who has none left, is locked out, or was too slow for it, signs with a key."""
        devices, ask = self._play.devices, self._play.ask
        if not asks.proofs:
            await ask(started, act, answer, by=name, code=asks.code)
            return
        if digits := devices.password(name):
            proved = answer.model_copy(update={"otp": digits})
            if await ask(started, act, proved, by=name, code=asks.code):
                devices.taken[name] = digits
                return
        report = await self._report(started)
        if report is None:
            return
        said = statement(act, name, report.workflow_id, report.run_id, asks.step, asks.code, report.plan_sha256)
        signed = answer.model_copy(update={"signature": await devices.signature(name, said)})
        await ask(started, act, signed, by=name, code=asks.code)

    async def _report(self, started: Started) -> Report | None:
        try:
            report: Report = await started.handle.query("report", result_type=Report)
        except (RPCError, TemporalError):
            return None
        return report

    # --- What is parked ---

    async def _answer_parked(self, started: Started, leg: Leg, parked: ParkedStep) -> None:
        started.tries += 1
        wanted = {"degrade": "accept_degraded", "risk": "accept_split_brain_risk"}.get(leg.parked, leg.parked)
        if wanted == "accept_split_brain_risk" and wanted in parked.actions:
            await self._accept_risk(started, parked)
            return
        if started.tries > _TRIES and not leg.mend:
            wanted = next((found for found in ("abort", "accept_degraded", "skip") if found in parked.actions), wanted)
        action = wanted if wanted in parked.actions else "retry"
        if action == "retry" and (leg.mend or started.tries > _TRIES):
            self._mend(parked.step)
        answer = Answer(by="anna", step=parked.step, reason="a scenario says so")
        await self._play.ask(started, action, answer, by="anna")

    async def _accept_risk(self, started: Started, parked: ParkedStep) -> None:
        words = "I stand in front of the dead rack, and its power is off."
        if not started.risk_tried:
            started.risk_tried = True
            wrong = RiskAcceptance(by="anna", code=_other(parked.risk_code), statement=words)
            await self._play.ask(started, "accept_split_brain_risk", wrong, by="anna", why="not the risk code")
            stranger = RiskAcceptance(by="mallory", code=parked.risk_code, statement=words)
            await self._play.ask(started, "accept_split_brain_risk", stranger, by="mallory", why="no approver")
        risk = RiskAcceptance(by="anna", code=parked.risk_code, statement=words)
        asks = Asking(parked.step, parked.risk_code, parked.proofs)
        await self._answer_proved(started, "accept_split_brain_risk", risk, "anna", asks)

    def _mend(self, step: str) -> None:
        faults = self._play.world.faults
        for name in (step, step.rpartition(".")[2]):
            faults.pop(name, None)
        for name in [name for name, fault in faults.items() if fault.times == -1]:
            faults.pop(name)


def _other(code: str) -> str:
    """A code of the same form that is not this one."""
    return ("A" if code[0] != "A" else "B") + code[1:]
