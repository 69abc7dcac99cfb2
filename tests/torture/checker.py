"""Judges a record: a pure function from what is known of a seed to the rules that were broken.

It knows nothing of the engine. It reads the world's ledger, Temporal's histories and what clients were told, and holds
them against the ten invariants and the rules of the house. What cannot be judged from a record is said in
`cases.NOT_JUDGED`.
"""

from tests.torture import rules_people, rules_run, rules_world
from tests.torture.judging import Rule, Violation
from tests.torture.record import Record

RULES: tuple[Rule, ...] = (*rules_world.RULES, *rules_run.RULES, *rules_people.RULES)


def judge(record: Record) -> list[Violation]:
    """Every rule that was broken; none for a record that is as it must be."""
    return [violation for rule in RULES for violation in rule(record)]


def refusals(record: Record) -> int:
    """How many refusals the scenario asserted, and came to assert."""
    legs = sum(1 for wanted in record.wanted if wanted.refusal) + sum(w.starts - 1 for w in record.wanted)
    return legs + sum(1 for operation in record.operations if operation.must_fail and operation.outcome == "fail")
