"""An approver proves who she is in the Temporal Web UI, and what is no proof is refused with a sentence."""

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Locator, expect

from activities.people import otp
from activities.people.register import KEY_VARIABLE, Register, new_key
from activities.report_store import ReportStore
from infra.lab import lab
from infra.lab.info import LabInfo
from tests.browser.conftest import Picture
from tests.browser.console import Console

pytestmark = [pytest.mark.deep, pytest.mark.browser, pytest.mark.lab]

REQUEST = {"runbook": "shop", "reason": "browser test", "planned": True, "requested_by": "ben"}
QUESTION = "Fail over shop from primary to recovery (planned)?"
AS_SHIPPED = {"  proofs: [] ": "  proofs: [otp] #", "requester_may_approve: true": "requester_may_approve: false"}
"""What a lab takes lightly, and a company does not."""
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def surroundings() -> Iterator[dict[str, str]]:
    """The key of the register, for the control worker."""
    found = {KEY_VARIABLE: new_key()}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in found.items():
            patch.setenv(name, value)
        yield found


@pytest.fixture(scope="module")
def strict(info: LabInfo) -> None:
    """The lab's runbook wants a proof, and nobody approves what they asked for."""
    file = Path(info.runbooks) / "shop.yaml"
    text = file.read_text(encoding="utf-8")
    for lax, wanted in AS_SHIPPED.items():
        assert lax in text
        text = text.replace(lax, wanted)
    file.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def phones(surroundings: dict[str, str], info: LabInfo) -> dict[str, pyotp.TOTP]:
    """The authenticator apps of both approvers."""
    register = Register(info.people, surroundings)
    found = {name: pyotp.TOTP(otp.new_secret()) for name in ("anna", "ben")}
    for name, phone in found.items():
        register.enrol(name, phone.secret)
    return found


def asked(console: Console) -> dict[str, Any]:
    """A run, started by hand, that waits for approval: what the details offer as its answer."""
    console.start(f"failover/shop/proved-{next(_numbers)}", json.dumps(REQUEST))
    console.details(until=QUESTION)
    offered: dict[str, Any] = json.loads(console.input_for("approve"))
    return offered


def told(dialog: Locator, sentence: str) -> None:
    expect(dialog.get_by_role("alert").filter(has_text=sentence)).to_be_visible()
    expect(dialog).not_to_contain_text("Traceback")


@pytest.mark.usefixtures("strict")
def test_an_approval_is_proved_by_a_one_time_password_and_by_nothing_less(
    console: Console, phones: dict[str, pyotp.TOTP], info: LabInfo, picture: Picture
) -> None:
    anna, ben = phones["anna"], phones["ben"]
    first = asked(console)
    used = anna.at(time.time() + otp.PERIOD)  # Of the half minute to come: it stays good while the second run starts.
    expect(console.send("reject", json.dumps({**first, "otp": used}))).to_be_hidden()
    console.expect_status("Completed")
    expect(console.result()).to_contain_text('"code": "REJECTED"')

    offered = asked(console)
    assert offered == {"approver": "anna", "code": offered["code"], "otp": "SIX DIGITS"}
    details = console.details(until=QUESTION)
    for words in ("one-time password", "0 of 1 so far", "point of no return"):
        expect(details).to_contain_text(words)
    picture(console.page, "proof")
    mine = {"approver": "anna", "code": offered["code"]}
    dialog = console.send("approve", json.dumps({**mine, "otp": used}))
    told(dialog, "This proof was used already, and counts once.")
    wrong = f"{(int(anna.now()) + 7919) % 10**6:06}"
    for answer, sentence in (
        ({**mine, "otp": wrong}, "This is not the one-time password that anna has now."),
        ({**first, "otp": anna.now()}, f"The code {first['code']} does not belong to this request"),
        ({**mine, "otp": anna.at(time.time() - 300)}, "This is not the one-time password that anna has now."),
        (
            {"approver": "ben", "code": offered["code"], "otp": ben.now()},
            "ben asked for this run and may not approve it too.",
        ),
        (mine, "A name alone is no proof. Add `otp` (one-time password)."),
        (offered, "otp: Value error, expected the six digits that the app shows"),
    ):
        console.submit(dialog, json.dumps(answer))
        told(dialog, sentence)
    console.submit(dialog, json.dumps({**mine, "otp": wrong}))
    told(dialog, "This is not the one-time password that anna has now.")
    expect(dialog.get_by_role("button", name="Submit")).to_be_enabled()
    picture(console.page, "proof-refused")
    assert lab.active_site(info) == "primary"

    console.submit(dialog, json.dumps({**mine, "otp": unused(anna, used)}))
    expect(dialog).to_be_hidden()
    console.expect_status("Completed")
    expect(console.result()).to_contain_text('"end_state": "RECOVERED"')
    expect(console.page.get_by_text("prove • is it anna who says approve?").first).to_be_visible()
    console.page.get_by_role("heading", name="Timeline").evaluate("heading => heading.scrollIntoView()")
    picture(console.page, "proof-taken")
    assert lab.active_site(info) == "recovery"
    report = ReportStore(Path(info.reports)).read(f"failover/shop/proved-{next(_numbers) - 1}")
    assert report is not None
    assert [(one.approver, one.decision, one.proof) for one in report.approvals] == [
        ("anna", "approved", "one-time password")
    ]
    assert sum(one.action == "approve: not proven" for one in report.actions) == 4, "each wrong try is on the record"


def unused(phone: pyotp.TOTP, used: str) -> str:
    """A password that counts now, and is not the one that was used."""
    return next(digits for digits in (phone.now(), phone.at(time.time() + otp.PERIOD)) if digits != used)
