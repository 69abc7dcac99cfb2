"""The rules between the parts of a runbook: what is refused, what is only warned of."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from activities.runbook_file import read_runbook
from tests.unit.runbook_kit import registry, write
from workflows.model.runbook import Role, Runbook
from workflows.model.runbook_rules import RuleProblem, problems

TODAY = date(2026, 11, 22)

BACKUP = {"mode": "backup", "snapshots": {}}
EVERY_5_S = {"mode": "interval", "period": "5s", "snapshots": {}}


@pytest.fixture
def plain(tmp_path: Path) -> dict[str, Any]:
    loaded = read_runbook(write(tmp_path), registry())
    return loaded.runbook.model_dump(mode="json", exclude_none=True)


def judge(raw: dict[str, Any], **known: Any) -> list[RuleProblem]:
    return problems(Runbook.model_validate(raw), **known)


def only(found: list[RuleProblem]) -> RuleProblem:
    assert len(found) == 1, found
    return found[0]


def test_a_right_runbook_breaks_no_rule(plain: dict[str, Any]) -> None:
    assert judge(plain, today=TODAY) == []


@pytest.mark.parametrize(
    ("path", "value", "where", "told"),
    [
        ("home", "nowhere", ("home",), "There is no site nowhere"),
        ("components.app.needs", ["dp"], ("components", "app", "needs", 0), "There is no component dp"),
        ("components.app.needs", ["app"], ("components", "app", "needs", 0), "needs itself"),
        ("components.app.needs", ["db", "db"], ("components", "app", "needs", 1), "stands twice"),
        ("components.front.needs", [], ("components", "front"), "before anything serves"),
        ("components.db.settings.addresses", {"primary": 1}, ("components", "db", "settings", "addresses"), "recovery"),
        ("approvals.failover.on_silence", "go-on", ("approvals", "failover", "on_silence"), "Silence cannot approve"),
        ("objectives.rto", "0s", ("objectives", "rto"), "A duration of nothing"),
        ("objectives.rpo", "0s", ("objectives", "rpo"), "A duration of nothing"),
        ("public.timing.interval", "0s", ("public", "timing", "interval"), "A duration of nothing"),
        ("components.app.checks.primary", [{"kind": "sql", "query": "select 1", "expect": "1"}],
         ("components", "app", "checks", "primary", 0), "A sql check belongs to a data component"),
        ("components.app.checks.primary", [{"kind": "dns", "name": "a"}],
         ("components", "app", "checks", "primary", 0), "wants its server"),
        ("components.db.replication", BACKUP, ("components", "db", "replication", "mode"), "Tier hot"),
        ("public.url", "https://[shop/check", ("public", "url"), "not a URL"),
    ],
)  # fmt: skip
def test_what_makes_recovery_impossible_or_unsafe_is_refused(
    plain: dict[str, Any], path: str, value: object, where: tuple[str | int, ...], told: str
) -> None:
    found = only(judge(_with(plain, path, value)))
    assert (found.path, found.warning) == (where, False)
    assert told in found.sentence
    assert found.next_step


@pytest.mark.parametrize(
    ("path", "value", "where", "told"),
    [
        ("sites.primary.fence_device", None, ("sites", "primary"), "nothing can prove"),
        ("components.app.critical", False, ("components", "front", "needs", 0), "which is not"),
        ("components.app.checks", {}, ("components", "app"), "Nothing proves that app serves at"),
        ("deadline", "1m", ("deadline",), "before the RTO has passed"),
        ("components.db.replication", EVERY_5_S, ("components", "db", "replication", "mode"),
         "does not go well"),
        ("tier", "cold", ("components", "db", "replication", "mode"), "does not go well"),
        ("approvals.failover.required", 2, ("approvals", "failover", "approvers"), "too few are left"),
        ("public.name", "other.example.org", ("public", "url"), "does not go through the public name"),
        ("review.last", "2026-01-01", ("review", "last"), "was due on 2026-04-01"),
        ("review.last", "2027-01-01", ("review", "last"), "in the future"),
    ],
)  # fmt: skip
def test_what_is_only_unwise_never_stops_a_recovery(
    plain: dict[str, Any], path: str, value: object, where: tuple[str | int, ...], told: str
) -> None:
    found = judge(_with(plain, path, value), today=TODAY)
    assert found
    assert all(problem.warning for problem in found)
    assert found[0].path == where
    assert told in found[0].sentence


def test_a_copy_less_often_than_the_rpo_is_warned_of(plain: dict[str, Any]) -> None:
    raw = _with(plain, "components.db.replication", {"mode": "interval", "period": "15m", "snapshots": {}})
    found = only(judge({**raw, "tier": "warm"}))
    assert found.warning
    assert found.sentence == "A copy every 15m cannot keep an RPO of 5s."


def test_silence_may_go_on_in_a_planned_failover(plain: dict[str, Any]) -> None:
    rule = {"approvers": ["anna", "ben"], "on_silence": "go-on"}
    assert judge(_with(plain, "approvals.planned_failover", rule)) == []


def test_no_lag_at_all_may_be_asked_of_a_failback(plain: dict[str, Any]) -> None:
    assert judge(_with(plain, "failback.max_lag", "0s")) == []


@pytest.mark.parametrize("names", [["primary"], ["primary", "recovery", "third"]])
def test_exactly_two_sites(plain: dict[str, Any], names: list[str]) -> None:
    device = plain["sites"]["primary"]
    for part in plain["components"].values():
        part["settings"] = {}
        part["checks"] = dict.fromkeys(names, part["checks"]["primary"]) if part["checks"] else {}
    found = only(judge({**plain, "sites": dict.fromkeys(names, device)}))
    assert found.path == ("sites",)
    assert not found.warning


def test_a_site_name_that_does_not_exist(plain: dict[str, Any]) -> None:
    sites = plain["components"]["db"]["settings"]["sites"]
    sites["recovry"] = sites.pop("recovery")
    plain["components"]["db"]["checks"]["recovry"] = plain["components"]["db"]["checks"]["primary"]
    paths = [problem.path for problem in judge(plain)]
    assert paths == [
        ("components", "db", "settings", "sites"),
        ("components", "db", "checks", "recovry"),
        ("components", "db", "settings", "sites", "recovry"),
    ]


def test_nothing_to_recover(plain: dict[str, Any]) -> None:
    front = {"front": {**plain["components"]["front"], "needs": ["back"]}}
    back = {"back": {**plain["components"]["front"], "needs": ["front"]}}
    found = judge({**plain, "components": {**front, **back}})
    assert [problem.path for problem in found] == [("components",), ("components", "front", "needs")]


@pytest.mark.parametrize(
    ("needs", "circle"),
    [
        ({"a": ["b"], "b": ["a"]}, "a -> b -> a"),
        ({"a": ["b"], "b": ["c"], "c": ["a"]}, "a -> b -> c -> a"),
        ({"x": ["a"], "a": ["b"], "b": ["y", "a"], "y": []}, "a -> b -> a"),
    ],
)
def test_a_cycle_is_named(plain: dict[str, Any], needs: dict[str, list[str]], circle: str) -> None:
    app = plain["components"]["app"]
    parts = {name: {**app, "needs": wanted} for name, wanted in needs.items()}
    found = only(judge({**plain, "components": parts}))
    assert found.sentence == f"These components wait for each other for ever: {circle}."


@pytest.mark.parametrize(
    ("component", "lacking"),
    [
        ("db", "promote"),
        ("db", "sync_delta"),
        ("db", "health_check"),
        ("app", "stop_instances"),
        ("front", "restore_dns"),
    ],
)
def test_a_kind_that_cannot_do_what_its_role_asks(plain: dict[str, Any], component: str, lacking: str) -> None:
    every = {"observe", "choose_recovery_point", "fence", "sync_delta", "promote", "start_instances", "stop_instances",
             "flip_dns", "restore_dns", "health_check"}  # fmt: skip
    found = only(judge(plain, capabilities={component: every - {lacking}}))
    assert found.path == ("components", component, "kind")
    assert lacking in found.sentence
    assert judge(plain, capabilities={component: every}) == []


def test_a_fence_device_at_every_site_stands_in_for_a_kind_that_cannot_fence(plain: dict[str, Any]) -> None:
    verbs = {"observe", "choose_recovery_point", "sync_delta", "promote", "health_check"}
    assert judge(plain, capabilities={"db": verbs}) == []
    refused = judge(_with(plain, "sites.primary.fence_device", None), capabilities={"db": verbs})
    assert [p.sentence for p in refused if not p.warning] == [
        "The kind sim.data cannot fence, which a failover asks of data."
    ]


def test_a_kind_of_another_role(plain: dict[str, Any]) -> None:
    roles = {"sim.data": Role.COMPUTE, "sim.power": None, "sim.compute": None}
    found = judge(plain, roles=roles)
    assert [problem.path for problem in found] == [("components", "db", "kind"), ("components", "app", "kind")]
    assert "is a fence device" in found[1].sentence


def _with(raw: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    *above, last = path.split(".")
    here = raw
    for part in above:
        here = here.setdefault(part, {})
    here[last] = value
    return raw
