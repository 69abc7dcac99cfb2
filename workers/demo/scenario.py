"""The stories that the demo tells: what is broken, what is asked of Seawall, and how it must end."""

from dataclasses import dataclass

from workflows.model.failure import Code, PermanentError
from workflows.model.messages import RunState


@dataclass(frozen=True)
class Break:
    """One thing to break, and how many seconds to wait after it."""

    what: str
    site: str
    then_wait: float = 0.0


@dataclass(frozen=True)
class Scenario:
    """One story."""

    name: str
    story: str
    breaks: tuple[Break, ...]
    reason: str
    ends: RunState
    planned: bool = False
    synchronous: bool = True
    outage: bool = True
    """Whether users notice the break, so that the failover starts when the outage is detected."""


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="failover",
            story="The primary site is killed (kill -9 of everything). Replication is synchronous: nothing is lost.",
            breaks=(Break("kill", "primary"),),
            reason="site A is gone",
            ends=RunState.RECOVERED,
        ),
        Scenario(
            name="planned",
            story="Both sites are healthy. The application is moved without loss, as before maintenance.",
            breaks=(),
            reason="maintenance of site A",
            ends=RunState.RECOVERED,
            planned=True,
            outage=False,
        ),
        Scenario(
            name="async",
            story="Replication is asynchronous and its link breaks; a second later the primary site is killed. "
            "What was acknowledged in that second is lost, and must be reported exactly.",
            breaks=(Break("cut-replication", "primary", then_wait=1.0), Break("kill", "primary")),
            reason="site A is gone, and its replication had stopped",
            ends=RunState.RECOVERED,
            synchronous=False,
        ),
        Scenario(
            name="compensate",
            story="A planned move, but the standby cannot promote (its data directory is not writable). The run must "
            "undo itself before the point of no return, and the primary go on serving.",
            breaks=(Break("no-promote", "recovery"),),
            reason="maintenance of site A",
            ends=RunState.COMPENSATED,
            planned=True,
            outage=False,
        ),
        Scenario(
            name="split-brain",
            story="The primary site is healthy and serves its users; only the orchestrator cannot reach it. A failover "
            "would make two writers, so it must be refused, with the reason.",
            breaks=(Break("isolate-orchestrator", "primary"),),
            reason="monitoring says that site A is down",
            ends=RunState.REFUSED,
            outage=False,
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
