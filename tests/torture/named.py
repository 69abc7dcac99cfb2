"""Scenarios with a name: what the battery asks for, and each bug that was found, so that it never comes back.

A row has a name, a story of one line, the cases of the battery that it shows, and the scenario itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.torture.scenario import (
    ANY,
    BEFORE_THE_ANSWER,
    FORWARD,
    RECOVERED,
    REFUSED,
    STOPPED,
    UNDONE,
    Act,
    Leg,
    Scenario,
    Trouble,
)

PLANNED = {"planned": True}
_MOVING = ("start_instances", "fence", "promote", "flip_dns")


@dataclass(frozen=True)
class Row:
    """One named scenario."""

    name: str
    story: str
    cases: tuple[int, ...]
    made: Scenario
    found: str = ""
    """Of a bug: what was wrong."""
    slow: bool = False
    """Minutes: played when it is asked for by name."""

    @property
    def where(self) -> str:
        """How it is played."""
        return f"python -m tests.torture --only {self.name}"


def _row(
    name: str,
    story: str,
    cases: Sequence[int],
    *legs: Leg,
    world: tuple[str, ...] = (),
    found: str = "",
    slow: bool = False,
    **fields: object,
) -> Row:
    made = Scenario(seed=0, name=name, kind="named", story=story, legs=legs, world=world, **fields)
    return Row(name, story, tuple(cases), made, found, slow)


def _failover(ends: tuple[str, ...] = RECOVERED, **fields: object) -> Leg:
    return Leg(workflow="Failover", ends=ends, **fields)


def _planned(ends: tuple[str, ...] = RECOVERED, **fields: object) -> Leg:
    return Leg(workflow="Failover", fields=PLANNED, ends=ends, **fields)


def _drill(ends: tuple[str, ...] = RECOVERED, **fields: object) -> Leg:
    return Leg(workflow="Drill", ends=ends, **fields)


def _each(how: str, verbs: Sequence[str] = _MOVING, times: int = 1, then: str = "") -> tuple[Trouble, ...]:
    return tuple(Trouble(at=verb, how=how, times=times, then=then) for verb in verbs)


LOST = ("dead primary",)

_DATA = (
    _row(
        "partition-that-heals",
        "The surviving site and control lose the primary for a while: refused meanwhile, and a planned move once all "
        "see it again.",
        (1,),
        _failover(REFUSED, codes=("OBSERVERS_DISAGREE",), refusal=True),
        _planned(before=("healed",)),
        world=("unseen by both",),
    ),
    _row(
        "only-the-orchestrator-is-cut-off",
        "Control cannot reach a primary that everybody else sees: refused.",
        (2,),
        _failover(REFUSED, codes=("OBSERVERS_DISAGREE",), refusal=True),
        world=("unseen by control",),
    ),
    _row(
        "a-silent-primary-feeds-its-standby",
        "Nobody reaches the primary, and its standby is still being fed: it lives, refused.",
        (2,),
        _failover(REFUSED, codes=("OBSERVERS_DISAGREE",), refusal=True),
        world=("unseen by all",),
    ),
    _row(
        "fence-without-an-answer",
        "The fence device never confirms: parked as FENCE_UNPROVEN, no promote, and an abort undoes.",
        (3,),
        _failover(STOPPED, troubles=_each("busy", ("fence",), -1), parked="abort"),
        world=LOST,
    ),
    _row(
        "risk-accepted-by-name",
        "The fence device never confirms: only its own code and an approver's name let a person take the risk.",
        (3,),
        _failover(troubles=_each("busy", ("fence",), -1), parked="risk"),
        world=LOST,
    ),
    _row(
        "stale-attempt-of-an-older-run",
        "A worker freezes before its fence, its run is ended, a newer run recovers, and the old attempt wakes up.",
        (4, 20, 22),
        _planned(("TERMINATED",), troubles=_each("freeze", ("fence",)), acts=(Act(deed="terminate", at="frozen"),)),
        _planned(),
    ),
    _row(
        "loss-beyond-the-rpo",
        "The standby is 90 s behind: the loss is accepted by its figure, besides the approval.",
        (5,),
        _failover(wrong=("figure", "code")),
        world=(*LOST, "behind"),
    ),
    _row(
        "frozen-standby",
        "A standby that says it is well and applies nothing: a switchover is refused.",
        (6,),
        Leg(workflow="Switchover", ends=STOPPED, codes=("REPLICA_FROZEN",), refusal=True),
        world=("standby frozen",),
    ),
    _row(
        "unfit-standby",
        "A comparison of the sites finds fsync off: a switchover is refused.",
        (8,),
        Leg(workflow="Switchover", ends=STOPPED, codes=("TARGET_UNFIT",), refusal=True),
        world=("standby misfit",),
    ),
    _row(
        "diverged-and-home-again",
        "Two rows that only the lost site had are archived before it is overwritten, and the application goes home.",
        (9, 10),
        _failover(acts=(Act(deed="write", at="end"),)),
        Leg(workflow="Reprotect", ends=RECOVERED, acts=(Act(deed="write", at="end"),)),
        Leg(workflow="Failback", ends=RECOVERED),
        world=(*LOST, "diverged"),
    ),
    _row(
        "two-writers-are-not-rebuilt",
        "The lost site came back writing: a reprotect is refused, nothing is overwritten.",
        (9, 11),
        _failover(),
        Leg(workflow="Reprotect", ends=STOPPED, codes=("ROLE_MISMATCH",), refusal=True, before=("both write",)),
        world=(*LOST, "diverged"),
    ),
    _row(
        "failback-without-a-replica",
        "After a failover nothing follows: a failback is refused until a reprotect.",
        (9,),
        _failover(),
        Leg(workflow="Failback", ends=REFUSED, codes=("NOT_PROTECTED",), refusal=True),
        world=LOST,
    ),
)

_EFFECTS = (
    _row("planned-move", "A planned failover that nothing disturbs.", (), _planned()),
    _row("lost-site", "An unplanned failover that nothing disturbs.", (), _failover(), world=LOST),
    _row(
        "dead-before-each-call",
        "The worker dies before each call.",
        (13,),
        _planned(troubles=_each("die")),
    ),
    _row(
        "dead-after-each-effect",
        "The worker dies after each effect, before its reply.",
        (13, 29),
        _planned(troubles=_each("die-after")),
        changes={"tier": "warm"},
    ),
    _row(
        "dead-after-each-record",
        "The workflow worker forgets everything after each record, and each first reply is lost.",
        (13,),
        _planned(troubles=_each("lose-reply")),
        forgetful=True,
    ),
    _row(
        "lost-replies",
        "The effect is had and its reply is lost, three times at each verb.",
        (14, 15),
        _planned(troubles=_each("lose-reply", times=3)),
    ),
    _row(
        "effects-that-land-late",
        "Each request is taken and never answered; its effect lands when the retry has long acted.",
        (14, 18),
        _planned(troubles=_each("late", ("fence", "start_instances", "flip_dns"))),
    ),
    _row(
        "throttled",
        "Each call is told to slow down, three times.",
        (16,),
        _planned(troubles=_each("busy", times=3)),
    ),
    _row(
        "old-epoch-stands",
        "The world holds an epoch that the entity has forgotten: the run rises above it.",
        (12, 20),
        _failover(),
        world=(*LOST, "old epoch stands"),
    ),
    _row(
        "frozen-promote",
        "A worker freezes before its promote, another one does it, the frozen one wakes up.",
        (4, 22),
        _planned(troubles=_each("freeze", ("promote",))),
    ),
    _row(
        "frozen-everywhere",
        "A worker freezes before its start, fence and flip, and wakes up when all is done.",
        (4, 22),
        _planned(troubles=_each("freeze", ("start_instances", "fence", "flip_dns"))),
    ),
    _row(
        "secret-in-an-error",
        "A driver's error holds a password: no history and no report does.",
        (52,),
        _planned(troubles=_each("leak", times=2)),
    ),
)

_SAGA = (
    _row(
        "cancel-in-flight",
        "Cancelled with the fence in flight: settled, then undone.",
        (23, 24),
        _planned(UNDONE, acts=(Act(deed="cancel", at="fence"),)),
    ),
    _row(
        "cancel-while-unknown",
        "Cancelled while nobody knows whether the fence stands: asked again until it is known, then undone.",
        (23, 27),
        _planned(UNDONE, troubles=_each("unknown-after", ("fence",)), acts=(Act(deed="cancel", at="parked"),)),
    ),
    _row(
        "cancel-in-flight-and-no-answer",
        "Cancelled with the fence in flight, and the call never answers: asked again, and only then undone.",
        (23, 24),
        _planned(UNDONE, troubles=_each("unknown-after", ("fence",)), acts=(Act(deed="cancel", at="fence"),)),
    ),
    _row(
        "cancel-behind-the-pivot",
        "Cancelled when the promote stands: refused on the record, the run goes forward.",
        (24, 30),
        _planned(FORWARD, acts=(Act(deed="cancel", at="flip_dns"),)),
    ),
    _row(
        "second-cancel-and-a-death-in-the-undo",
        "A second cancel and a dying worker while it is being undone.",
        (25,),
        _planned(
            UNDONE,
            troubles=_each("die-after", ("unfence",)),
            acts=(Act(deed="cancel-twice", at="sync_delta"),),
        ),
    ),
    _row(
        "promote-refused",
        "The promote is refused for good: everything is undone.",
        (28,),
        _planned(UNDONE, troubles=_each("refuse", ("promote",), -1), mend=False),
    ),
    _row(
        "warm-promote-refused",
        "As above, where the application was stopped at the source: the old site serves before it runs again.",
        (28,),
        _planned(UNDONE, troubles=_each("refuse", ("promote",), -1), mend=False),
        changes={"tier": "warm"},
    ),
    _row(
        "undo-that-fails",
        "One undo is refused at first: the others are attempted, it parks, and a retry ends it.",
        (26,),
        _planned(
            UNDONE,
            troubles=(*_each("refuse", ("promote",), -1), *_each("refuse", ("unfence",), 1)),
            mend=False,
        ),
    ),
    _row(
        "undo-of-nothing",
        "The fence never happened, and that is known only after it was asked again: its undo is none.",
        (27,),
        _planned(STOPPED, troubles=_each("unknown", ("fence",), 1, "refuse"), mend=False, parked="abort"),
    ),
    _row(
        "promote-unanswered",
        "The promote stands and nobody was told: read back, and no second one.",
        (29,),
        _planned(troubles=_each("unknown-after", ("promote",))),
    ),
    _row(
        "routing-fails-for-good",
        "Users cannot be sent over after the promote: parked, given up by a person, degraded; nothing goes back.",
        (30,),
        _failover(FORWARD, troubles=_each("refuse", ("flip_dns",), -1), parked="degrade", mend=False),
        world=LOST,
    ),
    _row(
        "deadline-while-parked",
        "The deadline passes while a step is parked and nobody answers: an inner timer undoes.",
        (31,),
        _planned(
            STOPPED,
            codes=("DEADLINE_PASSED",),
            refusal=True,
            troubles=_each("unknown-after", ("fence",)),
            parked="leave",
        ),
        changes={"deadline": "4s"},
    ),
)

_PLATFORM = (
    _row(
        "reset-before-the-approval",
        "A run that waits behind its promote is reset to its beginning: the old code is refused, no effect twice.",
        (32,),
        _failover(
            ANY,
            troubles=_each("refuse", ("flip_dns",), 1),
            acts=(Act(deed="reset", at="parked", where=BEFORE_THE_ANSWER),),
            wrong=("old-code",),
        ),
        world=LOST,
    ),
    _row(
        "reset-after-the-end",
        "A run that has recovered is reset: it changes nothing any more.",
        (32,),
        _failover(ANY, acts=(Act(deed="reset", at="end", where=BEFORE_THE_ANSWER),)),
        world=LOST,
    ),
    _row(
        "terminated-in-mid-step",
        "Terminated with the promote in flight: its lease stands, a second run is refused, a person frees it.",
        (33,),
        _failover(("TERMINATED",), acts=(Act(deed="terminate", at="promote"),)),
        _failover(ANY),
        world=LOST,
    ),
    _row(
        "three-starts-at-once",
        "Three people start it at once: one run, two refusals.",
        (34,),
        _failover(starts=3),
        world=LOST,
    ),
    _row(
        "same-id-again",
        "The id of an ended run is started again: refused.",
        (35,),
        _failover(),
        _failover(REFUSED, codes=("APPLICATION_BUSY",), refusal=True, repeats=True),
        world=LOST,
    ),
    _row(
        "drill-beside-a-failover",
        "A drill is started while a failover waits for people: refused.",
        (36,),
        _failover(acts=(Act(deed="drill", at="gate"),)),
        world=LOST,
    ),
    _row(
        "flood-of-junk",
        "10,001 signals that nobody asked for: the approval lands all the same.",
        (38, 47),
        _failover(acts=(Act(deed="flood", at="gate"),)),
        world=LOST,
        slow=True,
    ),
    _row(
        "workers-come-and-go",
        "Both workers of a recovery are shut down in mid-step and come back.",
        (40,),
        _failover(
            acts=(
                Act(deed="stop-control", at="fence", when="after"),
                Act(deed="stop-recovery", at="promote"),
            )
        ),
        world=LOST,
    ),
    _row(
        "clocks-ten-minutes-off",
        "One site's clock is ten minutes ahead, the other's ten behind: decisions use Temporal's time.",
        (42,),
        _planned(),
        world=("clocks off",),
    ),
    _row(
        "silence",
        "Nobody answers the gate: silence means no.",
        (46,),
        _failover(STOPPED, codes=("EXPIRED",), refusal=True, people="silent"),
        world=LOST,
        changes={"approvals": {"failover": {"approvers": ["anna", "ben"], "expires": "1s"}}},
    ),
    _row(
        "wrong-approvals",
        "Wrong codes, strangers, the requester, the same person twice: refused; two approvers: approved.",
        (43, 44, 46),
        _failover(wrong=("code", "stranger", "requester", "twice")),
        world=LOST,
        required=2,
    ),
    _row("drill", "An isolated drill that nothing disturbs.", (55,), _drill(), hot=True),
    _row(
        "drill-that-dies",
        "The worker of a drill dies at each verb: nothing is left.",
        (55,),
        _drill(troubles=_each("die-after", ("open_bubble", "clone_data", "promote", "start_instances"))),
        hot=True,
    ),
)

_FOUND = (
    _row(
        "live-drill-clock",
        "A live drill's report tells its pivot and its check in the order in which they were.",
        (),
        Leg(workflow="Drill", fields={"live": True}, ends=RECOVERED),
        hot=True,
        found="The end of the first leg was reported as the pivot, behind the check that had passed in it.",
    ),
)

ROWS: tuple[Row, ...] = (*_DATA, *_EFFECTS, *_SAGA, *_PLATFORM, *_FOUND)


def named(name: str) -> Scenario:
    """The scenario of that name.

    Raises:
        SystemExit: naming all that there are.
    """
    for row in ROWS:
        if row.name == name:
            return row.made
    raise SystemExit(f"There is no kind and no scenario {name!r}. Named: {', '.join(row.name for row in ROWS)}.")
