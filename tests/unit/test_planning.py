"""The planner and the evidence rules: pure functions, so every case is a table."""

from typing import Any

import pytest

from tests.support.runbooks import loaded, sim_runbook
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import PlanRequest
from workflows.model.observed import Observation, Reach
from workflows.model.plan import Mode, Phase, Plan, Step
from workflows.model.verbs import Verb
from workflows.planning.evidence import OVERRIDABLE, highest_epoch, is_settled, judge_failover
from workflows.planning.failover import HOLD_OFF, LOOK_AGAIN, plan_failover
from workflows.planning.graph import compile_plan, dependants, in_order, undo_order
from workflows.planning.steps import GATE, VERIFY

NOW = "2026-11-22T14:05:00Z"


def plan_of(mode: Mode = Mode.UNPLANNED, **changes: Any) -> Plan:
    runbook = sim_runbook(**changes)
    return plan_failover(
        PlanRequest(runbook=runbook, verbs=loaded(runbook).verbs, source="primary", target="recovery", mode=mode)
    )


def look(site: str, observer: str, reach: Reach, component: str = "db", **facts: Any) -> Observation:
    return Observation(component=component, site=site, observer=observer, reach=reach, at=NOW, facts=facts)


STANDBY = look("recovery", "recovery", Reach.STANDBY, receiving=False)
FED = look("recovery", "recovery", Reach.STANDBY, receiving=True)
SERVING_THERE = look("recovery", "recovery", Reach.SERVING)
DOWN = [look("primary", "control", Reach.REFUSED), look("primary", "recovery", Reach.REFUSED)]
DOWN_ALL = [*DOWN, look("primary", "primary", Reach.REFUSED)]


def test_the_shop_is_recovered_in_this_order() -> None:
    assert [step.id for step in plan_of().steps] == [
        "db.choose_recovery_point",
        "app.start_instances",
        "approve",
        "db.fence",
        "db.sync_delta",
        "db.promote",
        "db.health_check",
        "app.health_check",
        "front.flip_dns",
        "public.verify",
        "db.measure_loss",
    ]


def test_only_what_users_do_not_notice_runs_while_people_decide() -> None:
    plan = plan_of()
    assert {step.id for step in plan.steps if step.phase is Phase.PREPARE} == {
        "db.choose_recovery_point",
        "app.start_instances",
        GATE,
    }
    behind = dependants(plan, GATE)
    assert all(step.id in behind for step in plan.steps if step.phase is not Phase.PREPARE)


def test_an_unplanned_failover_gives_no_work_to_the_failed_site() -> None:
    assert "primary" not in {step.worker for step in plan_of().steps}
    assert plan_of(Mode.PLANNED).step("db.fence").worker == "primary"


def two_databases() -> dict[str, Any]:
    data = {"role": "data", "kind": "sim.data", "replication": {"mode": "continuous"}}
    return {"orders": data, "stock": data, "app": {"role": "compute", "kind": "sim.compute", "needs": ["orders"]}}


def test_no_promote_before_every_database_is_fenced_and_caught_up() -> None:
    plan = plan_of(components=two_databases())
    for name in ("orders", "stock"):
        assert {"orders.sync_delta", "stock.sync_delta"} <= set(plan.step(f"{name}.promote").needs)


def test_a_step_waits_only_for_what_its_component_needs() -> None:
    plan = plan_of(components=two_databases())
    assert "stock.health_check" not in plan.step("app.health_check").needs
    assert "orders.health_check" in plan.step("app.health_check").needs


def test_what_stands_on_no_data_stays_reversible() -> None:
    components = {**two_databases(), "cache": {"role": "compute", "kind": "sim.compute"}}
    plan = plan_of(components=components)
    assert (plan.step("cache.start_instances").phase, plan.step("cache.start_instances").undo) == (
        Phase.COMMIT,
        Verb.STOP_INSTANCES,
    )
    assert plan.step("app.start_instances").phase is Phase.FORWARD


def test_undo_goes_backwards_and_only_over_what_started() -> None:
    plan = plan_of()
    order = [step.id for step in undo_order(plan, ["app.start_instances", "db.fence", "db.sync_delta"])]
    assert order == ["db.fence", "app.start_instances"]


def test_nothing_behind_the_pivot_has_an_undo() -> None:
    assert [s.id for s in plan_of().steps if s.undo and s.phase in (Phase.PIVOT, Phase.FORWARD)] == []


def test_the_critical_path_is_the_longest_and_leaves_the_side_branch_out() -> None:
    compiled = compile_plan(plan_of())
    path = [item.step.id for item in compiled.steps if item.on_critical_path]
    assert path[-2:] == [VERIFY, "db.measure_loss"]
    assert "app.start_instances" not in path
    assert compiled.expected_seconds == pytest.approx(sum(plan_of().step(i).expected for i in path))


@pytest.mark.parametrize("needs", [{"a": ("b",), "b": ("a",)}, {"a": ("nowhere",)}])
def test_a_graph_that_cannot_be_ordered_is_refused(needs: dict[str, tuple[str, ...]]) -> None:
    steps = [
        Step(id=name, verb=Verb.PROMOTE, words="", site="s", worker="s", phase=Phase.PIVOT, needs=need)
        for name, need in needs.items()
    ]
    with pytest.raises(ValueError, match="wait for each other, or for nothing"):
        in_order(steps)


def test_the_same_plan_has_the_same_hash_and_another_one_has_not() -> None:
    assert plan_of().hash == plan_of().hash
    assert plan_of().hash != plan_of(Mode.PLANNED).hash


def test_a_plan_that_a_provider_cannot_do_is_refused_by_name() -> None:
    runbook = sim_runbook()
    verbs = {**loaded(runbook).verbs, "db": ("observe",)}
    with pytest.raises(PermanentError, match=r"db of kind sim\.data cannot .*promote"):
        plan_failover(
            PlanRequest(runbook=runbook, verbs=verbs, source="primary", target="recovery", mode=Mode.UNPLANNED)
        )


# --- Evidence ---


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        ([*DOWN, STANDBY], None),
        ([look("primary", "control", Reach.SILENT), look("primary", "recovery", Reach.SILENT),
          look("primary", "primary", Reach.UNKNOWN), STANDBY], None),
        ([look("primary", "control", Reach.REFUSED), STANDBY], "TOO_FEW_OBSERVERS"),
        ([look("primary", "control", Reach.UNKNOWN), look("primary", "recovery", Reach.SILENT),
          look("primary", "primary", Reach.UNKNOWN), STANDBY], "TOO_FEW_OBSERVERS"),
        ([*DOWN, look("primary", "primary", Reach.STANDBY), STANDBY], None),
        ([look("primary", "control", Reach.SERVING), STANDBY], "SOURCE_HEALTHY"),
        ([look("primary", "control", Reach.SILENT), look("primary", "primary", Reach.SERVING), STANDBY],
         "OBSERVERS_DISAGREE"),
        ([look("primary", "control", Reach.SILENT), FED], "OBSERVERS_DISAGREE"),
        ([*DOWN, FED], None),
        ([look("primary", "control", Reach.REFUSED), look("recovery", "recovery", Reach.SILENT)], "TARGET_UNFIT"),
        ([look("primary", "control", Reach.REFUSED), look("recovery", "recovery", Reach.SERVING)], "TARGET_UNFIT"),
        ([], "TARGET_UNFIT"),
    ],
)  # fmt: skip
def test_an_unplanned_failover_wants_a_site_that_nobody_sees_alive(seen: list[Observation], code: str | None) -> None:
    refusal = judge_failover(sim_runbook(), Mode.UNPLANNED, "primary", "recovery", seen)
    assert (refusal.code if refusal else None) == code
    assert refusal is None or refusal.next_step


def test_too_few_observers_are_told_by_name() -> None:
    seen = [look("primary", "control", Reach.UNKNOWN), look("primary", "recovery", Reach.SILENT), STANDBY]
    refusal = judge_failover(sim_runbook(), Mode.UNPLANNED, "primary", "recovery", seen)
    assert refusal is not None
    assert "only the worker of recovery could say anything; silent: the worker of control" in refusal.sentence
    assert refusal.code in OVERRIDABLE
    assert Code.SOURCE_HEALTHY not in OVERRIDABLE


def test_the_plan_waits_for_the_hold_off_and_a_last_look_before_users_notice_anything() -> None:
    plan = plan_of(detection={"hold_off": "30s"})
    before = {step.id: step for step in plan.steps}
    assert before["db.fence"].needs[0] == LOOK_AGAIN
    assert set(before[LOOK_AGAIN].needs) == {GATE, HOLD_OFF}
    assert before[HOLD_OFF].needs == ()
    assert before["app.start_instances"].needs == (), "what users do not notice waits for nothing"
    behind = dependants(plan, LOOK_AGAIN)
    assert all(step.id in behind for step in plan.steps if step.phase is not Phase.PREPARE)
    for calm in (plan_of(Mode.PLANNED, detection={"hold_off": "30s"}), plan_of(detection={"hold_off": "0s"})):
        assert not {HOLD_OFF, LOOK_AGAIN} & {step.id for step in calm.steps}


def test_a_promoted_component_is_fenced_anew_and_its_promotion_only_found() -> None:
    asked = PlanRequest(
        runbook=sim_runbook(detection={"hold_off": "30s"}),
        verbs=loaded(sim_runbook()).verbs,
        source="primary",
        target="recovery",
        mode=Mode.UNPLANNED,
        adopts=3,
        promoted=("db",),
    )
    plan = plan_failover(asked)
    ids = {step.id for step in plan.steps}
    assert not {"db.choose_recovery_point", "db.sync_delta", HOLD_OFF} & ids
    assert plan.step("db.promote").needs == ("db.fence",)
    assert plan.step("db.promote").phase is Phase.PIVOT


@pytest.mark.parametrize(
    ("mode", "seen", "code"),
    [
        (Mode.UNPLANNED, [*DOWN_ALL, SERVING_THERE], None),
        (Mode.PLANNED, [*DOWN_ALL, SERVING_THERE], None),
        (Mode.PLANNED, [*DOWN_ALL, STANDBY], None),
        (Mode.PLANNED, [*DOWN, look("primary", "primary", Reach.UNKNOWN), STANDBY], "SOURCE_UNREACHABLE"),
        (Mode.UNPLANNED, [look("primary", "primary", Reach.SERVING), SERVING_THERE], "ROLE_MISMATCH"),
    ],
)
def test_who_takes_over_goes_on_from_what_stands(mode: Mode, seen: list[Observation], code: str | None) -> None:
    refusal = judge_failover(sim_runbook(), mode, "primary", "recovery", seen, adopting=True)
    assert (refusal.code if refusal else None) == code


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        ([look("primary", "control", Reach.SERVING), FED], None),
        ([look("primary", "control", Reach.SERVING), STANDBY], "TARGET_UNFIT"),
        ([look("primary", "control", Reach.REFUSED), FED], "SOURCE_UNREACHABLE"),
    ],
)
def test_a_planned_failover_wants_two_healthy_sites(seen: list[Observation], code: str | None) -> None:
    refusal = judge_failover(sim_runbook(), Mode.PLANNED, "primary", "recovery", seen)
    assert (refusal.code if refusal else None) == code


@pytest.mark.parametrize(
    ("reaches", "settled"),
    [
        ([Reach.REFUSED, Reach.REFUSED], True),
        ([Reach.REFUSED, Reach.SILENT], False),
        ([Reach.SERVING, Reach.REFUSED], True),
        ([Reach.UNKNOWN], False),
        ([], False),
    ],
)
def test_silence_is_never_clear(reaches: list[Reach], settled: bool) -> None:
    assert is_settled([look("primary", "control", reach) for reach in reaches]) is settled


def test_the_highest_epoch_counts_wherever_it_stands() -> None:
    seen = [look("recovery", "recovery", Reach.STANDBY, epoch=3), look("recovery", "recovery", Reach.STANDBY, epoch=7)]
    assert highest_epoch(seen) == 7
    assert highest_epoch([STANDBY]) == 0
