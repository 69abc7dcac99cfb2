"""The policy file: who may do what, and what is wrong with it."""

from pathlib import Path

import pytest

from activities.policy import check_policy, read_policy
from workflows.model.failure import Code, PermanentError
from workflows.model.policy import MAY, POLICY_FILE, Granted, Role

KEY = "A" * 43 + "="
GOOD = f"""\
people:
  anna: {{slack: U024BE7LH, oidc: anna@example.org}}
  ben: {{}}
  carl: {{}}
  pagerduty: {{hmac: pagerduty}}
groups:
  oncall: [anna, ben]
gateways:
  chat: {{key: "{KEY}", vouches: [slack]}}
everywhere:
  operator: [oncall]
  admin: [carl]
applications:
  shop: {{approver: [carl], proposer: [pagerduty]}}
"""


def policy_file(folder: Path, text: str) -> Path:
    file = folder / POLICY_FILE
    file.write_text(text, encoding="utf-8")
    return file


def test_roles_are_held_everywhere_or_for_one_application(tmp_path: Path) -> None:
    policy_file(tmp_path, GOOD)
    policy = read_policy(tmp_path)
    assert policy is not None
    shop, other = policy.granted("shop"), policy.granted("other")
    assert shop.may("failover") == ("anna", "ben", "carl")
    assert shop.may("approve") == ("carl",)
    assert other.may("approve") == ()
    assert shop.may("propose") == ("anna", "ben", "carl", "pagerduty")
    assert shop.may("release") == other.may("release") == ("carl",)
    assert policy.who("slack", "U024BE7LH") == "anna"
    assert policy.who("slack", "") is None
    assert policy.who("oidc", "U024BE7LH") is None


def test_where_there_is_no_policy_there_is_none(tmp_path: Path) -> None:
    assert read_policy(tmp_path) is None


@pytest.mark.parametrize("act", MAY)
def test_each_act_wants_a_role_and_no_other_one_does(act: str) -> None:
    for role in Role:
        granted = Granted(holders={role: ("anna",)})
        assert (granted.objection("anna", act, "shop") is None) == (role in MAY[act])
        told = granted.objection("mallory", act, "shop")
        assert told is not None
        assert "mallory may not" in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD.replace("[carl], proposer", "[carla], proposer"), ":14:21 applications.shop.approver[0]"),
        (GOOD.replace("[anna, ben]", "[anna, benn]"), "There is nobody called benn"),
        (GOOD.replace("oncall: [anna, ben]", "anna: [ben]"), "There is a person anna too"),
        (GOOD.replace("ben: {}", "ben: {slack: U024BE7LH}"), "anna has the same"),
        (GOOD.replace("slack: U024BE7LH", "slack: '@anna'"), "people.anna.slack"),
        (GOOD.replace(KEY, "short"), "gateways.chat.key"),
        (GOOD.replace("admin:", "admins:"), "everywhere.admins"),
        (GOOD.replace("admin: [carl]", "admin: carl"), "everywhere.admin"),
        ("just text", "not a policy"),
        ("a: &a [*a]", "1:"),
        ("", "the file is empty"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_lets_nobody_in(tmp_path: Path, text: str, told: str) -> None:
    file = policy_file(tmp_path, text)
    problems = check_policy(file)[1]
    assert any(told in str(problem) for problem in problems), problems
    with pytest.raises(PermanentError) as found:
        read_policy(tmp_path)
    assert found.value.code is Code.CONFIGURATION
