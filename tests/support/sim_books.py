"""What a simulated world has in place of files, of its users, and of the kernel: bookkeeping, public check, bubbles.

The activities have the names of the real ones.
"""

from dataclasses import dataclass, field
from pathlib import Path

from temporalio import activity

from activities.break_glass import render
from activities.policy import read_policy
from activities.providers.base import Context
from activities.providers.registry import Registry
from activities.wire import Pulse, on_the_wire, verb
from tests.support.runbooks import loaded
from tests.support.sim import OpenBubble, World, kinds
from workflows.model.failure import Code, PermanentError
from workflows.model.hand_over import WritePageRequest, WrittenPage
from workflows.model.messages import Bubble, LoadedRunbook, LoadRunbookRequest, StepRequest, StepResult
from workflows.model.report import Report, WriteReportRequest, WrittenReport
from workflows.model.runbook import Runbook
from workflows.model.verbs import Verb


@dataclass
class Hall:
    """What one set of workers serves: many applications, each with a world and a runbook of its own."""

    worlds: dict[str, World] = field(default_factory=dict)
    runbooks: dict[str, Runbook] = field(default_factory=dict)
    reports: dict[str, list[Report]] = field(default_factory=dict)
    pages: dict[str, list[str]] = field(default_factory=dict)
    """The pages for break-glass of each application, as Markdown, in the order in which they were written."""
    lacking: dict[str, set[Verb]] = field(default_factory=dict)
    """Verbs that the data components of an application's runbook cannot do."""


class SimBookkeeping:
    """Runbooks from memory, reports to memory."""

    def __init__(self, hall: Hall, folder: Path) -> None:
        """`folder` may hold a policy."""
        self._hall = hall
        self._folder = folder

    @activity.defn(name="load_runbook")
    async def load_runbook(self, request: LoadRunbookRequest) -> LoadedRunbook:
        with on_the_wire():
            runbook = self._hall.runbooks.get(request.name)
            if runbook is None:
                raise PermanentError(Code.RUNBOOK_NOT_FOUND, f"There is no runbook {request.name!r}.")
            world = self._hall.worlds[request.name]
            if "load" in world.held:
                world.hanging.set()
                await world.released.wait()
            policy = read_policy(self._folder)
            granted = policy.granted(runbook.application) if policy else None
            found = loaded(runbook, self._hall.lacking.get(request.name, set()))
            return found.model_copy(update={"granted": granted})

    @activity.defn(name="write_report")
    async def write_report(self, request: WriteReportRequest) -> WrittenReport:
        with on_the_wire():
            world = self._hall.worlds.get(request.report.application)
            if world and "report" in world.held:
                world.hanging.set()
                await world.released.wait()
            if world and "no-report" in world.held:
                raise PermanentError(Code.CONFIGURATION, "The report folder is gone.")
            self._hall.reports.setdefault(request.report.application, []).append(request.report)
            return WrittenReport(files=())

    @activity.defn(name="write_page")
    async def write_page(self, request: WritePageRequest) -> WrittenPage:
        with on_the_wire():
            name = request.facts.plan.application
            world = self._hall.worlds.get(name)
            if world and "page" in world.held:
                world.hanging.set()
                await world.released.wait()
            if world and "no-page" in world.held:
                raise PermanentError(Code.CONFIGURATION, "The report folder is gone.")
            made = render(request.facts, Registry(kinds(self._hall.worlds)))
            self._hall.pages.setdefault(name, []).append(made.md)
            return WrittenPage(files=())


class _Striking:
    """An activity that a fault can hit, without a provider behind it."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall

    async def _struck(self, verb: Verb, when: str, request: StepRequest, pulse: Pulse) -> World:
        world = self._hall.worlds[request.ref.application]
        context = Context("", Path(), still_mine=pulse.still_mine)
        await world.strike(verb, when, context, request.ref.step)
        return world


class SimVerify(_Striking):
    """The public check: users reach a site whose application runs over a serving database."""

    @verb(Verb.VERIFY)
    async def verify(self, request: StepRequest, pulse: Pulse) -> StepResult:
        world = await self._struck(Verb.VERIFY, "before", request, pulse)
        if request.target.bubble is not None:
            bubble = world.bubbles[request.target.bubble.name]
            if "db" in bubble.serving and "app" in bubble.running:
                return StepResult(changed=False, detail="the clones serve")
            raise PermanentError(Code.CHECK_FAILED, "The clones do not serve.")
        site = world.route
        if ("db", site) in world.serving and ("app", site) in world.running:
            return StepResult(changed=False, detail="users are served")
        raise PermanentError(Code.CHECK_FAILED, f"Users reach {site}, which does not serve.")


class SimBubbles(_Striking):
    """Bubbles at one site: opened once for each name, and owned by the run that opened them."""

    def __init__(self, hall: Hall, here: str) -> None:
        super().__init__(hall)
        self._here = here

    @verb(Verb.OPEN_BUBBLE)
    async def open_bubble(self, request: StepRequest, pulse: Pulse) -> StepResult:
        bubble = self._mine(request)
        world = await self._struck(Verb.OPEN_BUBBLE, "before", request, pulse)
        pulse.still_mine()
        owner = request.ref.workflow_id
        changed = bubble.name not in world.bubbles
        if world.bubbles.setdefault(bubble.name, OpenBubble(owner)).owner != owner:
            raise PermanentError(Code.PRECONDITION_CHANGED, f"The bubble {bubble.name} belongs to another run.")
        if changed:
            world.did(Verb.OPEN_BUBBLE, request, StepResult())
        await self._struck(Verb.OPEN_BUBBLE, "after", request, pulse)
        return StepResult(changed=changed)

    @verb(Verb.PROVE_ISOLATION)
    async def prove_isolation(self, request: StepRequest, pulse: Pulse) -> StepResult:
        bubble = self._mine(request)
        world = await self._struck(Verb.PROVE_ISOLATION, "before", request, pulse)
        if bubble.name not in world.bubbles:
            raise PermanentError(Code.ISOLATION_UNPROVEN, f"The bubble {bubble.name} is not open.")
        return StepResult(changed=False, after={"canaries": dict.fromkeys(bubble.canaries, "unreachable")})

    @verb(Verb.CLOSE_BUBBLE)
    async def close_bubble(self, request: StepRequest, pulse: Pulse) -> StepResult:
        bubble = self._mine(request)
        world = await self._struck(Verb.CLOSE_BUBBLE, "before", request, pulse)
        pulse.still_mine()
        found = world.bubbles.get(bubble.name)
        if found is not None and found.owner != request.ref.workflow_id:
            raise PermanentError(Code.PRECONDITION_CHANGED, f"The bubble {bubble.name} belongs to another run.")
        world.bubbles.pop(bubble.name, None)
        if found is not None:
            world.did(Verb.CLOSE_BUBBLE, request, StepResult())
        await self._struck(Verb.CLOSE_BUBBLE, "after", request, pulse)
        left = sum(1 for other in world.bubbles.values() if other.owner == request.ref.workflow_id)
        return StepResult(changed=found is not None, after={"leftovers": left})

    def _mine(self, request: StepRequest) -> Bubble:
        bubble = request.target.bubble
        if bubble is None or bubble.site != self._here:
            raise PermanentError(Code.CONFIGURATION, f"This step was sent to the worker at {self._here}.")
        return bubble
