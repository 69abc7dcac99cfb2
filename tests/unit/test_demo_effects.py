"""What the demo says of a cloud's ledger, and how it judges it."""

from datetime import UTC, datetime
from typing import Any

from infra.awssim.ledger import Entry, Outcome
from tests.support.sample_reports import recovered
from workers.demo.effects import Effect, effects_of
from workers.demo.outcome import judged
from workers.demo.scenario import Move
from workflows.model.plan import Operation


def line(number: int, operation: str = "PromoteReadReplica", **more: Any) -> Entry:
    return Entry.model_validate(
        {
            "number": number,
            "time": datetime(2026, 11, 22, tzinfo=UTC),
            "account": "123456789012",
            "region": "eu-west-1",
            "service": "rds",
            "operation": operation,
            "parameters": "p",
            "resources": ("db",),
            "outcome": Outcome.TOOK_EFFECT,
            **more,
        }
    )


def test_the_same_call_twice_is_one_line_that_says_so() -> None:
    found = effects_of([line(1), line(2), line(3, parameters="q"), line(4, outcome=Outcome.REPLAYED)])
    assert [effect.times for effect in found] == [2, 1]


def test_what_had_no_effect_and_what_only_takes_notes_is_left_out() -> None:
    lines = [line(1, outcome=Outcome.REFUSED), line(2, outcome=Outcome.UNREACHED), line(3, service="dynamodb")]
    assert effects_of(lines) == ()


def test_a_run_that_did_something_twice_did_not_end_as_it_must() -> None:
    move, report = Move(operation=Operation.FAILOVER, reason="a region is lost", lossless=False), recovered()
    once, twice = (
        Effect(region="eu-west-1", service="rds", operation="PromoteReadReplica", times=times) for times in (1, 2)
    )
    assert judged(move, report, 1.0, 0, (once,)).as_expected
    assert not judged(move, report, 1.0, 0, (once, twice)).as_expected
