"""A few seeds and named scenarios, judged; what a seed is; and what a violation looks like in a record."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.torture.checker import judge, refusals
from tests.torture.named import ROWS, named
from tests.torture.record import EffectRecord, Operation, Record, WritersAt
from tests.torture.rows import Row
from tests.torture.run import play, run
from tests.torture.seeds import KINDS, scenario

START = datetime(2026, 11, 22, 14, 5, tzinfo=UTC)
QUICK = ("promote-refused", "wrong-approvals", "reset-before-the-approval", "only-the-orchestrator-is-cut-off")


def test_a_seed_is_the_same_scenario_for_ever_and_each_kind_is_drawn() -> None:
    drawn = [scenario(seed) for seed in range(1, 301)]
    assert drawn == [scenario(seed) for seed in range(1, 301)]
    assert {found.kind for found in drawn} == set(KINDS)
    assert sum(1 for found in drawn if found.refusals) >= 0.25 * len(drawn)


@pytest.mark.parametrize("row", [row for row in ROWS if row.name in QUICK], ids=lambda row: row.name)
@pytest.mark.asyncio(loop_scope="session")
async def test_a_named_scenario_breaks_no_rule(lane: tuple[Client, Path], row: Row) -> None:
    outcome = await play(lane[0], row.made, lane[1])
    assert [str(violation) for violation in outcome.violations] == []


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.timeout(900)
async def test_all_named_scenarios_break_no_rule() -> None:
    summary = await run([row.made for row in ROWS if not row.slow and row.name not in QUICK], quiet=True)
    assert [f"{o.scenario.name} {violation}" for o in summary.broken for violation in o.violations] == []


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.timeout(900)
async def test_forty_seeds_break_no_rule_and_enough_of_them_refuse() -> None:
    summary = await run([scenario(seed) for seed in range(1, 41)], quiet=True)
    assert [f"{o.scenario.name} {violation}" for o in summary.broken for violation in o.violations] == []
    assert summary.well


def test_an_unknown_name_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(SystemExit, match="planned-move"):
        named("nothing")


# --- The checker by itself, over records that were made by hand ---


def effect(verb: str, second: int, step: str = "", **fields: object) -> EffectRecord:
    made = {
        "verb": verb,
        "site": "recovery" if verb == "promote" else "primary",
        "component": "db",
        "key": "",
        "epoch": 1,
        "workflow": "w",
        "step": step or f"db.{verb}",
        "run": "r",
        "at": START + timedelta(seconds=second),
    }
    return EffectRecord.model_validate(made | fields)


def record(**fields: object) -> Record:
    empty = {
        "seed": 0, "scenario": "by hand", "kind": "", "approvers": ("anna",), "required": 1, "requester": "carl",
        "rpo_seconds": 5.0, "effects": (), "rehearsed": (), "writers": (), "routes": ("primary",), "operations": (),
        "runs": (), "entity": None, "wanted": (), "serving": (("db", "primary"),), "standby": (), "running": (),
        "rows": {"db@primary": ("1",)}, "written": ("1",), "archived": (), "wiped": (), "bubbles": (),
    }  # fmt: skip
    return Record.model_validate(empty | fields)


def broken(found: Record) -> set[str]:
    return {violation.rule for violation in judge(found)}


def test_a_quiet_record_breaks_no_rule() -> None:
    assert judge(record()) == []


@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        ("3 at most one effect", {"effects": (effect("fence", 1), effect("fence", 2))}),
        ("5 epochs only rise", {"effects": (effect("fence", 1, epoch=3), effect("fence", 2, epoch=2, workflow="v"))}),
        ("5 epochs only rise", {"effects": (effect("fence", 1),), "stood": {"db": 7}}),
        ("2 fence before promote", {"effects": (effect("promote", 1),)}),
        ("6 the pivot is one-way", {"effects": (effect("promote", 1), effect("unfence", 2, "db.fence"))}),
        ("5 routing is never empty", {"routes": ("primary", "")}),
        ("1 nothing lost silently", {"written": ("1", "2")}),
        ("1 nothing lost silently", {"wiped": ("2",)}),
        ("9 isolation", {"bubbles": ("drill-1",)}),
        ("9 isolation", {"rehearsed": (effect("promote", 1),)}),
        ("10 evidence", {"leaks": ("the history of w",)}),
    ],
)
def test_each_rule_has_a_record_that_breaks_it(rule: str, fields: dict[str, object]) -> None:
    assert rule in broken(record(**fields))


def test_two_writers_are_the_worlds_fault_only_where_no_effect_made_them() -> None:
    both = (("db", "primary"), ("db", "recovery"))
    by_effect = WritersAt(at=START, pairs=both, verb="promote")
    by_itself = WritersAt(at=START, pairs=both)
    assert "1 one writer" in broken(record(writers=(by_effect,)))
    assert "1 one writer" not in broken(record(writers=(by_itself, by_effect)))


def test_what_had_to_be_refused_and_was_not_is_told() -> None:
    wrong = Operation(name="approve", at=START, outcome="ok", must_fail=True, why="a code of nowhere")
    assert "8 authority is proven" in broken(record(operations=(wrong,)))
    refused = wrong.model_copy(update={"outcome": "fail", "said": "This code does not belong here."})
    assert judge(record(operations=(refused,))) == []
    assert refusals(record(operations=(refused,))) == 1
