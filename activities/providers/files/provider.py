"""The provider of the kind `files`: verbs of one tree with a copy at another site."""

from pathlib import Path
from typing import ClassVar

from activities.bubble.place import Place
from activities.providers.base import Context, Provider
from activities.providers.by_hand import ByHand
from workflows.model.base import Strict
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import Marker, Role
from workflows.model.verbs import Verb

from . import by_hand, consistency, diverged, fence, freshness, marker, observe, points, promote, rebuild, restore, sync
from .settings import FilesSettings, FilesSite
from .state import Tree


class FilesProvider(Provider):
    """Each verb is a function of this package; what they share of settings and worker stands here."""

    kind: ClassVar[str] = "files"
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
    Settings: ClassVar[type[Strict]] = FilesSettings

    settings: FilesSettings

    def __init__(self, settings: FilesSettings, context: Context) -> None:
        super().__init__(settings, context)

    def site(self, name: str) -> FilesSite:
        """The settings of a site. PermanentError(CONFIGURATION) when the component has none there."""
        found = self.settings.sites.get(name)
        if found is None:
            raise PermanentError(
                Code.CONFIGURATION,
                f"The component has no settings for the site {name!r}.",
                f"Known: {', '.join(self.settings.sites)}.",
            )
        return found

    def here(self, name: str) -> bool:
        """Whether this worker stands on the machine of the tree (in a drill: of its clone)."""
        self.site(name)
        return self.context.here == name

    def plain(self, name: str) -> Tree:
        """The component's own tree as plain files, at its site or by its plain source."""
        site = self.site(name)
        return Tree(site.path if self.context.here == name else site.source())

    def tree(self, name: str) -> Tree:
        """The tree of a site; in a drill, the clone of it."""
        site = self.site(name)
        if self.context.bubble is None:
            return Tree(site.path)
        return Tree(Place.of(self.context.state_dir, self.context.bubble).file(site.path))

    def local(self, name: str) -> Tree:
        """The same, for what changes files: only the site's own worker may."""
        found = self.tree(name)
        self.insist_on_being_at(name)
        if self.context.bubble:
            self.insist_on_being_at(self.context.bubble.site)
        return found

    def address(self, name: str) -> str:
        """The tree of another site, as rsync is told it. A drill has nothing to do with it."""
        if self.context.bubble:
            raise PermanentError(
                Code.PRECONDITION_CHANGED, "A drill never reads another site's tree.", "This is a defect of the plan."
            )
        return self.site(name).source()

    def ledger(self, component: str, site: str) -> Path:
        """Where this worker notes the markers that it wrote at a site."""
        return self.context.state_dir / f"markers-{component}-{site}.json"

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        return await observe.observe(self, component, site, observer)

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:
        return by_hand.by_hand(self.site(request.target.site).path, verb, request)

    async def probe_write(self, site: str) -> Reach:
        return await observe.probe_write(self, site)

    async def choose_recovery_point(self, request: StepRequest) -> StepResult:
        real = self if self.context.bubble is None else FilesProvider(self.settings, self._outside())
        return await points.choose(real, request)

    def _outside(self) -> Context:
        """A drill's clone is made of the component's own points, which are only read."""
        return Context(here=self.context.here, state_dir=self.context.state_dir, heartbeat=self.context.heartbeat)

    async def list_points(self, request: StepRequest) -> StepResult:
        return await points.list_points(self, request)

    async def snapshot(self, request: StepRequest) -> StepResult:
        return await points.snapshot(self, request)

    async def prune(self, request: StepRequest) -> StepResult:
        return await points.prune(self, request)

    async def fence(self, request: StepRequest) -> StepResult:
        return await fence.fence(self, request)

    async def unfence(self, request: StepRequest) -> StepResult:
        return await fence.unfence(self, request)

    async def sync_delta(self, request: StepRequest) -> StepResult:
        return await sync.sync_delta(self, request)

    async def promote(self, request: StepRequest) -> StepResult:
        return await promote.promote(self, request)

    async def measure_loss(self, request: StepRequest) -> StepResult:
        return await marker.measure_loss(self, request)

    async def keep_marking(self, component: str, marker: Marker, site: str) -> None:
        """See `marker.keep_marking`."""
        await _keep_marking(self, component, marker, site)

    async def measure_lag(self, request: StepRequest) -> StepResult:
        return await freshness.measure_lag(self, request)

    async def measure_capacity(self, request: StepRequest) -> StepResult:
        return await freshness.measure_capacity(self, request)

    async def verify_consistency(self, request: StepRequest) -> StepResult:
        return await consistency.verify(self, request)

    async def archive_diverged(self, request: StepRequest) -> StepResult:
        return await diverged.archive(self, request)

    async def rebuild_replica(self, request: StepRequest) -> StepResult:
        return await rebuild.rebuild(self, request)

    async def protect(self, request: StepRequest) -> StepResult:
        return await rebuild.protect(self, request)

    async def restore(self, request: StepRequest) -> StepResult:
        return await restore.restore(self, request)

    async def discard_restore(self, request: StepRequest) -> StepResult:
        return await restore.discard(self, request)

    async def clone_data(self, request: StepRequest) -> StepResult:
        return await restore.clone(self, request)


_keep_marking = marker.keep_marking
