"""Captured requests, sent again: each valid once, never a second time, by nobody, at no server."""

import time
from pathlib import Path

import httpx
import pytest

from tests.hooks.kit import Desk, signed
from tests.support.bed import eventually
from workers.hooks.bucket import Buckets, Rate
from workers.hooks.store import (
    KEPT_SECONDS,
    REMEMBERED_SECONDS,
    UNDERWAY_SECONDS,
    Answer,
    KeyReused,
    Store,
    Underway,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Clock:
    """The server's clock, ahead of the machine's."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


async def accepted(d: Desk, *requests: httpx.Request) -> list[int]:
    """The statuses of those that were taken."""
    async with d.http() as client:
        return [status for one in requests if (status := (await client.send(one)).status_code) < 400]


async def test_captured_requests_are_accepted_0_of_1000_times(d: Desk) -> None:
    clock = Clock()
    at_work = d.reborn(clock=clock)
    captured = signed("POST", d.proposals, {"reason": "site A is gone"})
    assert len(await accepted(at_work, captured)) == 1
    clock.ahead = 10
    assert await accepted(at_work, *[captured] * 300) == [], "its id was used"
    after_restart = d.reborn(clock=clock)
    assert await accepted(after_restart, *[captured] * 300) == [], "a restart forgets nothing"
    clock.ahead = 302
    assert await accepted(after_restart, *[captured] * 100) == []
    never_delivered = [signed("POST", d.proposals, {"reason": f"held back {n}"}) for n in range(300)]
    assert await accepted(after_restart, *never_delivered) == [], "301 s is too late for a first delivery too"
    assert len(await eventually(lambda: d.all_runs())) == 1


async def test_a_captured_answer_to_a_gate_is_worth_nothing(d: Desk) -> None:
    """Not even the first answer is told to whoever sends the same bytes again."""
    captured = signed("GET", f"/v1/runs?application={d.application}", by="ops")
    first = await d.send(captured)
    assert first.status_code == 200
    again = await d.send(captured)
    assert again.status_code == 409
    assert again.json()["type"] == "urn:seawall:problem:REPLAYED"
    assert "sign it anew" in again.json()["next_step"]


async def test_a_signed_body_cannot_be_sent_to_another_address(d: Desk) -> None:
    captured = signed("POST", d.proposals, {"reason": "site A is gone"})
    for method, path in (("POST", "/v1/applications/other/proposals"), ("PUT", d.proposals), ("POST", d.starts)):
        bent = httpx.Request(
            method, f"https://hooks.example.org{path}", headers=captured.headers, content=captured.content
        )
        assert (await d.send(bent)).status_code == 401
    assert await d.all_runs() == set()


# --- The store ---


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store.sqlite")


async def test_the_store_knows_after_a_restart_and_beside_another_process(store: Store, tmp_path: Path) -> None:
    assert store.accept("hmac:ci", "msg_1", 100, 100)
    assert store.begin("hmac:ci", "msg_1", "print", 100) is None
    store.keep("hmac:ci", "msg_1", Answer(202, b"{}"))
    beside = Store(tmp_path / "store.sqlite")
    assert not beside.accept("hmac:ci", "msg_1", 100, 101)
    assert beside.begin("hmac:ci", "msg_1", "print", 101) == Answer(202, b"{}")
    assert beside.accept("hmac:other", "msg_1", 100, 101), "ids are those of one caller"
    assert (tmp_path / "store.sqlite").stat().st_mode & 0o077 == 0
    beside.close()
    store.close()


async def test_a_key_belongs_to_one_content_and_is_free_again_after_a_refusal(store: Store) -> None:
    assert store.begin("c", "key", "print", 0) is None
    with pytest.raises(Underway):
        store.begin("c", "key", "print", 1)
    with pytest.raises(KeyReused):
        store.begin("c", "key", "another", 1)
    store.let_go("c", "key")
    with pytest.raises(KeyReused):
        store.begin("c", "key", "another", 1)
    assert store.begin("c", "key", "print", 2) is None
    # Its server dies now.
    with pytest.raises(Underway):
        store.begin("c", "key", "print", 2 + UNDERWAY_SECONDS - 1)
    assert store.begin("c", "key", "print", 2 + UNDERWAY_SECONDS) is None


async def test_the_store_does_not_grow(store: Store) -> None:
    for n in range(50):
        store.begin("c", f"key-{n}", "print", n)
        store.keep("c", f"key-{n}", Answer(200, b""))
    assert store.accept("c", "msg_1", 0, 0)
    assert store.accept("c", "msg_2", 0, KEPT_SECONDS * 2)
    assert store.begin("c", "key", "print", KEPT_SECONDS * 2) is None
    counts = [store._base.execute(f"select count(*) from {table}").fetchone()[0] for table in ("request", "answer")]
    assert counts == [1, 1], "what is too old to be accepted is forgotten"


async def test_a_clock_that_is_set_back_brings_nothing_back(store: Store) -> None:
    assert store.accept("c", "msg_1", 1000, 1000)
    store.accept("c", "msg_2", 1000 + REMEMBERED_SECONDS - 1, 1000 + REMEMBERED_SECONDS - 1)
    assert not store.accept("c", "msg_1", 1000, 1010)


async def test_whoever_asks_too_often_is_told_when_to_come_again() -> None:
    buckets = Buckets(Rate(each_second=2, burst=3))
    assert [buckets.take("a", 0) for _ in range(5)] == [0, 0, 0, 1, 1]
    assert buckets.take("b", 0) == 0, "others are not held up"
    assert buckets.take("a", 0.5) == 0
    assert buckets.take("a", 0.5) == 1


async def test_too_many_requests_are_a_429_that_says_when(d: Desk) -> None:
    slow = d.reborn(rate=Rate(each_second=0.1, burst=2))
    answers = [await slow.signed("GET", "/v1/applications") for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert (await slow.signed("GET", "/v1/applications", by="ops")).status_code == 200
