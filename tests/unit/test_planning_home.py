"""Properties of every plan of the way home and of drills, over runbooks of many shapes."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.runbooks import loaded, sim_runbook
from workflows.model.failure import PermanentError
from workflows.model.messages import PlanRequest
from workflows.model.plan import Mode, Operation, Phase, Plan
from workflows.model.verbs import Verb
from workflows.planning.drill import plan_drill, plan_live_drill
from workflows.planning.failover import plan_failover
from workflows.planning.graph import dependants
from workflows.planning.reprotect import plan_reprotect
from workflows.planning.steps import GATE, VERIFY, WINDOW
from workflows.planning.switchover import plan_switchover

AT = datetime(2026, 11, 22, 2, tzinfo=UTC)
COPIES = {"every": "1h"}
MODES: dict[str, dict[str, Any]] = {
    "continuous": {"mode": "continuous", "snapshots": COPIES},
    "interval": {"mode": "interval", "period": "15m", "snapshots": COPIES},
    "backup": {"mode": "backup", "snapshots": COPIES},
}


@st.composite
def shapes(draw: st.DrawFn) -> dict[str, Any]:
    """Fields of a runbook with one to three databases, up to three services and maybe a public name."""
    parts: dict[str, Any] = {}
    for number in range(draw(st.integers(1, 3))):
        mode = draw(st.sampled_from(sorted(MODES)))
        parts[f"db{number}"] = {"role": "data", "kind": "sim.data", "replication": MODES[mode]}
    for number in range(draw(st.integers(0, 3))):
        needs = draw(st.lists(st.sampled_from(sorted(parts)), unique=True, max_size=2))
        prewarm = draw(st.booleans())
        parts[f"app{number}"] = {"role": "compute", "kind": "sim.compute", "needs": needs, "prewarm": prewarm}
    if draw(st.booleans()):
        parts["front"] = {"role": "traffic", "kind": "sim.traffic", "needs": [sorted(parts)[0]]}
    return {"components": parts, "tier": draw(st.sampled_from(["hot", "warm", "cold"]))}


def asked(fields: dict[str, Any], operation: Operation, *, lacking: tuple[Verb, ...] = (), **more: Any) -> PlanRequest:
    runbook = sim_runbook(**fields)
    sides = {"source": "primary", "target": "recovery", "mode": Mode.PLANNED} | more
    return PlanRequest(runbook=runbook, verbs=loaded(runbook, lacking).verbs, operation=operation, **sides)


def of(plan: Plan, *verbs: Verb) -> list[str]:
    return [step.id for step in plan.steps if step.verb in verbs]


def comes_after(plan: Plan, later: list[str], earlier: list[str]) -> bool:
    """Whether each of `later` waits, directly or not, for each of `earlier`."""
    return all({*later} <= dependants(plan, step) for step in earlier)


@settings(max_examples=60)
@given(shapes(), st.booleans())
def test_a_planned_move_keeps_its_lines(fields: dict[str, Any], window: bool) -> None:
    plan = plan_switchover(asked(fields, Operation.SWITCHOVER, at=AT if window else None))
    promotes, rebuilds = of(plan, Verb.PROMOTE), of(plan, Verb.REBUILD_REPLICA)
    assert comes_after(plan, promotes, of(plan, Verb.FENCE, Verb.SYNC_DELTA, Verb.RESTORE))
    cutover = WINDOW if window else GATE
    after_consent = [step.id for step in plan.steps if step.phase is not Phase.PREPARE]
    assert comes_after(plan, after_consent, [cutover])
    assert comes_after(plan, [GATE], of(plan, Verb.COMPARE_SITES, Verb.MEASURE_LAG))
    assert comes_after(plan, [GATE], [f"{step.split('.')[0]}.verify_before" for step in promotes])
    assert comes_after(plan, rebuilds, [VERIFY])
    for name in (step.split(".")[0] for step in rebuilds):
        assert comes_after(plan, [f"{name}.rebuild_replica"], [f"{name}.archive_diverged", f"{name}.promote"])
        assert comes_after(plan, [f"{name}.verify_after"], [f"{name}.protect"])
    assert {step.phase for step in plan.steps if step.id in rebuilds} == {Phase.FORWARD}
    assert all(step.undo is None for step in plan.steps if step.phase in (Phase.PIVOT, Phase.FORWARD))
    quiet = [step.id for step in plan.steps if step.id.endswith(".stop_at_source")]
    computes = [name for name, part in fields["components"].items() if part["role"] == "compute"]
    assert len(quiet) == (0 if fields["tier"] == "hot" else len(computes))
    assert comes_after(plan, of(plan, Verb.FENCE), quiet)
    assert len([step for step in plan.steps if step.id.endswith(".stand_by")]) == (
        len(computes) if fields["tier"] == "hot" else 0
    )


@settings(max_examples=20)
@given(shapes())
def test_a_failback_is_the_switchover_home(fields: dict[str, Any]) -> None:
    home: dict[str, Any] = {"source": "recovery", "target": "primary"}
    there = plan_switchover(asked(fields, Operation.SWITCHOVER, **home))
    back = plan_switchover(asked(fields, Operation.FAILBACK, **home))
    assert back.steps == there.steps
    assert back.hash != there.hash, "an approval of one is none of the other"


@settings(max_examples=30)
@given(shapes(), st.sampled_from(["ask", "automatic"]))
def test_a_reprotect_archives_before_it_overwrites(fields: dict[str, Any], way: str) -> None:
    plan = plan_reprotect(asked({**fields, "failback": {"reprotect": way}}, Operation.REPROTECT))
    rebuilds = of(plan, Verb.REBUILD_REPLICA)
    assert comes_after(plan, rebuilds, [*of(plan, Verb.ARCHIVE_DIVERGED), "site.reopen_site"])
    assert (GATE in [step.id for step in plan.steps]) is (way == "ask")
    assert way == "automatic" or comes_after(plan, rebuilds, [GATE])
    assert {step.phase for step in plan.steps if step.id in rebuilds} == {Phase.PIVOT}
    assert of(plan, Verb.PROMOTE, Verb.FENCE, Verb.FLIP_DNS) == [], "users notice nothing"


@settings(max_examples=60)
@given(shapes(), st.booleans())
def test_an_isolated_drill_has_no_way_out_but_its_closing(fields: dict[str, Any], clones: bool) -> None:
    lacking = () if clones else (Verb.CLONE_DATA,)
    plan = plan_drill(asked(fields, Operation.DRILL, mode=Mode.UNPLANNED, lacking=lacking))
    assert {step.phase for step in plan.steps} == {Phase.PREPARE}
    assert plan.steps[-1].id == "bubble.close_bubble"
    inside = [step.id for step in plan.steps if step.verb.mutates and step.verb is not Verb.OPEN_BUBBLE]
    assert comes_after(plan, inside, ["bubble.prove_isolation"])
    others = [step.id for step in plan.steps[:-1]]
    assert comes_after(plan, ["bubble.close_bubble"], others)
    assert of(plan, Verb.FENCE, Verb.FLIP_DNS, Verb.RESTORE, Verb.GATE) == []
    assert {step.undo for step in plan.steps} <= {None, Verb.CLOSE_BUBBLE}
    assert {step.site for step in plan.steps} == {"recovery"}
    assert bool(of(plan, Verb.PROMOTE)) is clones


def test_in_a_cloud_nobody_can_use_the_application_inside_the_bubble_so_that_is_simulated() -> None:
    sites = sim_runbook().model_dump(mode="json")["sites"]
    sites["recovery"]["bubble"] = {"kind": "aws.vpc"}
    plan = plan_drill(asked({"sites": sites}, Operation.DRILL, mode=Mode.UNPLANNED))
    without = plan_drill(asked({}, Operation.DRILL, mode=Mode.UNPLANNED))
    assert [step.id for step in plan.steps] == [step.id for step in without.steps]
    assert of(plan, Verb.VERIFY) == []
    assert of(plan, Verb.OPEN_BUBBLE, Verb.CLONE_DATA) == of(without, Verb.OPEN_BUBBLE, Verb.CLONE_DATA)


def test_a_live_drill_asks_once_and_goes_there_and_back() -> None:
    plan = plan_live_drill(asked({}, Operation.DRILL))
    assert [(step.id, step.site, step.phase) for step in plan.steps] == [
        (GATE, "recovery", Phase.PREPARE),
        ("out", "recovery", Phase.PIVOT),
        ("back", "primary", Phase.FORWARD),
    ]
    assert plan.step("back").needs == ("out",)


@settings(max_examples=60)
@given(shapes(), st.sampled_from(["latest", "latest-verified", "monday"]))
def test_a_replica_is_set_aside_only_behind_the_fence_and_a_copy_is_laid_down_before_the_gate(
    fields: dict[str, Any], choice: str
) -> None:
    plan = plan_failover(asked(fields, Operation.FAILOVER, mode=Mode.UNPLANNED, choice=choice))
    for name, part in fields["components"].items():
        if part["role"] != "data":
            continue
        restore = f"{name}.restore"
        streams = part["replication"]["mode"] == "continuous"
        assert (restore in [step.id for step in plan.steps]) is (not streams or choice != "latest")
        if streams and choice != "latest":
            assert plan.step(restore).phase is Phase.COMMIT
            assert comes_after(plan, [restore], [f"{name}.fence"])
        elif not streams:
            assert plan.step(restore).phase is Phase.PREPARE
            assert GATE not in plan.step(restore).needs
        if restore in [step.id for step in plan.steps]:
            assert plan.step(restore).undo is Verb.DISCARD_RESTORE
            assert comes_after(plan, of(plan, Verb.PROMOTE), [restore])


def test_a_planned_failover_goes_to_no_earlier_point() -> None:
    with pytest.raises(PermanentError, match="loses nothing"):
        plan_failover(asked({}, Operation.FAILOVER, choice="monday"))


PLANNERS = {
    Operation.SWITCHOVER: plan_switchover,
    Operation.FAILOVER: plan_failover,
    Operation.REPROTECT: plan_reprotect,
    Operation.DRILL: plan_drill,
}


@pytest.mark.parametrize(
    ("operation", "verb"),
    [
        *((Operation.SWITCHOVER, verb) for verb in (Verb.FENCE, Verb.UNFENCE, Verb.REBUILD_REPLICA, Verb.PROTECT)),
        *((Operation.SWITCHOVER, verb) for verb in (Verb.PROMOTE, Verb.SYNC_DELTA, Verb.CHOOSE_RECOVERY_POINT)),
        *((Operation.FAILOVER, verb) for verb in (Verb.FENCE, Verb.UNFENCE, Verb.PROMOTE, Verb.OBSERVE)),
        *((Operation.REPROTECT, verb) for verb in (Verb.REBUILD_REPLICA, Verb.PROTECT, Verb.OBSERVE)),
        *((Operation.DRILL, verb) for verb in (Verb.CHOOSE_RECOVERY_POINT, Verb.OBSERVE)),
    ],
)
def test_what_a_provider_cannot_do_is_refused_by_name(operation: Operation, verb: Verb) -> None:
    with pytest.raises(PermanentError, match=rf"db of kind sim\.data cannot {verb.value}") as refused:
        PLANNERS[operation](asked({}, operation, lacking=(verb,)))
    assert refused.value.code.value == "UNSUPPORTED"


@pytest.mark.parametrize("operation", [Operation.SWITCHOVER, Operation.FAILOVER])
@pytest.mark.parametrize("mode", ["interval", "backup"])
def test_what_has_copies_only_and_cannot_be_restored_is_refused(operation: Operation, mode: str) -> None:
    parts = {"db": {"role": "data", "kind": "sim.data", "replication": MODES[mode]}}
    with pytest.raises(PermanentError, match="cannot be restored"):
        PLANNERS[operation](asked({"components": parts, "tier": "cold"}, operation, lacking=(Verb.RESTORE,)))


@pytest.mark.parametrize(
    "verb", [Verb.COMPARE_SITES, Verb.MEASURE_LAG, Verb.VERIFY_CONSISTENCY, Verb.ARCHIVE_DIVERGED, Verb.MEASURE_LOSS]
)
def test_what_is_only_better_to_have_is_left_out_of_the_plan(verb: Verb) -> None:
    assert of(plan_switchover(asked({}, Operation.SWITCHOVER, lacking=(verb,))), verb) == []
    assert of(plan_switchover(asked({}, Operation.SWITCHOVER)), verb)
