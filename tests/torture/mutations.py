"""Engines that are broken on purpose: each takes one safety away by patching functions of the product.

A checker that has never caught anything proves nothing. `test_mutations.py` plays a few scenarios over each of these
and demands that the rule in question is reported, and that the unbroken engine passes the same scenarios. The workers
run outside the sandbox, so that a patch acts on workflows too.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities import fence, promote, wire
from activities.wire import Pulse
from tests.support.sim_world import World
from workflows.application import Application
from workflows.engine import executor as executing
from workflows.engine import gate, proof_book, reporting, saga, suspicion
from workflows.engine.executor import Executor
from workflows.engine.holding import Holding
from workflows.engine.moving import Moving
from workflows.engine.notices import Notifier
from workflows.engine.proving import Prover
from workflows.engine.run import RecoveryRun
from workflows.engine.saga import Saga
from workflows.model.failure import OutcomeUnknownError
from workflows.model.messages import Ref
from workflows.model.observed import Reach
from workflows.model.plan import Plan, Step
from workflows.model.verbs import Verb

Patch = tuple[Any, str, Any]


@dataclass(frozen=True)
class Mutation:
    """One broken engine: what was taken away, by which rule it must be caught, and by which scenario of `named.py`."""

    name: str
    story: str
    rules: tuple[str, ...]
    """Beginnings of the rules of which one must be reported."""
    scenario: str
    patches: Callable[[], Sequence[Patch]]

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """The product, broken."""
        with contextlib.ExitStack() as stack:
            for owner, name, value in self.patches():
                stack.enter_context(_replaced(owner, name, value))
            yield


@contextlib.contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """`owner.name` is another one for a while; also where the owner is frozen."""
    honest = vars(owner)[name]
    put = setattr if isinstance(owner, type | ModuleType) else object.__setattr__
    put(owner, name, value)
    try:
        yield
    finally:
        put(owner, name, honest)


def _undo_before_settle() -> Sequence[Patch]:
    async def settle(self: Executor, step: Step, outcome: Any) -> bool:
        self._ledger.update(step.id, state="failed")
        return False

    return [(Executor, "_settle", settle)]


def _promote_without_fence() -> Sequence[Patch]:
    def turn(self: Executor, step: Step) -> bool:
        hurried = [need for need in step.needs if step.verb is not Verb.PROMOTE or need == "approve"]
        return not self.paused and all(self._ledger.is_behind(need) for need in hurried)

    return [(Executor, "_turn", turn), (promote, "_insist_on_fence", lambda request: None)]


def _fence_that_proves_nothing() -> Sequence[Patch]:
    honest = fence._prove

    def prove(request: Any, proof: Any, probe: Reach) -> Any:
        return honest(request, proof, probe).model_copy(update={"proven": True, "independent": True})

    async def by_device(self: Any, request: Any, device: Any, pulse: Any) -> Any:
        return fence.StepResult(changed=False)

    return [(fence, "_prove", prove), (fence.Fence, "_by_device", by_device)]


def _blind_retry() -> Sequence[Patch]:
    def key(self: Ref) -> str:
        attempt = activity.info().attempt if activity.in_activity() else 0
        return f"{self.workflow_id}:{self.step}:{self.epoch}:{attempt}"

    return [(Ref, "key", property(key))]


def _undo_after_pivot() -> Sequence[Patch]:
    return [(Executor, "past_pivot", property(lambda self: False))]


def _stale_epoch_lands() -> Sequence[Patch]:
    async def trust(self: Moving, lease: Any) -> None:
        return None

    return [(Moving, "rise_above_what_stands", trust), (World, "insist_on_epoch", lambda self, request: None)]


def _lock_kept() -> Sequence[Patch]:
    async def keep(self: Holding) -> None:
        return None

    return [(Holding, "give_up_lease", keep)]


def _lock_for_all() -> Sequence[Patch]:
    definition = Application.acquire_lease._defn
    return [(definition, "validator", None)]


def _cancel_swallowed() -> Sequence[Patch]:
    return [(RecoveryRun, "_cancel_asked", lambda self: None)]


def _any_code_counts() -> Sequence[Patch]:
    honest = gate.Gate.objection
    return [(gate.Gate, "objection", lambda self, answer: honest(self, answer.model_copy(update={"code": self.code})))]


def _anybody_approves() -> Sequence[Patch]:
    return [(gate.Gate, "objection", lambda self, answer: None)]


def _nobody_is_told() -> Sequence[Patch]:
    return [(Notifier, "look", lambda self: None)]


def _proof_not_looked_at() -> Sequence[Patch]:
    async def believe(self: Prover, rule: Any, claim: Any, answer: Any) -> str:
        return "one-time password"

    return [(Prover, "prove", believe)]


def _proof_counts_twice() -> Sequence[Patch]:
    return [(proof_book, "why_not", lambda state, told, now: None)]


def _frozen_attempt_acts() -> Sequence[Patch]:
    return [(Pulse, "still_mine", lambda self: None)]


def _undo_forgets_one() -> Sequence[Patch]:
    honest = Saga._pending
    return [(Saga, "_pending", lambda self: honest(self)[1:])]


def _undo_forwards() -> Sequence[Patch]:
    honest = saga.undo_order

    def forwards(plan: Plan, started: Any) -> list[Step]:
        return honest(plan, started)[::-1]

    return [(saga, "undo_order", forwards)]


def _evidence_ignored() -> Sequence[Patch]:
    return [(suspicion, "judge_failover", lambda *args, **more: None)]


def _null_is_a_pass() -> Sequence[Patch]:
    honest = reporting._objective

    def pleased(name: str, promised: Any, measured: Any) -> Any:
        return honest(name, promised, measured).model_copy(update={"met": True})

    return [(reporting, "_objective", pleased), (reporting, "times_of", lambda ledger: reporting.Times())]


def _secrets_told() -> Sequence[Patch]:
    @contextlib.contextmanager
    def telling() -> Iterator[None]:
        try:
            yield
        except wire.SeawallError as error:
            raise wire._encode(error) from None
        except (ApplicationError, wire.asyncio.CancelledError):
            raise
        except Exception as error:
            raise wire._encode(OutcomeUnknownError(str(error))) from None

    return [(wire, "on_the_wire", telling)]


def _time_out_is_failure() -> Sequence[Patch]:
    def handle(self: Executor, step: Step, outcome: Any) -> Any:
        if isinstance(outcome, executing.Unknown):
            outcome = executing.Failed("UNREACHABLE", outcome.reason, attempt=outcome.attempt)
        return outcome

    return [(Executor, "_doubting", handle)]


def _bubble_left() -> Sequence[Patch]:
    from workflows.planning import drill as planning

    honest = planning.plan_drill

    def untidy(request: Any) -> Plan:
        plan = honest(request)
        return plan.model_copy(update={"steps": tuple(s for s in plan.steps if s.verb is not Verb.CLOSE_BUBBLE)})

    from workflows import drill

    return [(drill, "plan_drill", untidy)]


MUTATIONS = (
    Mutation(
        "undo-before-settle",
        "The undo starts while a step is unknown.",
        ("4",),
        "cancel-in-flight-and-no-answer",
        _undo_before_settle,
    ),
    Mutation(
        "promote-without-fence",
        "A promote waits for nothing but the approval.",
        ("1", "2", "4"),
        "planned-move",
        _promote_without_fence,
    ),
    Mutation(
        "fence-that-proves-nothing",
        "A fence that was never asked for counts as proven.",
        ("2",),
        "lost-site",
        _fence_that_proves_nothing,
    ),
    Mutation("blind-retry", "The key of an effect has the attempt in it.", ("3",), "lost-replies", _blind_retry),
    Mutation(
        "undo-after-pivot", "A cancel behind the promote undoes.", ("6",), "cancel-behind-the-pivot", _undo_after_pivot
    ),
    Mutation(
        "stale-epoch-lands",
        "A lower epoch than the one that stands is taken.",
        ("5",),
        "old-epoch-stands",
        _stale_epoch_lands,
    ),
    Mutation("lock-kept", "A run that has ended keeps its lease.", ("3",), "planned-move", _lock_kept),
    Mutation(
        "lock-for-all",
        "The entity gives everybody the lease that is held.",
        ("3", "5", "8"),
        "three-starts-at-once",
        _lock_for_all,
    ),
    Mutation(
        "cancel-swallowed", "A cancel is heard and forgotten.", ("4 cancels",), "cancel-in-flight", _cancel_swallowed
    ),
    Mutation(
        "any-code-counts",
        "The code of an answer is not looked at.",
        ("8",),
        "wrong-approvals",
        _any_code_counts,
    ),
    Mutation("anybody-approves", "Every answer to a gate is taken.", ("8",), "wrong-approvals", _anybody_approves),
    Mutation(
        "proof-not-looked-at",
        "Whatever is given as a proof is one.",
        ("8",),
        "wrong-proofs",
        _proof_not_looked_at,
    ),
    Mutation("proof-counts-twice", "What was used as a proof counts again.", ("8",), "used-proof", _proof_counts_twice),
    Mutation("nobody-is-told", "People are told of nothing.", ("12",), "dead-channels", _nobody_is_told),
    Mutation(
        "frozen-attempt-acts",
        "An attempt that wakes up late goes on.",
        ("3", "7"),
        "frozen-everywhere",
        _frozen_attempt_acts,
    ),
    Mutation(
        "undo-forgets-one",
        "The last thing that was done is never undone.",
        ("7",),
        "promote-refused",
        _undo_forgets_one,
    ),
    Mutation(
        "undo-forwards",
        "What was done first is undone first.",
        ("7 undone in reverse",),
        "warm-promote-refused",
        _undo_forwards,
    ),
    Mutation(
        "evidence-ignored",
        "A failover starts whatever was seen.",
        ("scenario",),
        "only-the-orchestrator-is-cut-off",
        _evidence_ignored,
    ),
    Mutation("null-is-a-pass", "What was not measured counts as met.", ("10",), "lost-site", _null_is_a_pass),
    Mutation(
        "secrets-told", "A driver's error is passed on word for word.", ("10",), "secret-in-an-error", _secrets_told
    ),
    Mutation(
        "time-out-is-failure",
        "A step that got no answer counts as failed.",
        ("4", "scenario", "6"),
        "promote-unanswered",
        _time_out_is_failure,
    ),
    Mutation("bubble-left", "A drill does not close its bubble.", ("9",), "drill", _bubble_left),
)
