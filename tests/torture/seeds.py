"""From a seed to a scenario. Every choice is drawn here, from one generator; nothing is drawn while it is played."""

import random
from collections.abc import Callable

from tests.torture.scenario import (
    ANY,
    BEFORE_THE_ANSWER,
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
    Wrong,
)

Draw = random.Random

PLANNED = {"planned": True}
MOVING = ("fence", "start_instances", "promote", "flip_dns")
HOMEWARD = ("archive_diverged", "rebuild_replica", "protect")
READING = ("choose_recovery_point", "sync_delta", "public.verify", "measure_loss")
REHEARSED = ("open_bubble", "clone_data", "promote", "start_instances", "close_bubble")

WEATHER = ("die", "die-after", "lose-reply", "lose-call", "busy", "slow", "leak")
"""What any call may meet, and what its next attempt gets over."""
DOUBT = ("unknown", "unknown-after", "late", "freeze")
"""What leaves it open whether the effect stands, or will."""


def scenario(seed: int) -> Scenario:
    """What this seed tries."""
    draw = random.Random(f"seawall {seed}")
    kinds = [kind for kind, (weight, _) in KINDS.items() for _ in range(weight)]
    kind = draw.choice(kinds)
    made = KINDS[kind][1](draw)
    return made.model_copy(
        update={"seed": seed, "name": f"{kind}-{seed}", "kind": kind, "forgetful": draw.random() < 0.25}
    )


# --- Pieces ---


def _scenario(*legs: Leg, world: tuple[str, ...] = (), **fields: object) -> Scenario:
    return Scenario(seed=0, name="", kind="", legs=legs, world=world, **fields)


def _troubles(draw: Draw, verbs: tuple[str, ...], ways: tuple[str, ...], most: int = 3) -> tuple[Trouble, ...]:
    chosen = draw.sample(verbs, draw.randint(1, min(most, len(verbs))))
    return tuple(_trouble(draw, verb, draw.choice(ways)) for verb in chosen)


def _trouble(draw: Draw, verb: str, how: str) -> Trouble:
    times = draw.randint(1, 3) if how in ("busy", "lose-reply", "lose-call", "leak") else 1
    return Trouble(at=verb, how=how, times=times)


def _weather(draw: Draw, chance: float = 0.5, verbs: tuple[str, ...] = (*MOVING, *READING)) -> tuple[Trouble, ...]:
    return _troubles(draw, verbs, WEATHER, most=2) if draw.random() < chance else ()


def _failover(draw: Draw) -> tuple[bool, tuple[str, ...]]:
    """Planned or not, and the world that belongs to it."""
    planned = draw.random() < 0.5
    return planned, () if planned else ("dead primary",)


def _moment(draw: Draw, verbs: tuple[str, ...]) -> tuple[str, str]:
    return draw.choice(verbs), draw.choice(("before", "after"))


# --- Kinds of scenarios ---


def _crashes(draw: Draw) -> Scenario:
    """Anything at any crash point on the way: the run recovers, with one effect each."""
    planned, world = _failover(draw)
    ways = (*WEATHER, *DOUBT)
    troubles = _troubles(draw, MOVING, ways) + _weather(draw, 0.3, READING)
    if draw.random() < 0.3:
        return _scenario(Leg(workflow="Switchover", ends=RECOVERED, troubles=troubles), hot=draw.random() < 0.5)
    leg = Leg(workflow="Failover", fields={"planned": planned}, ends=RECOVERED, troubles=troubles)
    return _scenario(leg, world=world, changes={"tier": draw.choice(("hot", "warm"))})


def _undone(draw: Draw) -> Scenario:
    """A failure before the pivot, and trouble in the undo too."""
    how = draw.choice(("promote", "sync_delta", "reject", "abort"))
    undo = _troubles(draw, ("unfence", "stop_instances"), (*WEATHER, "freeze", "late"), most=2)
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
    return _scenario(leg, changes={"tier": draw.choice(("hot", "warm"))})


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


def _evidence(draw: Draw) -> Scenario:
    """What was seen speaks against it: refused, and nothing is changed for users."""
    workflow, fields, world, codes = draw.choice(_EVIDENCE)
    refused = Leg(workflow=workflow, fields=fields, ends=STOPPED, codes=codes, refusal=True)
    if "unseen by control" in world and draw.random() < 0.5:
        after = Leg(workflow="Failover", fields=PLANNED, ends=RECOVERED, before=("healed",), troubles=_weather(draw))
        return _scenario(refused, after, world=world)
    return _scenario(refused, world=world)


def _race(draw: Draw) -> Scenario:
    """Several starts at once, or a rival at some moment: one may act."""
    planned, world = _failover(draw)
    acts: tuple[Act, ...] = ()
    starts = draw.choice((1, 3))
    if starts == 1:
        at, when = _moment(draw, (*MOVING, "gate"))
        acts = (Act(deed="rival", at=at, when=when),)
    return _scenario(
        Leg(
            workflow="Failover",
            fields={"planned": planned},
            ends=RECOVERED,
            starts=starts,
            acts=acts,
            troubles=_weather(draw),
        ),
        world=world,
    )


def _repeated(draw: Draw) -> Scenario:
    """The id of an ended run is used again."""
    planned, world = _failover(draw)
    first = Leg(workflow="Failover", fields={"planned": planned}, ends=RECOVERED, troubles=_weather(draw))
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
    return _scenario(first, again, world=world)


def _answers(draw: Draw) -> Scenario:
    """Wrong approvals of every sort, then the right ones."""
    planned, world = _failover(draw)
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
        troubles=() if rejected else _weather(draw),
    )
    return _scenario(leg, world=world, required=required)


def _reset(draw: Draw) -> Scenario:
    """Reset at a seeded moment to a seeded point; an old approval is worth nothing, no effect happens twice."""
    planned, world = _failover(draw)
    at, when = draw.choice(
        (*(_moment(draw, MOVING) for _ in range(3)), ("parked", "before"), ("end", "before"), ("gate", "before"))
    )
    act = Act(deed="reset", at=at, when=when, where=draw.choice((BEFORE_THE_ANSWER, round(draw.random(), 2))))
    troubles = (Trouble(at="flip_dns", how="refuse", times=1),) if at == "parked" else ()
    leg = Leg(
        workflow="Failover",
        fields={"planned": planned},
        ends=ANY,
        acts=(act,),
        troubles=troubles,
        wrong=("old-code",),
        parked="retry",
    )
    return _scenario(leg, world=world)


def _cancel(draw: Draw) -> Scenario:
    """Cancelled with a call in flight, once or twice: settled, then undone; behind the pivot it is refused."""
    planned, world = _failover(draw)
    at, when = _moment(draw, (*MOVING, "choose_recovery_point", "sync_delta", "gate"))
    deed: Deed = draw.choice(("cancel", "cancel-twice"))
    late = at in ("flip_dns",) or at == "promote"
    undo = _troubles(draw, ("unfence", "stop_instances"), WEATHER, most=1) if draw.random() < 0.5 else ()
    leg = Leg(
        workflow=draw.choice(("Failover", "Switchover")) if planned else "Failover",
        ends=FORWARD if late else STOPPED,
        acts=(Act(deed=deed, at=at, when=when),),
        troubles=undo,
    )
    if leg.workflow == "Failover":
        leg = leg.model_copy(update={"fields": {"planned": planned}})
    return _scenario(leg, world=world)


def _terminate(draw: Draw) -> Scenario:
    """Ended from outside at a seeded moment: its lease stands until a person frees it; then another run."""
    planned, world = _failover(draw)
    at, when = _moment(draw, (*MOVING, "gate"))
    first = Leg(
        workflow="Failover",
        fields={"planned": planned},
        ends=("TERMINATED",),
        acts=(Act(deed="terminate", at=at, when=when),),
    )
    after = Leg(workflow="Failover", ends=ANY, troubles=_weather(draw, 0.3), parked="retry")
    return _scenario(first, after, world=world)


def _workers(draw: Draw) -> Scenario:
    """A worker is shut down in mid-step and comes back."""
    planned, world = _failover(draw)
    deed: Deed = draw.choice(("stop-control", "stop-recovery", "stop-primary"))
    at, when = _moment(draw, MOVING)
    leg = Leg(
        workflow="Failover",
        fields={"planned": planned},
        ends=RECOVERED,
        acts=(Act(deed=deed, at=at, when=when),),
        troubles=_weather(draw, 0.3),
    )
    return _scenario(leg, world=world)


def _unproven(draw: Draw) -> Scenario:
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
    return _scenario(leg, world=("dead primary",))


def _loss(draw: Draw) -> Scenario:
    """The standby is behind by more than the RPO: the loss is accepted by its figure, or nothing happens."""
    leg = Leg(
        workflow="Failover",
        ends=RECOVERED,
        wrong=("figure", *(("code",) if draw.random() < 0.5 else ())),
        troubles=_weather(draw, 0.3),
    )
    return _scenario(leg, world=("dead primary", "behind", *(("diverged",) if draw.random() < 0.5 else ())))


def _stale(draw: Draw) -> Scenario:
    """An epoch stands that the entity does not know; or a frozen attempt of an older run wakes up in a newer one."""
    if draw.random() < 0.5:
        planned, world = _failover(draw)
        leg = Leg(workflow="Failover", fields={"planned": planned}, ends=RECOVERED, troubles=_weather(draw))
        return _scenario(leg, world=(*world, "old epoch stands"))
    first = Leg(
        workflow="Failover",
        fields=PLANNED,
        ends=("TERMINATED",),
        troubles=(Trouble(at=draw.choice(("fence", "promote", "flip_dns")), how="freeze"),),
        acts=(Act(deed="terminate", at="frozen"),),
    )
    return _scenario(first, Leg(workflow="Failover", fields=PLANNED, ends=ANY, parked="retry"))


def _home(draw: Draw) -> Scenario:
    """A site is lost, and the application goes home: rows that only it had are kept before it is overwritten."""
    lost = ("dead primary", "diverged") if draw.random() < 0.5 else ("dead primary",)
    legs = [
        Leg(workflow="Failover", ends=RECOVERED, troubles=_weather(draw, 0.3), acts=(Act(deed="write", at="end"),)),
        Leg(
            workflow="Reprotect",
            ends=RECOVERED,
            troubles=_troubles(draw, (*HOMEWARD, "reopen_site"), (*WEATHER, "freeze", "late"), most=2),
            acts=(Act(deed="write", at="end"),),
        ),
        Leg(workflow="Failback", ends=RECOVERED, troubles=_weather(draw, 0.6, (*MOVING, *HOMEWARD))),
    ]
    if draw.random() < 0.35:
        early = Leg(workflow="Failback", ends=REFUSED, codes=("NOT_PROTECTED",), refusal=True)
        legs.insert(1, early)
    return _scenario(*legs[: draw.randint(2, len(legs))], world=lost)


def _reprotect(draw: Draw) -> Scenario:
    """A reprotect that must not overwrite, or that is stopped, or that parks behind its pivot."""
    away = Leg(workflow="Failover", ends=RECOVERED)
    sort = draw.choice(("both", "reject", "park", "cancel"))
    if sort == "both":
        leg = Leg(workflow="Reprotect", ends=STOPPED, codes=("ROLE_MISMATCH",), refusal=True, before=("both write",))
        return _scenario(away, leg, world=("dead primary", "diverged"))
    leg = Leg(workflow="Reprotect", ends=STOPPED if sort == "reject" else ANY)
    if sort == "reject":
        leg = leg.model_copy(update={"people": "reject", "wrong": ("code",)})
    elif sort == "park":
        fault = Trouble(at=draw.choice(HOMEWARD[1:]), how="refuse", times=draw.randint(1, 2))
        leg = leg.model_copy(update={"troubles": (fault,), "ends": (*FORWARD, *UNDONE)})
    else:
        at, when = _moment(draw, (*HOMEWARD, "gate"))
        leg = leg.model_copy(update={"acts": (Act(deed="cancel", at=at, when=when),)})
    return _scenario(away, leg, world=("dead primary", "diverged"))


def _drill(draw: Draw) -> Scenario:
    """An isolated drill, whatever happens to it: production is untouched, and nothing is left."""
    sort = draw.choice(("weather", "fails", "cancel", "preempted", "live", "behind a run"))
    if sort == "live":
        leg = Leg(workflow="Drill", fields={"live": True}, ends=RECOVERED, troubles=_weather(draw, 0.5, MOVING))
        return _scenario(leg, hot=True)
    if sort == "behind a run":
        act = Act(deed="drill", at="gate")
        return _scenario(Leg(workflow="Failover", ends=RECOVERED, acts=(act,)), world=("dead primary",))
    if sort == "weather":
        leg = Leg(workflow="Drill", ends=RECOVERED, troubles=_troubles(draw, REHEARSED, WEATHER))
    elif sort == "fails":
        fault = Trouble(at=draw.choice((*REHEARSED[:-1], "prove_isolation")), how="refuse", times=-1)
        leg = Leg(workflow="Drill", ends=STOPPED, troubles=(fault,), mend=False)
    else:
        at, when = _moment(draw, REHEARSED[:-1])
        deed: Deed = "cancel" if sort == "cancel" else "rival"
        leg = Leg(workflow="Drill", ends=STOPPED, acts=(Act(deed=deed, at=at, when=when),))
        if sort == "preempted":
            leg = leg.model_copy(update={"ends": ANY})
            return _scenario(leg, world=("dead primary",))
    return _scenario(leg, hot=True)


def _parked(draw: Draw) -> Scenario:
    """A failure behind the pivot: forward only, by one of the answers that are safe."""
    planned, world = _failover(draw)
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
    return _scenario(leg, world=world)


def _time(draw: Draw) -> Scenario:
    """Nobody answers, or the deadline passes: silence means no, and an inner timer undoes."""
    planned, world = _failover(draw)
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
        return _scenario(leg, world=world, changes={"approvals": rule})
    leg = Leg(
        workflow="Failover",
        fields={"planned": planned},
        ends=STOPPED,
        codes=("DEADLINE_PASSED",),
        refusal=True,
        troubles=(Trouble(at="fence", how=draw.choice(("unknown", "unknown-after"))),),
        parked="leave",
    )
    return _scenario(leg, world=world, changes={"deadline": "4s"})


def _junk(draw: Draw) -> Scenario:
    """Signals and updates that nobody asked for, at some moment: nothing comes of them."""
    planned, world = _failover(draw)
    at, when = _moment(draw, (*MOVING, "gate"))
    acts = (Act(deed="junk", at=at, when=when), *((Act(deed="pause", at="gate"),) if draw.random() < 0.5 else ()))
    leg = Leg(workflow="Failover", fields={"planned": planned}, ends=RECOVERED, acts=acts, troubles=_weather(draw, 0.3))
    return _scenario(leg, world=world)


def _storm(draw: Draw) -> Scenario:
    """The site is lost while a planned move is on its way; whatever comes of it, the rules hold."""
    at, when = _moment(draw, ("choose_recovery_point", "start_instances", "gate"))
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
    return _scenario(leg, after)


KINDS: dict[str, tuple[int, Callable[[Draw], Scenario]]] = {
    "crashes": (14, _crashes),
    "undone": (9, _undone),
    "evidence": (9, _evidence),
    "race": (6, _race),
    "repeated": (3, _repeated),
    "answers": (7, _answers),
    "reset": (9, _reset),
    "cancel": (9, _cancel),
    "terminate": (6, _terminate),
    "workers": (4, _workers),
    "unproven": (4, _unproven),
    "loss": (3, _loss),
    "stale": (4, _stale),
    "home": (5, _home),
    "reprotect": (4, _reprotect),
    "drill": (8, _drill),
    "parked": (6, _parked),
    "time": (3, _time),
    "junk": (3, _junk),
    "storm": (3, _storm),
}
"""Each kind with its share."""
