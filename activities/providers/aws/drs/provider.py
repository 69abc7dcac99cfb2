"""The provider of the kind `aws.drs`: each verb is a function of a module of this package."""

from typing import Any, ClassVar

from activities.providers.aws.component import AwsProvider
from activities.providers.aws.settings import AwsSettings
from activities.providers.base import now
from activities.providers.by_hand import ByHand
from workflows.model.failure import SeawallError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import Role
from workflows.model.verbs import Verb

from . import by_hand, clone, home, jobs, look, points, promote, prune
from .look import Launched, Standing
from .settings import DrsSettings, DrsSite


class DrsProvider(AwsProvider):
    """Invariants: servers are launched only under the register's epoch, and never where a launch of before serves;
    nothing is terminated but by `prune`, and there only clones of drills.

    It has no planned fence: DRS stops no machine, and a planned move would lose what was written after the last byte
    that it received. The old site is fenced by its device. The way home is a move of what streams, or an agreed loss.
    """

    kind: ClassVar[str] = "aws.drs"
    role: ClassVar[Role | None] = Role.DATA
    verbs: ClassVar[frozenset[Verb]] = frozenset(
        {
            Verb.OBSERVE,
            Verb.CHOOSE_RECOVERY_POINT,
            Verb.RESTORE,
            Verb.DISCARD_RESTORE,
            Verb.SYNC_DELTA,
            Verb.PROMOTE,
            Verb.MEASURE_LAG,
            Verb.CLONE_DATA,
            Verb.PRUNE,
            Verb.REBUILD_REPLICA,
            Verb.PROTECT,
        }
    )
    Settings: ClassVar[type[AwsSettings]] = DrsSettings

    settings: DrsSettings

    def site(self, name: str) -> DrsSite:
        found: DrsSite = super().site(name)
        return found

    async def stands_at(self, site: str, request: StepRequest | None = None) -> Standing:
        """What stands at a site, as its own region tells it."""
        place = self.site(site)
        return await look.standing(self.aws(site, request), self.settings, place)

    async def clones(self, site: str, request: StepRequest | None = None) -> dict[str, Launched]:
        """Those of the bubble that the provider was given."""
        bubble = self.context.bubble or (request.target.bubble if request else None)
        stands, aws = await self.stands_at(site, request), self.aws(site, request)
        drills = {name: one for name, one in stands.launched.items() if one.drill and one.there}
        begun = await jobs.named(aws, {one.job for one in drills.values()}) if drills else {}
        return {
            name: one
            for name, one in drills.items()
            if bubble and one.job in begun and begun[one.job].of_bubble(bubble.name)
        }

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        facts: dict[str, Any] = {}
        try:
            reach, facts, detail = await self._seen(site)
        except SeawallError as error:
            reach, detail = Reach.SILENT, error.sentence
        return Observation(
            component=component, site=site, observer=observer, reach=reach, at=now(), detail=detail, facts=facts
        )

    async def _seen(self, site: str) -> tuple[Reach, dict[str, Any], str]:
        names = self.settings.names
        if self.context.bubble:
            found = await self.clones(site)
            running = sum(one.state == "running" for one in found.values())
            facts = {"machines": {name: one.instance for name, one in found.items()}}
            reach = Reach.SERVING if running == len(names) else Reach.STANDBY
            return reach, facts, f"{running} of {len(names)} clones run."
        stands = await self.stands_at(site)
        running = sum(one.state == "running" for one in stands.machines.values())
        told = f"{running} of {len(names)} servers run there; {len(stands.servers)} are replicated to it"
        behind = f", {stands.lag:.0f} s behind" if stands.lag is not None else ""
        return (Reach.SERVING if stands.serves(names) else Reach.STANDBY), stands.facts(), f"{told}{behind}."

    async def probe_write(self, site: str) -> Reach:
        """Whether a program could write on one of them: one that runs is enough."""
        try:
            if self.context.bubble:
                return (await self._seen(site))[0]
            return Reach.SERVING if (await self.stands_at(site)).in_use else Reach.STANDBY
        except SeawallError:
            return Reach.SILENT

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:
        return by_hand.by_hand(self, verb, request)

    async def choose_recovery_point(self, request: StepRequest) -> StepResult:
        return await points.choose(self, request)

    async def list_points(self, request: StepRequest) -> StepResult:
        return await points.list_points(self, request)

    async def restore(self, request: StepRequest) -> StepResult:
        return await points.restore(self, request)

    async def discard_restore(self, request: StepRequest) -> StepResult:
        """Nothing: a restore changes nothing, and what is launched is launched by the promote."""
        return StepResult(detail=f"Nothing was laid down at {request.target.site}.", changed=False)

    async def sync_delta(self, request: StepRequest) -> StepResult:
        """Nothing: what has arrived is launched, and DRS cannot be asked for more."""
        return StepResult(detail=f"DRS brings by itself what can come to {request.target.site}.", changed=False)

    async def promote(self, request: StepRequest) -> StepResult:
        return await (clone.ready(self, request) if request.target.bubble else promote.promote(self, request))

    async def clone_data(self, request: StepRequest) -> StepResult:
        return await clone.clone(self, request)

    async def measure_lag(self, request: StepRequest) -> StepResult:
        return await home.measure_lag(self, request)

    async def rebuild_replica(self, request: StepRequest) -> StepResult:
        return await home.rebuild(self, request)

    async def protect(self, request: StepRequest) -> StepResult:
        return await home.protect(self, request)

    async def prune(self, request: StepRequest) -> StepResult:
        return await prune.prune(self, request)
