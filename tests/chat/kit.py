"""A room in which recoveries are driven: the fake of Slack, its people, a gateway, and a bed below it."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from temporalio.client import Client, WorkflowHandle

from activities import keys
from activities.providers.registry import Registry
from tests.support.bed import Bed, bed, eventually
from tests.support.flow import dead_primary
from tests.support.sim import World, kinds
from tests.support.slack_fake import APP_TOKEN, BOT_TOKEN, CHANNEL, SECRET, Post, Slack, slack_fake
from tests.support.slack_people import Person
from workers.chat.gateway import Gateway
from workers.chat.settings import ChatSettings
from workers.door import Door
from workflows.model.policy import POLICY_FILE
from workflows.model.report import Report

KEY = Ed25519PrivateKey.generate()
POLICY = f"""\
people:
  anna: {{slack: U0ANNA}}
  ben: {{slack: U0BEN}}
  carl: {{slack: U0CARL}}
  olga: {{slack: U0OLGA}}
gateways:
  chat: {{key: "{keys.write(KEY.public_key().public_bytes_raw())}", vouches: [slack]}}
everywhere:
  observer: [olga]
  operator: [anna, carl]
  approver: [anna, ben]
"""
VOUCHED = {"proofs": ["voucher"], "failover": {"approvers": ["anna", "ben"]}}


@dataclass
class Room:
    """What a test has."""

    bed: Bed
    slack: Slack
    settings: ChatSettings

    @property
    def application(self) -> str:
        return self.bed.runbook.application

    def person(self, name: str) -> Person:
        return Person(self.slack, f"U0{name.upper()}")

    @contextlib.asynccontextmanager
    async def gateway(self, client: Client | None = None, **changes: Any) -> AsyncIterator[Gateway]:
        """One that serves; as many as a test wants, one after the other or at once."""
        folder, registry = self.bed.crew.folder, Registry(kinds(self.bed.crew.hall.worlds))
        door = Door(client or self.bed.client, folder, "chat", KEY)
        made = Gateway(door, folder, dataclasses.replace(self.settings, **changes), registry)
        async with made.open("127.0.0.1", 0) as port:
            self.slack.app_url = f"http://127.0.0.1:{port}/slack/events" if port else ""
            yield made

    async def root(self, about: str = "") -> Post:
        """The first message of the thread of this application's run."""
        found: list[Post] = await eventually(lambda: self.slack.roots(about or self.application))
        return found[0]

    async def says(self, post: Post, *parts: str) -> None:
        """Wait until the message says all of that."""
        try:
            await eventually(lambda: all(part in post.words for part in parts), 30.0)
        except AssertionError:
            raise AssertionError(f"{parts} not in:\n{post.words}") from None

    async def hears(self, root: Post, part: str, seconds: float = 30.0) -> Post:
        """Wait until that is said in the thread."""

        def found() -> list[Post]:
            return [one for one in self.slack.thread(root) if part in one.words]

        try:
            heard: list[Post] = await eventually(found, seconds)
        except AssertionError:
            raise AssertionError([one.words for one in self.slack.thread(root)]) from None
        return heard[0]

    async def filed(self, root: Post) -> str:
        """Wait for the report in the thread; its content."""
        found: list[dict[str, Any]] = await eventually(lambda: self.slack.files(root), 30.0)
        return str(found[0]["content"])

    async def starts(self, name: str, command: str, **values: str) -> Post:
        """Somebody starts a run by a form; the first message of its thread."""
        window = await self.person(name).opens(f"/dr {command}")
        said = await self.person(name).submits(window, **values)
        assert "has begun" in said, said
        return await self.root()

    async def approves(self, name: str, root: Post, **values: str) -> str:
        """Somebody clicks, reads and agrees."""
        await self.says(root, "Code")
        window = await self.person(name).clicks(root, "Approve")
        return await self.person(name).submits(window, **values)

    def handle(self, root: Post) -> WorkflowHandle[Any, Report]:
        """The run of that thread."""
        key = root.metadata["event_payload"]["key"]
        return self.bed.client.get_workflow_handle(key.split()[0], result_type=Report)


@contextlib.asynccontextmanager
async def room(
    client: Client, folder: Path, world: World | None = None, *, http: bool = False, **changes: Any
) -> AsyncIterator[Room]:
    """A room, with no gateway in it yet."""
    fields = {"approvals": VOUCHED} | changes
    async with bed(client, folder, world or dead_primary(), **fields) as made, slack_fake() as slack:
        name, runbooks = made.runbook.application, made.crew.folder
        (runbooks / POLICY_FILE).write_text(POLICY)
        told = made.runbook.model_dump(mode="json", exclude_unset=True)
        (runbooks / f"{name}.yaml").write_text(yaml.safe_dump(told, sort_keys=False))
        settings = ChatSettings(
            bot_token=BOT_TOKEN,
            channel=CHANNEL,
            app_token="" if http else APP_TOKEN,
            signing_secret=SECRET if http else "",
            applications=frozenset({name}),
            api=slack.api,
            post_seconds=0.05,
            edit_seconds=0.05,
            look_seconds=0.1,
            socket_ping_seconds=1.0,
        )
        yield Room(made, slack, settings)
