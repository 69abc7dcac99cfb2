"""The page for break-glass: complete, in order, typeable, and without a secret."""

import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.break_glass import PageStore, render
from activities.by_hand.content import make_page
from activities.providers.base import Provider
from activities.providers.by_hand import shell
from activities.providers.registry import KINDS as KINDS_OF_PROVIDERS
from activities.providers.registry import Registry
from tests.support.by_hand_facts import RUN, facts_of
from tests.support.paper import PaperStep, form_of, steps_of
from workflows.model.failure import PermanentError
from workflows.model.hand_over import HandOver
from workflows.model.notices import Notices
from workflows.model.plan import Mode, Operation
from workflows.model.progress import StepState

CANARY = "canary-7f3a"
SECRETS = ("SEAWALL_SHOP_DB_PASSWORD", "SEAWALL_LAB_POWER_TOKEN", "SEAWALL_LAB_TSIG_SECRET")
BEHIND_THE_PIVOT = (
    "approve",
    "db.choose_recovery_point",
    "app.start_instances",
    "db.fence",
    "db.sync_delta",
    "db.promote",
)
KINDS = [
    ("shop", Operation.FAILOVER, Mode.UNPLANNED),
    ("shop", Operation.FAILOVER, Mode.PLANNED),
    ("shop", Operation.SWITCHOVER, Mode.PLANNED),
    ("shop", Operation.REPROTECT, Mode.PLANNED),
    ("shop-warm", Operation.SWITCHOVER, Mode.PLANNED),
    ("shop-warm", Operation.FAILOVER, Mode.UNPLANNED),
    ("shop-cold", Operation.FAILOVER, Mode.UNPLANNED),
]


def page_of(facts: HandOver) -> str:
    return render(facts, Registry()).md


def parsed(line: str) -> list[str]:
    """The command's words; a line that goes on is one line."""
    return shlex.split(line.replace("\\\n", ""))


def insist_on_bash(lines: list[str]) -> None:
    """bash understands them all, and nothing more than it should: a quote that is open would swallow the next one."""
    for line in lines:
        assert parsed(line)
    checked = subprocess.run(["bash", "-n", "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def step_of(facts: HandOver, name: str) -> PaperStep:
    return next(step for step in steps_of(page_of(facts)) if step.id == name)


@pytest.mark.parametrize(("runbook", "operation", "mode"), KINDS)
def test_every_step_that_is_left_stands_there_in_order_with_commands_that_bash_understands(
    runbook: str, operation: Operation, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, CANARY)
    facts = facts_of(runbook, operation, mode)
    rendered = render(facts, Registry())
    steps = steps_of(rendered.md)
    assert {step.id for step in steps} == {step.id for step in facts.plan.steps}
    order = [step.id for step in steps]
    for planned in facts.plan.steps:
        assert all(order.index(need) < order.index(planned.id) for need in planned.needs)
    lines = [command.line for step in steps for kind in step.commands.values() for command in kind]
    assert lines
    insist_on_bash(lines)
    assert not any(CANARY in text for text in rendered)
    assert all(name in rendered.html for name in order)


def test_what_is_done_is_not_left_and_what_may_have_happened_says_so() -> None:
    facts = facts_of(done=BEHIND_THE_PIVOT[:-1], states={"db.promote": StepState.UNKNOWN})
    page = page_of(facts)
    assert steps_of(page)[0].id == "db.promote"
    assert "UNKNOWN: it may have happened. LOOK FIRST" in page
    assert "THE POINT OF NO RETURN IS BEHIND" in page


def test_the_way_back_is_shown_only_while_nothing_was_promoted() -> None:
    before = page_of(facts_of(done=BEHIND_THE_PIVOT[:-1]))
    assert "## Or go back" in before
    assert before.index("THE POINT OF NO RETURN IS NEXT") < before.index("#### db.promote")
    for state in (StepState.RUNNING, StepState.DONE, StepState.UNKNOWN):
        behind = page_of(facts_of(done=BEHIND_THE_PIVOT[:-1], states={"db.promote": state}))
        assert "## Or go back" not in behind
        assert "What undoes it" not in behind
        assert "Never start db at primary again" in behind


def test_a_promote_wants_its_fence_seen_and_writes_the_epoch_under_the_runs_own_key() -> None:
    step = step_of(facts_of(), "db.promote")
    assert '"power":"off"' in [look.shows for look in step.commands["look"]]
    promote, epoch, commits = (parsed(command.line) for command in step.commands["act"])
    assert promote[-5:] == ["promote", "-D", "/var/lib/postgresql/15/shop", "-t", "60"]
    assert f"select 3, '{RUN}:db.promote:3'" in epoch[-1]
    assert commits[-3] == "alter system set synchronous_standby_names = ''"


def test_a_flip_is_a_compare_and_set_and_its_key_stands_on_no_command_line() -> None:
    (act,) = step_of(facts_of(), "front.flip_dns").commands["act"]
    words = parsed(act.line)
    assert words[2] == "key hmac-sha256:seawall $SEAWALL_LAB_TSIG_SECRET"
    assert "prereq yxrrset shop.example.org. IN A 10.1.0.20" in words
    assert "update add shop.example.org. 1 A 10.2.0.20" in words
    assert words[-3:] == ["|", "nsupdate", "-v"]


def test_the_page_names_who_must_agree_and_by_which_channels_people_are_told() -> None:
    facts = facts_of()
    told = {"channels": {"chat": {"url": {"env": "CHAT_URL"}}}, "audiences": {"responders": ["chat"]}}
    changed = facts.runbook.model_copy(update={"notices": Notices.model_validate(told)})
    page = page_of(facts.model_copy(update={"runbook": changed}))
    assert "1 of anna, ben" in page
    assert "To be told (responders)" in page
    assert "CHAT_URL" not in page


def test_steps_that_may_be_done_at_once_share_a_stage() -> None:
    page = make_page(facts_of(operation=Operation.SWITCHOVER, mode=Mode.PLANNED), Registry())
    together = {view.id for view in page.stages[0].steps}
    assert together >= {"db.compare_sites", "db.measure_lag"}
    assert [stage.pivot for stage in page.stages].count(True) == 1


def test_a_form_has_every_step_and_says_what_the_run_had_done() -> None:
    facts = facts_of(done=BEHIND_THE_PIVOT)
    form = form_of(page_of(facts))
    for step in facts.plan.steps:
        assert (f'"{step.id}":' in form) == (step.id != "approve")
    assert form.count("outcome: by-run") == len(BEHIND_THE_PIVOT) - 1
    assert "agreed_by" not in form


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20), min_size=1))
@settings(max_examples=40)
def test_what_stands_in_a_runbook_is_never_more_than_a_word_to_the_shell(words: list[str]) -> None:
    line = f"printf '%s\\0' {shell(words)}"
    shown = subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout
    assert shown.decode().split("\0")[:-1] == words
    assert shlex.split(shell(words)) == words


def test_a_run_that_was_written_down_is_found_by_its_id_and_by_its_application(tmp_path: Path) -> None:
    store = PageStore(tmp_path, Registry())
    facts = facts_of()
    store.write(facts)
    later = facts.model_copy(update={"workflow_id": "failover/shop/2026-11-23T00-00-00Z"})
    store.write(later)
    found = store.find(RUN)
    assert found is not None
    assert store.read(found, "form").startswith("# What became of this run.")
    assert store.read(found, "md") == page_of(facts)
    newest = store.find("shop")
    assert newest is not None
    assert "2026-11-23T00-00-00Z" in newest.name
    assert store.find("payroll") is None


def test_a_provider_that_cannot_be_had_costs_its_commands_and_not_the_page() -> None:
    class Poor(Registry):
        def get(self, kind: str):  # type: ignore[no-untyped-def]
            if kind == "dns":
                raise PermanentError("CONFIGURATION", "The kind 'dns' needs a package.")  # type: ignore[arg-type]
            return super().get(kind)

    page = render(facts_of(), Poor()).md
    assert "No commands could be made for this step" in page
    assert any(step.commands["act"] for step in steps_of(page))


@pytest.mark.parametrize("kind", KINDS_OF_PROVIDERS)
def test_every_kind_says_its_verbs_as_commands(kind: str) -> None:
    assert Registry().get(kind).by_hand is not Provider.by_hand, "write its by_hand.py: docs/break-glass.md"
