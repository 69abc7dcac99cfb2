"""What a person has typed from the page, the provider finds done: a run that lives after all does nothing twice.

The commands are the provider's own, typed into bash over the real thing.
"""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from activities.providers.by_hand import ByHand, Command
from tests.provider.conformance import EPOCH
from tests.provider.files_kit import Sites
from tests.provider.name_servers import SECRET, SECRET_NAME, Relay, name_server, put
from tests.provider.support import NEW, OLD, PASSWORD, PASSWORD_NAME, Pair, eventually, request
from tests.provider.test_dns import ADDRESSES, Front
from tests.provider.test_postgres import Fence, Promote
from tests.provider.test_power import TOKEN, Chassis, Host
from tests.provider.test_process import APP, Service
from tests.support.paper import Typed, shown, type_in
from workflows.model.observed import Reach
from workflows.model.plan import Mode
from workflows.model.verbs import Verb

SECRETS = {PASSWORD_NAME: PASSWORD, SECRET_NAME: SECRET, "SEAWALL_TEST_POWER_TOKEN": TOKEN}


def shows(command: Command) -> bool:
    return shown(Typed(command.line, " ".join(command.shows.split())), type_in(command.line, SECRETS))


def typed(hand: ByHand, *acts: Command) -> None:
    """Look, act, look: each look must show what it says."""
    assert all(shows(command) for command in hand.look), [command.line for command in hand.look if not shows(command)]
    for command in acts or hand.act:
        type_in(command.line, SECRETS)
    for command in hand.after:
        end = time.monotonic() + 15
        while not shows(command):
            assert time.monotonic() < end, f"{command.line}\nmust show {command.shows}, and shows\n" + type_in(
                command.line, SECRETS
            )
    assert not any(secret in command.line for command in hand.commands for secret in SECRETS.values())


def needs(*programs: str) -> pytest.MarkDecorator:
    lacking = [name for name in programs if shutil.which(name) is None]
    return pytest.mark.skipif(bool(lacking), reason=f"no {', '.join(lacking)} on this machine")


@pytest.mark.lab
@needs("psql")
async def test_a_promote_by_hand_is_found_done(pair: Pair) -> None:
    subject = await Promote(pair).plan()
    asked = request(NEW, "db.promote", EPOCH, before=subject.before)
    hand = pair.provider(NEW).by_hand(Verb.PROMOTE, asked)
    typed(hand)
    state = await subject.state()
    assert (await subject.do()).changed is False
    assert await subject.state() == state
    assert await subject.count() == 1
    for command in hand.act:  # the page says that each may be typed twice
        type_in(command.line, SECRETS)
    assert await subject.count() == 1


@pytest.mark.lab
@pytest.mark.slow
@needs("psql")
async def test_a_planned_fence_by_hand_is_found_done_and_can_be_undone_by_hand(pair: Pair) -> None:
    subject = await Fence(pair).plan()
    hand = pair.provider(OLD).by_hand(Verb.FENCE, request(OLD, "db.fence", EPOCH, before=subject.before))
    typed(hand)
    result = await subject.do()
    assert (result.changed, result.proof is not None and result.proof.proven) == (False, True)
    for command in hand.undo:
        type_in(command.line, SECRETS)
    assert pair.ask(OLD, "select pg_is_in_recovery()") is False
    assert (await pair.provider(OLD).observe("db", OLD, OLD)).reach is Reach.SERVING


@pytest.mark.lab
@needs("dig", "nsupdate")
async def test_a_flip_by_hand_is_found_done_and_a_changed_name_is_not_flipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRET_NAME, SECRET)
    with name_server("lab", tmp_path) as port:
        put(port, ADDRESSES[OLD], "epoch=0")
        async with Relay(port).running() as relay:
            subject = await Front(tmp_path, port, relay).plan()
            provider = subject.provider(port=port)
            hand = provider.by_hand(Verb.FLIP_DNS, subject.request(before=subject.before))
            put(port, "127.0.99.1", "epoch=0")
            assert not shows(hand.look[0])
            assert "NXRRSET" in type_in(hand.act[0].line, SECRETS)
            assert await subject.state() == ["127.0.99.1"]
            put(port, ADDRESSES[OLD], "epoch=0")
            typed(hand)
            assert (await subject.do()).changed is False
            assert await subject.count() == 1
            type_in(hand.undo[0].line, SECRETS)
            assert await subject.state() == [ADDRESSES[OLD]]


@needs("curl")
async def test_a_host_that_was_switched_off_by_hand_is_found_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAWALL_TEST_POWER_TOKEN", TOKEN)
    chassis = Chassis()
    try:
        subject = Host(tmp_path, chassis)
        typed(subject.provider().by_hand(Verb.FENCE, request(OLD, "db.fence", EPOCH)))
        assert (await subject.do()).changed is False
        assert (await subject.state(), chassis.host["held"], await subject.count()) == ("off", True, 1)
        typed(subject.provider().by_hand(Verb.REOPEN_SITE, request(OLD, "site.reopen_site", EPOCH + 1)))
        assert await subject.state() == "rescue"
    finally:
        chassis.shutdown()
        chassis.server_close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    for process in made.running():
        process.kill()
    eventually(lambda: not made.running())


async def test_a_service_started_by_hand_is_found_running_with_its_own_environment(service: Service) -> None:
    provider = service.provider()
    hand = provider.by_hand(Verb.START_INSTANCES, request(OLD, "app.start", EPOCH, APP))
    typed(hand)
    assert (await service.do()).changed is False
    assert await service.count() == 1
    assert not shows(hand.look[0]), "the look says that it runs: nobody starts a second one"
    log = service.folder / "app.log"
    eventually(lambda: log.exists() and log.read_text().strip())
    assert log.read_text().split() == ["blue", "None"]
    typed(provider.by_hand(Verb.STOP_INSTANCES, request(OLD, "app.stop", EPOCH, APP)))
    assert await service.count() == 0


async def test_a_tree_promoted_by_hand_is_found_promoted(tmp_path: Path) -> None:
    sites = Sites(tmp_path)
    await sites.synced()
    asked = sites.ask(NEW, "promote")
    typed(sites.provider(NEW).by_hand(Verb.PROMOTE, asked))
    assert (await sites.provider(NEW).promote(asked)).changed is False
    assert await sites.provider(NEW).probe_write(NEW) is Reach.SERVING
    assert (await sites.follow(OLD, 6)).after


@needs("fuser")
async def test_a_tree_fenced_by_hand_is_found_fenced_and_can_be_put_back(tmp_path: Path) -> None:
    sites = Sites(tmp_path)
    asked = sites.ask(OLD, "fence", mode=Mode.PLANNED)
    hand = sites.provider(OLD).by_hand(Verb.FENCE, asked)
    typed(hand)
    found = await sites.provider(OLD).fence(asked)
    assert found.proof is not None
    assert found.proof.proven
    for command in hand.undo:
        type_in(command.line, SECRETS)
    assert set(os.listdir(sites.tree(OLD))) == {"one.txt", "sub"}
    assert await sites.provider(OLD).probe_write(OLD) is Reach.SERVING
