"""The provider of the kind `postgres`: verbs of one primary with streaming standbys."""

import asyncio
import contextlib
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from activities.bubble.place import Place
from activities.providers.base import Context, Provider
from activities.providers.by_hand import ByHand, Command
from workflows.model.base import Strict
from workflows.model.failure import Code, PermanentError, SeawallError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import Check, Marker, Role
from workflows.model.verbs import Verb

from . import (
    by_hand,
    checks,
    clone,
    clone_site,
    consistency,
    diverged,
    fence_file,
    freshness,
    loss,
    marker,
    observe,
    parity,
    points,
    probe,
    protect,
    rebuild,
    recovery,
    restore,
    server,
    snapshot,
)
from .fence import fence
from .promote import promote
from .settings import PostgresSettings, PostgresSite
from .sql import Address
from .unfence import unfence

T = TypeVar("T")


class PostgresProvider(Provider):
    """Each verb is a module of this package; what they share of settings and worker stands here."""

    kind: ClassVar[str] = "postgres"
    role: ClassVar[Role | None] = Role.DATA
    verbs: ClassVar[frozenset[Verb]] = frozenset(
        {
            Verb.OBSERVE,
            Verb.CHOOSE_RECOVERY_POINT,
            Verb.SNAPSHOT,
            Verb.FENCE,
            Verb.UNFENCE,
            Verb.SYNC_DELTA,
            Verb.PROMOTE,
            Verb.HEALTH_CHECK,
            Verb.MEASURE_LOSS,
            Verb.COMPARE_SITES,
            Verb.MEASURE_LAG,
            Verb.MEASURE_CAPACITY,
            Verb.VERIFY_CONSISTENCY,
            Verb.ARCHIVE_DIVERGED,
            Verb.REBUILD_REPLICA,
            Verb.PROTECT,
            Verb.RESTORE,
            Verb.DISCARD_RESTORE,
            Verb.PRUNE,
            Verb.CLONE_DATA,
        }
    )
    Settings: ClassVar[type[Strict]] = PostgresSettings

    settings: PostgresSettings

    def __init__(self, settings: PostgresSettings, context: Context) -> None:
        super().__init__(settings, context)

    def site(self, name: str) -> PostgresSite:
        """The settings of a site. PermanentError(CONFIGURATION) when the component has none there."""
        found = self.settings.sites.get(name)
        if found is None:
            raise PermanentError(
                Code.CONFIGURATION,
                f"The component has no settings for the site {name!r}.",
                f"Known: {', '.join(self.settings.sites)}.",
            )
        return clone_site.of(self.context, name, found) if self.context.bubble else found

    def local(self, name: str) -> PostgresSite:
        """The same, for what touches processes and files: only the site's own worker may."""
        found = self.site(name)
        self.insist_on_being_at(name)
        return found

    def address(self, name: str) -> Address:
        """Where this worker asks the server of a site."""
        if self.context.bubble:
            return clone_site.address(self.context, self.settings, self.site(name))
        return Address.of(self.settings, self.site(name), local=self.context.here == name)

    def ledger(self, component: str, site: str) -> Path:
        """Where this worker notes the markers that it saw acknowledged at a site; in a drill, what it had noted when
        the data was copied."""
        folder = Place.of(self.context.state_dir, self.context.bubble).folder if self.context.bubble else None
        return (folder or self.context.state_dir) / f"markers-{component}-{site}.json"

    def same_system(self, request: StepRequest, facts: dict[str, Any]) -> None:
        """Refuse a server that is another cluster than the one that was planned with."""
        planned = request.before.facts.get("system_identifier") if request.before else None
        if planned and facts.get("system_identifier") != planned:
            raise PermanentError(
                Code.PRECONDITION_CHANGED,
                f"The server at {request.target.site} is another cluster than the one seen when the run was planned.",
                "Look at it and plan again.",
            )

    def drop_old_fence(self, name: str, epoch: int) -> None:
        """Forget the mark of an older fence on a server that was promoted since; it holds nothing off any more."""
        if self.context.here != name or server.postmaster(self.site(name)) is None:
            return
        # The promotion stands, whatever becomes of this.
        with contextlib.suppress(SeawallError, OSError):
            stands = fence_file.read(self.site(name).data_dir)
            if stands and stands.epoch < epoch:
                fence_file.clear(self.site(name).data_dir, stands.model_copy(update={"made_signal": False}))

    async def beating(self, words: str, call: Awaitable[T]) -> T:
        """Wait for `call`, telling that we live twice a second."""
        task = asyncio.ensure_future(call)
        try:
            while not (await asyncio.wait({task}, timeout=0.5))[0]:
                self.context.heartbeat(words)
        except BaseException:
            task.cancel()
            await asyncio.wait({task})
            raise
        return task.result()

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        if self.context.bubble and self.context.bubble.site != site:
            return clone_site.unseen(component, site, observer)
        return await observe.look(self.address(site), component, site, observer)

    async def check(self, check: Check, site: str) -> str:
        return await checks.check(self, check, site)

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:
        return by_hand.by_hand(self, verb, request)

    def check_by_hand(self, check: Check, site: str) -> Command | None:
        return by_hand.check_by_hand(self, check, site)

    async def probe_write(self, site: str) -> Reach:
        return await probe.probe_write(self.address(site))

    async def choose_recovery_point(self, request: StepRequest) -> StepResult:
        return await recovery.choose(self, request)

    async def sync_delta(self, request: StepRequest) -> StepResult:
        return await recovery.catch_up(self, request)

    async def snapshot(self, request: StepRequest) -> StepResult:
        return await snapshot.snapshot(self, request)

    async def fence(self, request: StepRequest) -> StepResult:
        return await fence(self, request)

    async def unfence(self, request: StepRequest) -> StepResult:
        return await unfence(self, request)

    async def promote(self, request: StepRequest) -> StepResult:
        return await promote(self, request)

    async def measure_loss(self, request: StepRequest) -> StepResult:
        return await loss.measure(self, request)

    async def compare_sites(self, request: StepRequest) -> StepResult:
        return await parity.compare(self, request)

    async def measure_lag(self, request: StepRequest) -> StepResult:
        return await freshness.measure(self, request)

    async def measure_capacity(self, request: StepRequest) -> StepResult:
        return await freshness.capacity_of(self, request)

    async def verify_consistency(self, request: StepRequest) -> StepResult:
        return await consistency.verify(self, request)

    async def archive_diverged(self, request: StepRequest) -> StepResult:
        return await diverged.archive(self, request)

    async def rebuild_replica(self, request: StepRequest) -> StepResult:
        return await rebuild.rebuild(self, request)

    async def protect(self, request: StepRequest) -> StepResult:
        return await protect.protect(self, request)

    async def list_points(self, request: StepRequest) -> StepResult:
        return await points.list_points(self, request)

    async def prune(self, request: StepRequest) -> StepResult:
        return await points.prune(self, request)

    async def restore(self, request: StepRequest) -> StepResult:
        return await restore.restore(self, request)

    async def discard_restore(self, request: StepRequest) -> StepResult:
        return await restore.discard(self, request)

    async def clone_data(self, request: StepRequest) -> StepResult:
        return await clone.clone(self, request)

    async def keep_marking(self, component: str, reading: Marker, site: str) -> None:
        """Write markers at a site for as long as this task lives; see `marker.keep_marking`."""
        await marker.keep_marking(self, component, reading, site)
