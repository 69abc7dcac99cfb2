"""Kinds of scenarios in which people and the platform are what goes wrong."""

from tests.torture.drawing import MOVING, PLANNED, WEATHER, Draw, built, lost_or_planned, moment, troubles, weather
from tests.torture.scenario import (
    ANY,
    BEFORE_THE_ANSWER,
    FORWARD,
    RECOVERED,
    REFUSED,
    STOPPED,
    Act,
    Deed,
    Leg,
    Scenario,
    Trouble,
    Wrong,
)


def race(draw: Draw) -> Scenario:
    """Several starts at once, or a rival at some moment: one may act."""
    planned, world = lost_or_planned(draw)
    acts: tuple[Act, ...] = ()
    starts = draw.choice((1, 3))
    if starts == 1:
        at, when = moment(draw, (*MOVING, "gate"))
        acts = (Act(deed="rival", at=at, when=when),)
    return built(
        Leg(
            workflow="Failover",
            fields={"planned": planned},
            ends=RECOVERED,
            starts=starts,
            acts=acts,
            troubles=weather(draw),
        ),
        world=world,
    )


def repeated(draw: Draw) -> Scenario:
    """The id of an ended run is used again."""
    planned, world = lost_or_planned(draw)
    first = Leg(workflow="Failover", fields={"planned": planned}, ends=RECOVERED, troubles=weather(draw))
    if draw.random() < 0.4:
        first = first.model_copy(update={"people": "reject", "ends": STOPPED})
    again = Leg(
        workflow="Failover",
        fields={"planned": planned},
        ends=REFUSED,
        codes=("APPLICATION_BUSY",),
        refusal=True,
        repeats=True,
    )
    return built(first, again, world=world)


def answers(draw: Draw) -> Scenario:
    """Wrong approvals of every sort, then the right ones."""
    planned, world = lost_or_planned(draw)
    required = draw.choice((1, 2))
    sorts: tuple[Wrong, ...] = ("code", "stranger", "requester", *(("twice",) if required == 2 else ()))
    wrong = tuple(draw.sample(sorts, draw.randint(1, len(sorts))))
    rejected = draw.random() < 0.2
    leg = Leg(
        workflow="Failover",
        fields={"planned": planned},
        ends=STOPPED if rejected else RECOVERED,
        wrong=tuple(w for w in wrong if not (rejected and w == "twice")) or ("code",),
        people="reject" if rejected else "approve",
        troubles=() if rejected else weather(draw),
    )
    return built(leg, world=world, required=required)


def reset(draw: Draw) -> Scenario:
    """Reset at a seeded moment to a seeded point; an old approval is worth nothing, no effect happens twice."""
    planned, world = lost_or_planned(draw)
    at, when = draw.choice(
        (*(moment(draw, MOVING) for _ in range(3)), ("parked", "before"), ("end", "before"), ("gate", "before"))
    )
    act = Act(deed="reset", at=at, when=when, where=draw.choice((BEFORE_THE_ANSWER, round(draw.random(), 2))))
    faults = (Trouble(at="flip_dns", how="refuse", times=1),) if at == "parked" else ()
    leg = Leg(
        workflow="Failover",
        fields={"planned": planned},
        ends=ANY,
        acts=(act,),
        troubles=faults,
        wrong=("old-code",),
        parked="retry",
    )
    return built(leg, world=world)


def cancel(draw: Draw) -> Scenario:
    """Cancelled with a call in flight, once or twice: settled, then undone; behind the pivot it is refused."""
    planned, world = lost_or_planned(draw)
    at, when = moment(draw, (*MOVING, "choose_recovery_point", "sync_delta", "gate"))
    deed: Deed = draw.choice(("cancel", "cancel-twice"))
    late = at in ("flip_dns",) or at == "promote"
    undo = troubles(draw, ("unfence", "stop_instances"), WEATHER, most=1) if draw.random() < 0.5 else ()
    leg = Leg(
        workflow=draw.choice(("Failover", "Switchover")) if planned else "Failover",
        ends=FORWARD if late else STOPPED,
        acts=(Act(deed=deed, at=at, when=when),),
        troubles=undo,
    )
    if leg.workflow == "Failover":
        leg = leg.model_copy(update={"fields": {"planned": planned}})
    return built(leg, world=world)


def terminate(draw: Draw) -> Scenario:
    """Ended from outside at a seeded moment: its lease stands until a person frees it; then another run."""
    planned, world = lost_or_planned(draw)
    at, when = moment(draw, (*MOVING, "gate"))
    first = Leg(
        workflow="Failover",
        fields={"planned": planned},
        ends=("TERMINATED",),
        acts=(Act(deed="terminate", at=at, when=when),),
    )
    after = Leg(workflow="Failover", ends=ANY, troubles=weather(draw, 0.3), parked="retry")
    return built(first, after, world=world)


def workers(draw: Draw) -> Scenario:
    """A worker is shut down in mid-step and comes back."""
    planned, world = lost_or_planned(draw)
    deed: Deed = draw.choice(("stop-control", "stop-recovery", "stop-primary"))
    at, when = moment(draw, MOVING)
    leg = Leg(
        workflow="Failover",
        fields={"planned": planned},
        ends=RECOVERED,
        acts=(Act(deed=deed, at=at, when=when),),
        troubles=weather(draw, 0.3),
    )
    return built(leg, world=world)


def time(draw: Draw) -> Scenario:
    """Nobody answers, or the deadline passes: silence means no, and an inner timer undoes."""
    planned, world = lost_or_planned(draw)
    if draw.random() < 0.5:
        rule = {"failover": {"approvers": ["anna", "ben"], "expires": "1s"}}
        leg = Leg(
            workflow="Failover",
            fields={"planned": planned},
            ends=STOPPED,
            codes=("EXPIRED",),
            refusal=True,
            people="silent",
        )
        return built(leg, world=world, changes={"approvals": rule})
    leg = Leg(
        workflow="Failover",
        fields={"planned": planned},
        ends=STOPPED,
        codes=("DEADLINE_PASSED",),
        refusal=True,
        troubles=(Trouble(at="fence", how=draw.choice(("unknown", "unknown-after"))),),
        parked="leave",
    )
    return built(leg, world=world, changes={"deadline": "4s"})


def junk(draw: Draw) -> Scenario:
    """Signals and updates that nobody asked for, at some moment: nothing comes of them."""
    planned, world = lost_or_planned(draw)
    at, when = moment(draw, (*MOVING, "gate"))
    acts = (Act(deed="junk", at=at, when=when), *((Act(deed="pause", at="gate"),) if draw.random() < 0.5 else ()))
    leg = Leg(workflow="Failover", fields={"planned": planned}, ends=RECOVERED, acts=acts, troubles=weather(draw, 0.3))
    return built(leg, world=world)


def storm(draw: Draw) -> Scenario:
    """The site is lost while a planned move is on its way; whatever comes of it, the rules hold."""
    at, when = moment(draw, ("choose_recovery_point", "start_instances", "gate"))
    leg = Leg(
        workflow=draw.choice(("Failover", "Switchover")),
        ends=ANY,
        acts=(Act(deed="kill-primary", at=at, when=when),),
        parked="abort",
        mend=False,
    )
    if leg.workflow == "Failover":
        leg = leg.model_copy(update={"fields": PLANNED})
    after = Leg(workflow="Failover", ends=ANY, parked="retry")
    return built(leg, after)
