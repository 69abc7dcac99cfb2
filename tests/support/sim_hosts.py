"""Simulated application servers, a public name, and a power controller."""

from datetime import timedelta

from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Finding, Observation, Reach
from workflows.model.runbook import Role
from workflows.model.verbs import Verb

from .sim_provider import SimProvider, pair_of, proof_of
from .sim_world import SECRET, Fault


class SimCompute(SimProvider):
    """An application server."""

    kind = "sim.compute"
    role = Role.COMPUTE
    verbs = frozenset({Verb.OBSERVE, Verb.START_INSTANCES, Verb.STOP_INSTANCES})

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        running = (component, site) in self.world.running
        reach = Reach.SERVING if running else Reach.STANDBY
        return Observation(component=component, site=site, observer=observer, reach=reach, at=self.clock())

    async def start_instances(self, request: StepRequest) -> StepResult:
        """As an undo it starts only what the step had stopped."""
        pair = pair_of(request)
        undo = request.ref.step.endswith("stop_at_source")
        if undo and f"{Verb.STOP_INSTANCES}:{request.ref.key}" not in self.world.done:
            return StepResult(changed=False)
        if request.target.bubble is None and pair in self.world.running:
            if found := self.world.earlier(Verb.START_INSTANCES, request):
                return found
            await self.reading(Verb.START_INSTANCES, request)
            return StepResult(changed=False, before={"running": True})

        def start() -> StepResult:
            if request.target.bubble is not None:
                self.inside(request).running.add(request.target.name)
            else:
                self.world.running.add(pair)
            return StepResult(before={"running": False})

        return await self.effect(Verb.START_INSTANCES, request, start)

    async def stop_instances(self, request: StepRequest) -> StepResult:
        """As an undo it stops only what the step had started."""
        pair = pair_of(request)
        undo = not request.ref.step.endswith("stop_at_source")
        if pair not in self.world.running:
            return StepResult(changed=False)
        if undo and f"{Verb.START_INSTANCES}:{request.ref.key}" not in self.world.done:
            return StepResult(changed=False)

        def stop() -> StepResult:
            self.world.running.discard(pair)
            return StepResult()

        return await self.effect(Verb.STOP_INSTANCES, request, stop)


class SimLauncher(SimCompute):
    """An application server that is launched when it is needed; what was given up of it can be removed."""

    kind = "sim.launcher"
    verbs = SimCompute.verbs | {Verb.PRUNE}

    async def prune(self, request: StepRequest) -> StepResult:
        return await self.effect(Verb.PRUNE, request, StepResult)


class SimCloud(SimCompute):
    """An application server of a cloud, which can tell what a site lacks."""

    kind = "sim.cloud"

    async def preflight(self, component: str, site: str, rpo: timedelta | None = None) -> tuple[Finding, ...]:
        if "preflight" in self.world.held:
            await self.world.released.wait()
        if "no-preflight" in self.world.held:
            raise RuntimeError(f"could not connect: password={SECRET}")
        return self.world.lacking


class SimTraffic(SimProvider):
    """A public name."""

    kind = "sim.traffic"
    role = Role.TRAFFIC
    verbs = frozenset({Verb.OBSERVE, Verb.FLIP_DNS, Verb.RESTORE_DNS})

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        here = self.world.route == site
        return Observation(
            component=component,
            site=site,
            observer=observer,
            reach=Reach.SERVING if here else Reach.STANDBY,
            at=self.clock(),
            facts={"route": self.world.route},
        )

    async def flip_dns(self, request: StepRequest) -> StepResult:
        def flip() -> StepResult:
            before, self.world.route = self.world.route, request.target.target
            return StepResult(before={"route": before})

        return await self.effect(Verb.FLIP_DNS, request, flip)

    async def restore_dns(self, request: StepRequest) -> StepResult:
        flip = self.world.done.get(f"{Verb.FLIP_DNS}:{request.ref.key}")
        if flip is None:
            return StepResult(changed=False)
        stood = str(flip.before["route"])

        def restore() -> StepResult:
            self.world.route = stood
            return StepResult()

        return await self.effect(Verb.RESTORE_DNS, request, restore)


class SimPower(SimProvider):
    """A power controller."""

    kind = "sim.power"
    role = None
    verbs = frozenset({Verb.FENCE, Verb.UNFENCE, Verb.REOPEN_SITE, Verb.CLOSE_SITE})

    async def fence(self, request: StepRequest) -> StepResult:
        def turn_off() -> StepResult:
            world, site = self.world, request.target.site
            served = {pair for pair in world.serving if pair[1] == site}
            if site not in world.dead or served:
                world.blacked_out[site] = served
            if world.faults.get(Verb.FENCE.value, Fault("none")).how != "lie":
                world.kill(site)
                world.powered_off.add(site)
            proof = proof_of(request, "powered off by its controller", True, None)
            return StepResult(before={"power": "on"}, proof=proof)

        return await self.effect(Verb.FENCE, request, turn_off)

    async def unfence(self, request: StepRequest) -> StepResult:
        if request.target.site not in self.world.powered_off:
            return StepResult(changed=False)

        def turn_on() -> StepResult:
            self.world.powered_off.discard(request.target.site)
            self.world.power_on(request.target.site)
            return StepResult()

        return await self.effect(Verb.UNFENCE, request, turn_on)

    async def reopen_site(self, request: StepRequest) -> StepResult:
        """What served there when it was turned off stays down."""
        site = request.target.site
        if site not in self.world.powered_off:
            await self.reading(Verb.REOPEN_SITE, request)
            return StepResult(changed=False)

        def turn_on() -> StepResult:
            self.world.powered_off.discard(site)
            self.world.reopened[site] = self.world.blacked_out.pop(site, set())
            self.world.dead.discard(site)
            return StepResult()

        return await self.effect(Verb.REOPEN_SITE, request, turn_on)

    async def close_site(self, request: StepRequest) -> StepResult:
        """Held off again, as it was before this run opened it."""
        site = request.target.site
        if f"{Verb.REOPEN_SITE}:{request.ref.key}" not in self.world.done or site not in self.world.reopened:
            await self.reading(Verb.CLOSE_SITE, request)
            return StepResult(changed=False)

        def turn_off() -> StepResult:
            self.world.kill(site)
            self.world.powered_off.add(site)
            self.world.blacked_out[site] = self.world.reopened.pop(site)
            return StepResult()

        return await self.effect(Verb.CLOSE_SITE, request, turn_off)
