"""The simulator as seen from a program that uses it: start it, ask it, end it."""

import functools
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from pydantic import TypeAdapter

from infra.awssim.faults import Rule
from infra.awssim.ledger import CallCount, Entry

ROOT = Path(__file__).parents[2]
KEY = "AWSSIM00000000000000"
"""Twenty characters, as moto wants a key to be; it belongs to the default account."""
PATIENCE = 10.0


@functools.cache
def session() -> Any:
    """One for all clients of this process: each session reads what the SDK knows of a service anew, which takes longer
    than most calls."""
    import boto3  # here, so that the handle alone does not cost its load

    return boto3.session.Session(KEY, "not-a-secret")


def make_register(dynamodb: Any) -> None:
    """The table in which Seawall notes who may act; its owner makes it, in each region."""
    dynamodb.create_table(
        TableName="seawall",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


class AwssimError(Exception):
    """The simulator did not start, or refused; the message says why."""


def launch(port: int = 0, stock_images: bool = False, detached: bool = False) -> tuple["subprocess.Popen[str]", str]:
    """Start the process and wait until it serves; the process and its address."""
    argv = [sys.executable, "-m", "infra.awssim", "--port", str(port)]
    argv += [] if detached else ["--leashed"]
    argv += ["--stock-images"] if stock_images else []
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if detached else None,
        text=True,
        cwd=ROOT,
        start_new_session=detached,
    )
    assert process.stdout is not None
    with process.stdout as lines:
        ready = lines.readline()
    if not ready:
        process.wait()
        if process.stdin is not None:
            process.stdin.close()
        raise AwssimError(f"The simulator ended with {process.returncode} before it was ready; its words are above.")
    return process, str(json.loads(ready)["url"])


class SimulatorControl:
    """The simulator's own interface."""

    def __init__(self, url: str) -> None:
        # A proxy of the environment must not stand between a test and its loopback.
        self._http = httpx.Client(base_url=f"{url}/_awssim/", timeout=PATIENCE, trust_env=False)

    def ledger(self, after: int = 0) -> list[Entry]:
        """The lines of the effect ledger after the Nth."""
        return TypeAdapter(list[Entry]).validate_json(self._ask("GET", f"ledger?after={after}"))

    def calls(self) -> list[CallCount]:
        """How often each operation was asked for."""
        return TypeAdapter(list[CallCount]).validate_json(self._ask("GET", "calls"))

    def set_delays(self, delays: Mapping[str, float]) -> None:
        """How long states take, in seconds by model."""
        self._ask("PUT", "delays", json.dumps(dict(delays)).encode())

    def delays(self) -> dict[str, float]:
        """How long states take."""
        return TypeAdapter(dict[str, float]).validate_json(self._ask("GET", "delays"))

    def set_faults(self, rules: Sequence[Rule]) -> None:
        """These rules and no others."""
        self._ask("PUT", "faults", TypeAdapter(list[Rule]).dump_json(list(rules)))

    def clear_faults(self) -> None:
        """No rules."""
        self._ask("DELETE", "faults")

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        answer = self._http.request(method, path, content=body)
        if answer.status_code >= 400:
            raise AwssimError(str(answer.json().get("sentence")))
        return answer.content


class Simulator:
    """A process of its own, from `with` to the end of `with`."""

    url: str
    control: SimulatorControl

    def __init__(self, port: int = 0, stock_images: bool = False) -> None:
        self._port, self._stock_images = port, stock_images
        self._process: subprocess.Popen[str] | None = None
        self._clients: list[Any] = []

    def __enter__(self) -> Self:
        self.url = self._begin()
        self.control = SimulatorControl(self.url)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.close()
        self.control.close()
        self._end()

    def _begin(self) -> str:
        self._process, url = launch(self._port, self._stock_images)
        return url

    def _end(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    def client(self, service: str, region: str, **config: Any) -> Any:
        """A boto3 client of a region; `config` goes into botocore's `Config`."""
        from botocore.config import Config  # here, so that the handle alone does not cost its load

        client = session().client(service, region_name=region, endpoint_url=self.url, config=Config(**config))
        self._clients.append(client)
        return client
