"""The stories that the demo tells: what is broken, what is asked of Seawall, and how it must end."""

from dataclasses import dataclass

from workflows.model.failure import Code, PermanentError
from workflows.model.plan import Operation
from workflows.model.progress import RunState


@dataclass(frozen=True)
class Break:
    """One thing to break, and how many seconds to wait after it."""

    what: str
    site: str
    then_wait: float = 0.0


@dataclass(frozen=True)
class Move:
    """One thing that is asked of Seawall, after some breaks."""

    operation: Operation
    reason: str
    ends: RunState = RunState.RECOVERED
    breaks: tuple[Break, ...] = ()
    repairs: tuple[Break, ...] = ()
    planned: bool = False
    live: bool = False
    outage: bool = False
    """Whether users notice the break, so that the run starts when the outage is detected."""
    evidence: float = 0.0
    """Seconds from the detection until there is proof enough; a failover that starts earlier is refused."""
    archives: bool = False
    """Whether the old site must be found to have rows that nobody else has."""
    lossless: bool = True
    """Whether no acknowledged write may be lost in it."""
    accepts_risk: str = ""
    """In a person's words, why it is right to go on where the fence cannot be proved; '' where that may not happen."""


@dataclass(frozen=True)
class Scenario:
    """One story; told again and again it goes on in the same lab, or in a fresh one."""

    name: str
    story: str
    moves: tuple[Move, ...]
    synchronous: bool = True
    cycles: int = 1
    """How often it is told when nobody says."""
    goes_on: bool = False
    """The next cycle begins where this one has ended."""
    cloud: bool = False
    """Told in the AWS simulator, and not on real sites of this machine."""


_KILL = Move(operation=Operation.FAILOVER, reason="site A is gone", breaks=(Break("kill", "primary"),), outage=True)
_PLANNED = Move(operation=Operation.FAILOVER, reason="maintenance of site A", planned=True)

_LOSS = Move(
    operation=Operation.FAILOVER,
    reason="site A is gone, and its replication had stopped",
    breaks=(Break("cut-replication", "primary", then_wait=1.0), Break("kill", "primary")),
    outage=True,
    lossless=False,
)

_MEND = Move(
    operation=Operation.REPROTECT,
    reason="site A and its replication are mended",
    repairs=(Break("cut-replication", "primary"),),
    archives=True,
)

_IN_THE_CLOUD = (
    Move(
        operation=Operation.FAILOVER,
        reason="the primary region is lost",
        breaks=(Break("region-gone", "primary"),),
        outage=True,
        evidence=62.0,  # a replica of RDS that is less than a minute behind counts as fed: its lag must grow first
        lossless=False,
        accepts_risk="The whole region is lost and no device can prove it; its users are sent away from it by name.",
    ),
    Move(operation=Operation.REPROTECT, reason="the region is back", repairs=(Break("region-gone", "primary"),)),
    Move(operation=Operation.FAILBACK, reason="the region is protected again"),
    Move(operation=Operation.DRILL, reason="quarterly drill"),
)

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="failover",
            story="The primary site is killed (kill -9 of everything). Replication is synchronous: nothing is lost.",
            moves=(_KILL,),
        ),
        Scenario(
            name="planned",
            story="Both sites are healthy. The application is moved without loss, as before maintenance.",
            moves=(_PLANNED,),
        ),
        Scenario(
            name="async",
            story="Replication is asynchronous and its link breaks; a second later the primary site is killed. "
            "What was acknowledged in that second is lost, and must be reported exactly.",
            moves=(_LOSS,),
            synchronous=False,
        ),
        Scenario(
            name="diverge",
            story="As in `async`; then the old site is rebuilt. What only it had must be archived and named before "
            "anything there is overwritten.",
            moves=(_LOSS, _MEND),
            synchronous=False,
        ),
        Scenario(
            name="compensate",
            story="A planned move, but the standby cannot promote (its data directory is not writable). The run must "
            "undo itself before the point of no return, and the primary go on serving.",
            moves=(
                Move(
                    operation=Operation.FAILOVER,
                    reason="maintenance of site A",
                    planned=True,
                    breaks=(Break("no-promote", "recovery"),),
                    ends=RunState.COMPENSATED,
                ),
            ),
        ),
        Scenario(
            name="split-brain",
            story="The primary site is healthy and serves its users; only the orchestrator cannot reach it. A failover "
            "would make two writers, so it must be refused, with the reason.",
            moves=(
                Move(
                    operation=Operation.FAILOVER,
                    reason="monitoring says that site A is down",
                    breaks=(Break("isolate-orchestrator", "primary"),),
                    ends=RunState.REFUSED,
                ),
            ),
        ),
        Scenario(
            name="roundtrip",
            story="The primary site is killed, the application fails over, the old site is rebuilt as its replica, and "
            "the application fails back home; ten times over, under load, in one lab.",
            moves=(
                _KILL,
                Move(operation=Operation.REPROTECT, reason="site A is mended"),
                Move(operation=Operation.FAILBACK, reason="site A is protected and equal"),
            ),
            cycles=10,
            goes_on=True,
        ),
        Scenario(
            name="drill",
            story="An isolated drill under load: clones of the standby are recovered in a bubble from which nothing "
            "else can be reached. Users must notice nothing, and nothing may be left.",
            moves=(Move(operation=Operation.DRILL, reason="quarterly drill"),),
        ),
        Scenario(
            name="aws",
            story="A three-tier shop in two regions of a simulated AWS. The primary region is lost and the application "
            "fails over; the region comes back and follows; the application goes home; an isolated drill.",
            moves=_IN_THE_CLOUD,
            cloud=True,
        ),
        Scenario(
            name="live-drill",
            story="A live drill: the users are moved to the other site and back, for real, and nothing is lost.",
            moves=(Move(operation=Operation.DRILL, reason="yearly live drill", live=True),),
        ),
    )
}


def find_scenario(name: str) -> Scenario:
    """The story of that name.

    Raises:
        PermanentError: INVALID_INPUT with the names that exist.
    """
    if name not in SCENARIOS:
        raise PermanentError(
            Code.INVALID_INPUT, f"There is no scenario {name!r}.", f"Choose one of: {', '.join(SCENARIOS)}."
        )
    return SCENARIOS[name]
