"""The same recovery without an orchestrator: the providers called one after the other, in one process, with nothing
durable, nobody asked and nothing undone. The limit that the orchestrated run is compared with."""

import asyncio
import os
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

from activities.checks import run_check, run_public_check, warm_up
from activities.providers.base import Context, Provider
from activities.providers.registry import Registry
from activities.runbook_file import find_runbook, read_runbook
from infra.lab.info import LabInfo
from workflows.model.messages import Ref, StepRequest, Target
from workflows.model.observed import FenceProof, Observation, Reach
from workflows.model.runbook import Runbook
from workflows.model.verbs import Verb

T = TypeVar("T")

SOURCE, TARGET = "primary", "recovery"


class Direct:
    """One direct recovery of the lab's shop."""

    def __init__(self, info: LabInfo, state: Path) -> None:
        os.environ.update(info.secrets())
        self.runbook: Runbook = read_runbook(find_runbook(info.runbooks, "shop"), Registry()).runbook
        self.registry = Registry()
        self.context = Context(here=TARGET, state_dir=state)
        self.seconds: dict[str, float] = {}
        self._seen: dict[str, Observation] = {}

    def provider(self, name: str) -> Provider:
        """The provider of a component, as the recovery site's worker has it."""
        component = self.runbook.components[name]
        kind = self.registry.get(component.kind)
        return kind(kind.Settings.model_validate(component.settings), self.context)

    def request(self, name: str, verb: Verb, site: str, **fields: Any) -> StepRequest:
        """The request that the engine would make."""
        return StepRequest(
            ref=Ref(workflow_id="direct", application="shop", step=f"{name}.{verb}", epoch=1),
            target=Target(name=name, component=self.runbook.components[name], site=site, source=SOURCE, target=TARGET),
            before=self._seen.get(f"{name}@{site}"),
            **fields,
        )

    async def warm_up(self) -> None:
        """Load what a worker has loaded long before the disaster."""
        await warm_up()
        await self._look()

    async def recover(self) -> float:
        """Do it; seconds from the first look to the check through the public name."""
        started = time.monotonic()
        await self._timed("observe", self._look())
        db, front = self.provider("db"), self.provider("front")
        await self._timed(
            "db.choose_recovery_point",
            db.choose_recovery_point(self.request("db", Verb.CHOOSE_RECOVERY_POINT, TARGET)),
        )
        proof = await self._timed("db.fence", self._fence(db))
        await self._timed("db.sync_delta", db.sync_delta(self.request("db", Verb.SYNC_DELTA, TARGET)))
        await self._timed("db.promote", db.promote(self.request("db", Verb.PROMOTE, TARGET, proofs=(proof,))))
        for name in ("db", "app"):
            await self._timed(f"{name}.health_check", self._check(name))
        await self._timed("front.flip_dns", front.flip_dns(self.request("front", Verb.FLIP_DNS, TARGET)))
        await self._timed("public.verify", run_public_check(self.runbook.public, heartbeat=lambda _: None))
        return time.monotonic() - started

    async def _timed(self, step: str, work: Awaitable[T]) -> T:
        started = time.monotonic()
        result = await work
        self.seconds[step] = time.monotonic() - started
        return result

    async def _look(self) -> None:
        pairs = [("db", SOURCE), ("db", TARGET), ("app", TARGET), ("front", TARGET)]
        looks = await asyncio.gather(*(self.provider(name).observe(name, site, TARGET) for name, site in pairs))
        self._seen = {f"{look.component}@{look.site}": look for look in looks}

    async def _fence(self, db: Provider) -> FenceProof:
        device = self.runbook.sites[SOURCE].fence_device
        assert device is not None
        kind = self.registry.get(device.kind)
        fence = kind(kind.Settings.model_validate(device.settings), self.context)
        result = await fence.fence(self.request("db", Verb.FENCE, SOURCE, fence_device=device))
        probe = await db.probe_write(SOURCE)
        assert probe is not Reach.SERVING
        assert result.proof is not None
        return result.proof.model_copy(update={"proven": True, "write_probe": probe})

    async def _check(self, name: str) -> None:
        for check in self.runbook.components[name].checks.get(TARGET, ()):
            result = await run_check(check, provider=self.provider(name), site=TARGET, heartbeat=lambda _: None)
            assert result.passed, result.detail
