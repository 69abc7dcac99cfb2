"""Bubbles: opened once, proved from inside, closed without a trace, and swept when their time is over."""

# ruff: noqa: ASYNC220, ASYNC221

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from temporalio.exceptions import ApplicationError

from activities.bubble import members
from activities.bubble.closing import leftovers, sweep_bubbles
from activities.bubble.place import Lease
from tests.provider.bubble_kit import NAMESPACE, Drill, Listener, code, drills
from tests.provider.support import eventually, gone
from workflows.model.failure import Code, PermanentError

pytestmark = pytest.mark.lab


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Drill]:
    yield from drills(tmp_path / "state")


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()
    yield found
    found.close()


def canaries(drill: Drill, *addresses: str) -> None:
    drill.bubble = drill.bubble.model_copy(update={"canaries": addresses})


@contextlib.contextmanager
def sleeper(drill: Drill) -> Iterator[psutil.Process]:
    """A process inside that nobody noted."""
    argv = [*drill.place.enter(), sys.executable, "-c", "import time; print('in', flush=True); time.sleep(600)"]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdout is not None
    with child.stdout as said:
        assert said.readline() == b"in\n"
    try:
        yield psutil.Process(child.pid)
    finally:
        child.kill()
        child.wait()


async def test_opened_twice_it_is_there_once_and_closed_twice_nothing_is_left(drill: Drill) -> None:
    first, second = await drill.open(), await drill.open()
    assert (first.changed, second.changed) == (True, False)
    assert first.after == second.after == {"pid": drill.inside()[0], "folder": str(drill.place.folder)}
    assert len(drill.inside()) == 1
    assert os.getsid(first.after["pid"]) == first.after["pid"]
    closed, again = await drill.close(), await drill.close()
    assert closed.after == {"leftovers": 0, "processes": 1, "folders": 1}
    assert (again.changed, again.after) == (False, {"leftovers": 0, "processes": 0, "folders": 0})
    assert drill.left() == []


async def test_production_is_reached_from_outside_and_not_from_inside(drill: Drill, listener: Listener) -> None:
    canaries(drill, listener.address, "127.0.0.1:9")
    await drill.open()
    proof = (await drill.prove()).after
    assert proof["canaries"][0] == {"canary": listener.address, "outside": "reached", "inside": "ECONNREFUSED"}
    assert (proof["interfaces"], proof["packets_out"]) == (["lo"], 0)
    assert proof["elsewhere"]["tcp 192.0.2.1"] == proof["elsewhere"]["udp 192.0.2.1"] == "ENETUNREACH"
    eventually(lambda: listener.came == 1)  # Our own, from outside.


async def test_a_canary_that_answers_nowhere_proves_nothing(drill: Drill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEAWALL_TEMPORAL_ADDRESS", raising=False)
    await drill.open()
    for addresses in ((), ("127.0.0.1:9",)):
        canaries(drill, *addresses)
        with pytest.raises(ApplicationError, match="prove nothing") as caught:
            await drill.prove()
        assert code(caught.value) == Code.ISOLATION_UNPROVEN
    canaries(drill, "no port")
    with pytest.raises(ApplicationError) as caught:
        await drill.prove()
    assert code(caught.value) == Code.ISOLATION_UNPROVEN


async def test_a_canary_that_answers_inside_is_a_refusal(drill: Drill, listener: Listener) -> None:
    canaries(drill, listener.address)
    await drill.open()
    serve = f"import socket; s=socket.create_server(('127.0.0.1',{listener.port})); print('in', flush=True); s.accept()"
    child = subprocess.Popen([*drill.place.enter(), sys.executable, "-c", serve], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout as said:
        said.readline()
    with pytest.raises(ApplicationError, match="From inside") as caught:
        await drill.prove()
    assert code(caught.value) == Code.ISOLATION_UNPROVEN
    child.kill()
    child.wait()


async def test_the_server_of_this_worker_is_always_a_canary(
    drill: Drill, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAWALL_TEMPORAL_ADDRESS", listener.address)
    await drill.open()
    assert [seen["canary"] for seen in (await drill.prove()).after["canaries"]] == [listener.address]


async def test_the_bubble_of_another_run_is_left_alone(drill: Drill) -> None:
    await drill.open()
    lease = drill.place.lease()
    assert lease is not None
    drill.place.write(lease.model_copy(update={"workflow_id": "drill/shop/other"}))
    for call in (drill.open, drill.close):
        with pytest.raises(ApplicationError) as caught:
            await call()
        assert code(caught.value) == Code.PRECONDITION_CHANGED
    assert len(drill.inside()) == 1


async def test_a_lower_epoch_and_a_passed_time_are_refused(drill: Drill, tmp_path: Path) -> None:
    await drill.open(epoch=7)
    with pytest.raises(ApplicationError) as caught:
        await drill.open(epoch=6)
    assert code(caught.value) == Code.STALE_EPOCH
    late = Drill(tmp_path / "state", "drill-late", seconds=-1)
    with pytest.raises(ApplicationError) as caught:
        await late.open()
    assert code(caught.value) == Code.EXPIRED
    assert not late.place.folder.exists()


async def test_it_acts_at_its_own_site_only(drill: Drill) -> None:
    drill.bubble = drill.bubble.model_copy(update={"site": "primary"})
    with pytest.raises(ApplicationError) as caught:
        await drill.open()
    assert code(caught.value) == Code.CONFIGURATION


@pytest.mark.parametrize("word", [signal.SIGKILL, signal.SIGSTOP])
async def test_without_its_holder_it_is_still_closed_to_the_last_process(drill: Drill, word: signal.Signals) -> None:
    pid = (await drill.open()).after["pid"]
    with sleeper(drill) as stray:
        os.kill(pid, word)
        if word is signal.SIGKILL:
            eventually(lambda: drill.inside() == [stray.pid])
        closed = await drill.close()
        assert closed.after["leftovers"] == 0
        assert gone(stray)
    assert drill.left() == []


async def test_a_holder_that_died_alone_is_replaced(drill: Drill) -> None:
    pid = (await drill.open()).after["pid"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not drill.inside())
    with pytest.raises(PermanentError) as caught:
        drill.place.enter()
    assert caught.value.code is Code.NOT_FOUND
    assert (await drill.open()).changed
    assert len(drill.inside()) == 1


async def test_a_way_in_that_leads_elsewhere_is_refused(drill: Drill) -> None:
    await drill.open()
    entrance = list(drill.place.enter())
    # As if the holder's process id had been used again by a process of the machine itself.
    into = entrance[entrance.index(sys.executable) :]
    done = subprocess.run([*into, "echo", "out"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (126, "")


async def test_names_of_the_bubble_have_their_addresses_inside(tmp_path: Path, drill: Drill) -> None:
    drill.bubble = drill.bubble.model_copy(update={"names": {"shop.test": "198.51.100.7"}})
    await drill.open()
    bind = "import socket; socket.create_server(('198.51.100.7', 8080)); socket.create_server(('127.0.20.1', 8080))"
    assert drill.run(sys.executable, "-c", bind).returncode == 0


@pytest.mark.parametrize("after", ["folder", "lease", "holder"])
async def test_a_worker_killed_while_it_opens_leaves_what_the_next_attempt_and_the_sweep_find(
    drill: Drill, after: str
) -> None:
    stop = {"folder": "place.Place.write", "lease": "opening._hold", "holder": "opening._runs"}[after]
    script = (
        "import os, sys, json; from activities.bubble import opening, place\n"
        "from workflows.model.messages import Bubble, Ref; from pathlib import Path\n"
        f"def die(*a): os.kill(os.getpid(), 9)\n{stop} = die\n"
        "order = json.load(sys.stdin); b = Bubble.model_validate(order['b']); r = Ref.model_validate(order['r'])\n"
        f"opening.READY_SECONDS = 0\nopening.open_(place.Place.of(Path(order['s']), b), b, r); die()\n"
    )
    order = {
        "b": drill.bubble.model_dump(mode="json"),
        "r": drill.request().ref.model_dump(mode="json"),
        "s": str(drill.state),
    }
    done = subprocess.run(
        [sys.executable, "-c", script], input=json.dumps(order).encode(), check=False, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == -signal.SIGKILL
    if after == "folder":
        assert sweep_bubbles(drill.state) == [drill.bubble.name]
    else:
        assert [(await drill.open()).after["pid"]] == drill.inside() == members.holding(drill.place.mark)
        assert (await drill.close()).changed
    assert drill.left() == []


async def test_what_is_not_closed_in_time_is_swept(drill: Drill, tmp_path: Path) -> None:
    await drill.open()
    other = Drill(tmp_path / "state", "drill-other")
    await other.open()
    lease = drill.place.lease()
    assert lease is not None
    assert sweep_bubbles(drill.state) == []
    with sleeper(drill) as stray:
        drill.place.write(lease.model_copy(update={"expires": datetime.now(UTC) - timedelta(seconds=1)}))
        with pytest.raises(PermanentError) as caught:
            drill.place.enter()
        assert caught.value.code is Code.EXPIRED
        assert sweep_bubbles(drill.state) == [drill.bubble.name]
        assert gone(stray)
    assert leftovers(drill.place) == []
    assert len(other.inside()) == 1
    other.place.lease_path.write_text('{"name": "drill-oth')
    assert sweep_bubbles(drill.state) == ["drill-other"]
    assert other.left() == []
    assert sweep_bubbles(tmp_path / "nothing") == []


async def test_what_fills_a_folder_from_outside_is_ended_too(drill: Drill) -> None:
    await drill.open()
    argv = [sys.executable, "-c", "import time; time.sleep(600)", "-D", str(drill.place.folder / "db" / "data")]
    child = subprocess.Popen(argv)
    eventually(lambda: child.pid in members.filling(drill.place.folder))
    assert (await drill.close()).after["processes"] == 2
    assert child.wait(5) == -signal.SIGKILL


async def test_a_holder_that_comes_too_late_is_ended(drill: Drill) -> None:
    await drill.open()
    place = drill.place
    await drill.close()
    late = Path(members.__file__).with_name("holder.py")
    child = subprocess.Popen(
        ["unshare", *NAMESPACE, sys.executable, "-I", "-S", str(late), place.mark, str(place.folder)]
    )
    assert child.wait(5) == 0


async def test_nothing_is_started_in_a_bubble_that_closes(drill: Drill) -> None:
    await drill.open()
    lease = drill.place.lease()
    assert isinstance(lease, Lease)
    drill.place.write(lease.model_copy(update={"closing": True}))
    with pytest.raises(PermanentError) as caught:
        drill.place.enter()
    assert caught.value.code is Code.NOT_FOUND
    started = time.monotonic()
    assert (await drill.close()).after["leftovers"] == 0
    assert time.monotonic() - started < 10
