"""Kinds of scenarios in which the world is what goes wrong: on the way, in the undo, at home, in a drill."""

from tests.torture.drawing import (
    DOUBT,
    HOMEWARD,
    MOVING,
    PLANNED,
    READING,
    REHEARSED,
    WEATHER,
    Draw,
    built,
    lost_or_planned,
    moment,
    troubles,
    weather,
)
from tests.torture.scenario import (
    ANY,
    FORWARD,
    RECOVERED,
    REFUSED,
    STOPPED,
    UNDONE,
    Act,
    Deed,
    Leg,
    Scenario,
    Trouble,
)


def crashes(draw: Draw) -> Scenario:
    """Anything at any crash point on the way: the run recovers, with one effect each."""
    planned, world = lost_or_planned(draw)
    ways = (*WEATHER, *DOUBT)
    faults = troubles(draw, MOVING, ways) + weather(draw, 0.3, READING)
    if draw.random() < 0.3:
        return built(Leg(workflow="Switchover", ends=RECOVERED, troubles=faults), hot=draw.random() < 0.5)
    leg = Leg(workflow="Failover", fields={"planned": planned}, ends=RECOVERED, troubles=faults)
    return built(leg, world=world, changes={"tier": draw.choice(("hot", "warm"))})


def undone(draw: Draw) -> Scenario:
    """A failure before the pivot, and trouble in the undo too."""
    how = draw.choice(("promote", "sync_delta", "reject", "abort"))
    undo = troubles(draw, ("unfence", "stop_instances"), (*WEATHER, "freeze", "late"), most=2)
    if draw.random() < 0.3:
        undo = (Trouble(at=draw.choice(("unfence", "stop_instances")), how="refuse", times=1),)
    cause = (Trouble(at=how, how="refuse", times=-1),) if how in ("promote", "sync_delta") else ()
    acts = (Act(deed="abort", at="fence", when=draw.choice(("before", "after"))),) if how == "abort" else ()
    leg = Leg(
        workflow=draw.choice(("Failover", "Switchover")),
        ends=STOPPED,
        troubles=(*cause, *undo),
        acts=acts,
        people="reject" if how == "reject" else "approve",
        mend=False,
        wrong=("code",) if draw.random() < 0.3 else (),
    )
    if leg.workflow == "Failover":
        leg = leg.model_copy(update={"fields": PLANNED})
    return built(leg, changes={"tier": draw.choice(("hot", "warm"))})


_EVIDENCE: tuple[tuple[str, dict[str, object], tuple[str, ...], tuple[str, ...]], ...] = (
    ("Failover", {}, (), ("SOURCE_HEALTHY",)),
    ("Failover", {}, ("unseen by control",), ("OBSERVERS_DISAGREE",)),
    ("Failover", {}, ("unseen by recovery",), ("OBSERVERS_DISAGREE",)),
    ("Failover", {}, ("unseen by both",), ("OBSERVERS_DISAGREE",)),
    ("Failover", {}, ("unseen by all",), ("OBSERVERS_DISAGREE",)),
    ("Failover", {}, ("dead primary", "standby gone"), ("TARGET_UNFIT",)),
    ("Failover", {}, ("promoted elsewhere",), ("TARGET_UNFIT",)),
    ("Failover", {"planned": True}, ("dead primary",), ("SOURCE_UNREACHABLE",)),
    ("Failover", {"planned": True}, ("standby frozen",), ("REPLICA_FROZEN",)),
    ("Failover", {"to": "primary"}, (), ("ALREADY_ACTIVE",)),
    ("Failover", {"to": "mars"}, (), ("INVALID_INPUT",)),
    ("Failover", {"requested_by": "unknown"}, ("dead primary",), ("INVALID_INPUT",)),
    ("Switchover", {}, ("standby frozen",), ("REPLICA_FROZEN",)),
    ("Switchover", {}, ("standby misfit",), ("TARGET_UNFIT",)),
    ("Switchover", {}, ("slow marker",), ("TARGET_UNFIT",)),
    ("Switchover", {}, ("standby gone",), ("TARGET_UNFIT",)),
    ("Switchover", {}, ("dead primary",), ("SOURCE_UNREACHABLE",)),
    ("Switchover", {}, ("unseen by all",), ("SOURCE_UNREACHABLE",)),
    ("Failback", {}, (), ("ALREADY_ACTIVE",)),
    ("Reprotect", {}, ("both write", "standby gone", "promoted elsewhere"), ("TARGET_UNFIT",)),
)


def evidence(draw: Draw) -> Scenario:
    """What was seen speaks against it: refused, and nothing is changed for users."""
    workflow, fields, world, codes = draw.choice(_EVIDENCE)
    refused = Leg(workflow=workflow, fields=fields, ends=STOPPED, codes=codes, refusal=True)
    if "unseen by control" in world and draw.random() < 0.5:
        after = Leg(workflow="Failover", fields=PLANNED, ends=RECOVERED, before=("healed",), troubles=weather(draw))
        return built(refused, after, world=world)
    return built(refused, world=world)


def unproven(draw: Draw) -> Scenario:
    """The fence cannot be proved: no promote, unless a person accepts the risk by name and code."""
    parked = draw.choice(("risk", "abort", "retry"))
    how = draw.choice(("busy", "lose-call"))
    leg = Leg(
        workflow="Failover",
        ends=RECOVERED if parked != "abort" else STOPPED,
        troubles=(Trouble(at="fence", how=how, times=-1),),
        parked=parked,
        wrong=("code",),
    )
    return built(leg, world=("dead primary",))


def loss(draw: Draw) -> Scenario:
    """The standby is behind by more than the RPO: the loss is accepted by its figure, or nothing happens."""
    leg = Leg(
        workflow="Failover",
        ends=RECOVERED,
        wrong=("figure", *(("code",) if draw.random() < 0.5 else ())),
        troubles=weather(draw, 0.3),
    )
    return built(leg, world=("dead primary", "behind", *(("diverged",) if draw.random() < 0.5 else ())))


def stale(draw: Draw) -> Scenario:
    """An epoch stands that the entity does not know; or a frozen attempt of an older run wakes up in a newer one."""
    if draw.random() < 0.5:
        planned, world = lost_or_planned(draw)
        leg = Leg(workflow="Failover", fields={"planned": planned}, ends=RECOVERED, troubles=weather(draw))
        return built(leg, world=(*world, "old epoch stands"))
    first = Leg(
        workflow="Failover",
        fields=PLANNED,
        ends=("TERMINATED",),
        troubles=(Trouble(at=draw.choice(("fence", "promote", "flip_dns")), how="freeze"),),
        acts=(Act(deed="terminate", at="frozen"),),
    )
    return built(first, Leg(workflow="Failover", fields=PLANNED, ends=ANY, parked="retry"))


def home(draw: Draw) -> Scenario:
    """A site is lost, and the application goes home: rows that only it had are kept before it is overwritten."""
    lost = ("dead primary", "diverged") if draw.random() < 0.5 else ("dead primary",)
    legs = [
        Leg(workflow="Failover", ends=RECOVERED, troubles=weather(draw, 0.3), acts=(Act(deed="write", at="end"),)),
        Leg(
            workflow="Reprotect",
            ends=RECOVERED,
            troubles=troubles(draw, (*HOMEWARD, "reopen_site"), (*WEATHER, "freeze", "late"), most=2),
            acts=(Act(deed="write", at="end"),),
        ),
        Leg(workflow="Failback", ends=RECOVERED, troubles=weather(draw, 0.6, (*MOVING, *HOMEWARD))),
    ]
    if draw.random() < 0.35:
        early = Leg(workflow="Failback", ends=REFUSED, codes=("NOT_PROTECTED",), refusal=True)
        legs.insert(1, early)
    return built(*legs[: draw.randint(2, len(legs))], world=lost)


def reprotect(draw: Draw) -> Scenario:
    """A reprotect that must not overwrite, or that is stopped, or that parks behind its pivot."""
    away = Leg(workflow="Failover", ends=RECOVERED)
    sort = draw.choice(("both", "reject", "park", "cancel"))
    if sort == "both":
        leg = Leg(workflow="Reprotect", ends=STOPPED, codes=("ROLE_MISMATCH",), refusal=True, before=("both write",))
        return built(away, leg, world=("dead primary", "diverged"))
    leg = Leg(workflow="Reprotect", ends=STOPPED if sort == "reject" else ANY)
    if sort == "reject":
        leg = leg.model_copy(update={"people": "reject", "wrong": ("code",)})
    elif sort == "park":
        fault = Trouble(at=draw.choice(HOMEWARD[1:]), how="refuse", times=draw.randint(1, 2))
        leg = leg.model_copy(update={"troubles": (fault,), "ends": (*FORWARD, *UNDONE)})
    else:
        at, when = moment(draw, (*HOMEWARD, "gate"))
        leg = leg.model_copy(update={"acts": (Act(deed="cancel", at=at, when=when),)})
    return built(away, leg, world=("dead primary", "diverged"))


def drill(draw: Draw) -> Scenario:
    """An isolated drill, whatever happens to it: production is untouched, and nothing is left."""
    sort = draw.choice(("weather", "fails", "cancel", "preempted", "live", "behind a run"))
    if sort == "live":
        leg = Leg(workflow="Drill", fields={"live": True}, ends=RECOVERED, troubles=weather(draw, 0.5, MOVING))
        return built(leg, hot=True)
    if sort == "behind a run":
        act = Act(deed="drill", at="gate")
        return built(Leg(workflow="Failover", ends=RECOVERED, acts=(act,)), world=("dead primary",))
    if sort == "weather":
        leg = Leg(workflow="Drill", ends=RECOVERED, troubles=troubles(draw, REHEARSED, WEATHER))
    elif sort == "fails":
        fault = Trouble(at=draw.choice((*REHEARSED[:-1], "prove_isolation")), how="refuse", times=-1)
        leg = Leg(workflow="Drill", ends=STOPPED, troubles=(fault,), mend=False)
    else:
        at, when = moment(draw, REHEARSED[:-1])
        deed: Deed = "cancel" if sort == "cancel" else "rival"
        leg = Leg(workflow="Drill", ends=STOPPED, acts=(Act(deed=deed, at=at, when=when),))
        if sort == "preempted":
            leg = leg.model_copy(update={"ends": ANY})
            return built(leg, world=("dead primary",))
    return built(leg, hot=True)


def parked(draw: Draw) -> Scenario:
    """A failure behind the pivot: forward only, by one of the answers that are safe."""
    planned, world = lost_or_planned(draw)
    at = draw.choice(("flip_dns", "public.verify", "db.health_check"))
    answer = draw.choice(("retry", "degrade", "skip", "leave"))
    ends = {"retry": RECOVERED, "leave": ("PARKED",)}.get(answer, FORWARD)
    at = "flip_dns" if answer == "leave" else at
    leg = Leg(
        workflow="Failover",
        fields={"planned": planned},
        ends=ends,
        troubles=(Trouble(at=at, how="refuse", times=-1),),
        parked=answer,
        acts=(Act(deed="cancel", at="parked"),) if draw.random() < 0.3 else (),
    )
    return built(leg, world=world)
