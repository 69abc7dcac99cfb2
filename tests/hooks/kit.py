"""What the tests of the webhook API share: a server over a bed, and callers who sign."""

import asyncio
import dataclasses
import json
import socket
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from temporalio.client import WorkflowHandle

from activities import keys
from tests.hooks.idp import token
from tests.support.bed import Bed, Crew, bed, eventually
from tests.support.flow import dead_primary
from workers.door import Door
from workers.hooks.app import make_app
from workers.hooks.bucket import Rate
from workers.hooks.run_ids import RunIds
from workers.hooks.settings import HookSettings, read_hook_settings
from workers.hooks.signing import sign
from workflows.model.policy import POLICY_FILE
from workflows.model.progress import GateView
from workflows.model.proof import ProofKind
from workflows.model.report import Report

KEY = Ed25519PrivateKey.generate()
SECRETS = {name: f"{name}-signs-with-this-and-nobody-else" for name in ("ci", "pagerduty", "ops", "nobody")}
TOKENS = {name: f"{name}-sends-this-token-as-it-stands" for name in ("alertmanager", "opsgenie")}
POLICY = f"""\
people:
  anna: {{{{oidc: anna@example.org}}}}
  carl: {{{{oidc: carl@example.org}}}}
  olga: {{{{oidc: olga-subject}}}}
  ci: {{{{hmac: ci}}}}
  ops: {{{{hmac: ops}}}}
  pagerduty: {{{{hmac: pagerduty}}}}
  alertmanager: {{{{hmac: alertmanager}}}}
  opsgenie: {{{{hmac: opsgenie}}}}
gateways:
  webhook: {{{{key: "{keys.write(KEY.public_key().public_bytes_raw())}", vouches: [oidc, hmac]}}}}
applications:
  {{application}}:
    observer: [olga]
    proposer: [pagerduty, alertmanager, opsgenie, ci]
    operator: [carl, ops]
    approver: [anna]
"""
RULE = {"approvers": ["anna", "carl"]}
FAST = Rate(each_second=1000, burst=100_000)


@dataclass
class Desk:
    """A server and its bed."""

    bed: Bed
    settings: HookSettings
    app: FastAPI
    apps: list[FastAPI] = field(default_factory=list)
    """All that were made over this bed."""

    def __post_init__(self) -> None:
        self.apps.append(self.app)

    @property
    def application(self) -> str:
        return self.bed.runbook.application

    @property
    def proposals(self) -> str:
        return f"/v1/applications/{self.application}/proposals"

    @property
    def starts(self) -> str:
        return f"/v1/applications/{self.application}/runs"

    def reborn(self, **gate: Any) -> "Desk":
        """Another process over the same files."""
        return Desk(self.bed, self.settings, server(self.bed, self.settings, **gate), self.apps)

    def elsewhere(self) -> "Desk":
        """Another server, with a store of its own."""
        other = dataclasses.replace(self.settings, store=self.settings.store.with_name("other.sqlite"))
        return Desk(self.bed, other, server(self.bed, other), self.apps)

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="https://hooks.example.org")

    async def send(self, request: httpx.Request) -> httpx.Response:
        async with self.http() as client:
            return await client.send(request)

    async def signed(self, method: str, path: str, content: Any = None, **how: Any) -> httpx.Response:
        """A request that is signed as it should be."""
        return await self.send(signed(method, path, content, **how))

    async def spoken(
        self, method: str, path: str, content: Any = None, *, by: str = "carl", key: str = "", **headers: str
    ) -> httpx.Response:
        """As a person, with a token of the provider."""
        who = {"olga": {"sub": "olga-subject", "email_verified": False}}.get(by, {"email": f"{by}@example.org"})
        made = {"authorization": f"Bearer {token(**who)}"}
        if method == "POST":
            made |= {"content-type": "application/json", "idempotency-key": key or uuid.uuid4().hex}
        body = b"" if content is None else json.dumps(content).encode()
        address = f"https://hooks.example.org{path}"
        return await self.send(httpx.Request(method, address, headers=made | headers, content=body))

    async def propose(self, **how: Any) -> httpx.Response:
        return await self.signed("POST", self.proposals, {"reason": "site A is gone"}, **how)

    def run(self, answer: httpx.Response) -> WorkflowHandle[Any, Report]:
        """The run that was answered."""
        return self.bed.client.get_workflow_handle(answer.json()["run"], result_type=Report)

    async def gate(self, answer: httpx.Response) -> GateView:
        """What that run asks the approvers, as soon as it does."""

        async def asked() -> GateView | None:
            found = (await self.bed.progress(self.run(answer))).gate
            return found if found is not None and found.step == "approve" else None

        gate: GateView = await eventually(asked)
        return gate

    async def all_runs(self) -> set[str]:
        """Every run of the application that ever was, by the server's own account."""
        query = f"WorkflowType != 'Application' and SeawallApplication = '{self.application}'"
        return {found.id async for found in self.bed.client.list_workflows(query)}


def signed(
    method: str,
    path: str,
    content: Any = None,
    *,
    by: str = "ci",
    secret: str = "",
    id: str = "",
    at: float | None = None,
    **headers: str,
) -> httpx.Request:
    """A signed request; `content` is sent as JSON."""
    body = b"" if content is None else json.dumps(content).encode()
    key, stamp = id or f"msg_{uuid.uuid4().hex}", int(time.time() if at is None else at)
    made = {
        "webhook-id": key,
        "webhook-timestamp": str(stamp),
        "webhook-signature": sign((secret or SECRETS[by]).encode(), key, stamp, method, path, body),
    }
    if method == "POST":
        made["content-type"] = "application/json"
    return httpx.Request(method, f"https://hooks.example.org{path}", headers=made | headers, content=body)


def server(b: Bed, settings: HookSettings, **gate: Any) -> FastAPI:
    """The server as it is started, with callers who may ask often."""
    door = Door(b.client, b.crew.folder, settings.gateway, KEY)
    return make_app(door, settings, b.crew.folder, RunIds(KEY), gate.pop("rate", FAST), **gate)


def settings_in(folder: Path, **environment: str) -> HookSettings:
    """As the environment would have them."""
    given = {"SEAWALL_WEBHOOK_SECRETS": json.dumps(SECRETS), "SEAWALL_WEBHOOK_TOKENS": json.dumps(TOKENS)}
    return read_hook_settings(folder, given | environment)


@asynccontextmanager
async def desk(crew: Crew, oidc: dict[str, str] | None = None, **gate: Any) -> AsyncIterator[Desk]:
    """A server over a bed of its own."""
    fields = {"proofs": list(ProofKind), "failover": RULE}
    async with bed(crew.client, crew.folder, dead_primary(), approvals=fields) as b:
        name = b.runbook.application
        (crew.folder / POLICY_FILE).write_text(POLICY.format(application=name))
        (crew.folder / f"{name}.yaml").touch()
        settings = settings_in(crew.folder / name, **(oidc or {}))
        made = Desk(b, settings, server(b, settings, **gate))
        yield made
        for app in made.apps:
            app.state.store.close()


@asynccontextmanager
async def listening(d: Desk) -> AsyncIterator[str]:
    """The server as a real one, on a port of its own."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        config = uvicorn.Config(d.app, log_level="warning", access_log=False, server_header=False)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[found]))
        try:
            yield f"http://127.0.0.1:{found.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving
