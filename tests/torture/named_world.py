"""Named scenarios of data, fences and effects."""

from tests.torture.rows import LOST, each, failover, planned, row
from tests.torture.scenario import (
    RECOVERED,
    REFUSED,
    STOPPED,
    Act,
    Leg,
)

DATA = (
    row(
        "partition-that-heals",
        "The surviving site and control lose the primary for a while: refused meanwhile, and a planned move once all "
        "see it again.",
        (1,),
        failover(REFUSED, codes=("OBSERVERS_DISAGREE",), refusal=True),
        planned(before=("healed",)),
        world=("unseen by both",),
    ),
    row(
        "only-the-orchestrator-is-cut-off",
        "Control cannot reach a primary that everybody else sees: refused.",
        (2,),
        failover(REFUSED, codes=("OBSERVERS_DISAGREE",), refusal=True),
        world=("unseen by control",),
    ),
    row(
        "a-silent-primary-feeds-its-standby",
        "Nobody reaches the primary, and its standby is still being fed: it lives, refused.",
        (2,),
        failover(REFUSED, codes=("OBSERVERS_DISAGREE",), refusal=True),
        world=("unseen by all",),
    ),
    row(
        "fence-without-an-answer",
        "The fence device never confirms: parked as FENCE_UNPROVEN, no promote, and an abort undoes.",
        (3,),
        failover(STOPPED, troubles=each("busy", ("fence",), -1), parked="abort"),
        world=LOST,
    ),
    row(
        "risk-accepted-by-name",
        "The fence device never confirms: only its own code and an approver's name let a person take the risk.",
        (3,),
        failover(troubles=each("busy", ("fence",), -1), parked="risk"),
        world=LOST,
    ),
    row(
        "stale-attempt-of-an-older-run",
        "A worker freezes before its fence, its run is ended, a newer run recovers, and the old attempt wakes up.",
        (4, 20, 22),
        planned(("TERMINATED",), troubles=each("freeze", ("fence",)), acts=(Act(deed="terminate", at="frozen"),)),
        planned(),
    ),
    row(
        "loss-beyond-the-rpo",
        "The standby is 90 s behind: the loss is accepted by its figure, besides the approval.",
        (5,),
        failover(wrong=("figure", "code")),
        world=(*LOST, "behind"),
    ),
    row(
        "frozen-standby",
        "A standby that says it is well and applies nothing: a switchover is refused.",
        (6,),
        Leg(workflow="Switchover", ends=STOPPED, codes=("REPLICA_FROZEN",), refusal=True),
        world=("standby frozen",),
    ),
    row(
        "unfit-standby",
        "A comparison of the sites finds fsync off: a switchover is refused.",
        (8,),
        Leg(workflow="Switchover", ends=STOPPED, codes=("TARGET_UNFIT",), refusal=True),
        world=("standby misfit",),
    ),
    row(
        "diverged-and-home-again",
        "Two rows that only the lost site had are archived before it is overwritten, and the application goes home.",
        (9, 10),
        failover(acts=(Act(deed="write", at="end"),)),
        Leg(workflow="Reprotect", ends=RECOVERED, acts=(Act(deed="write", at="end"),)),
        Leg(workflow="Failback", ends=RECOVERED),
        world=(*LOST, "diverged"),
    ),
    row(
        "two-writers-are-not-rebuilt",
        "The lost site came back writing: a reprotect is refused, nothing is overwritten.",
        (9, 11),
        failover(),
        Leg(workflow="Reprotect", ends=STOPPED, codes=("ROLE_MISMATCH",), refusal=True, before=("both write",)),
        world=(*LOST, "diverged"),
    ),
    row(
        "failback-without-a-replica",
        "After a failover nothing follows: a failback is refused until a reprotect.",
        (9,),
        failover(),
        Leg(workflow="Failback", ends=REFUSED, codes=("NOT_PROTECTED",), refusal=True),
        world=LOST,
    ),
)

EFFECTS = (
    row("planned-move", "A planned failover that nothing disturbs.", (), planned()),
    row("lost-site", "An unplanned failover that nothing disturbs.", (), failover(), world=LOST),
    row(
        "dead-before-each-call",
        "The worker dies before each call.",
        (13,),
        planned(troubles=each("die")),
    ),
    row(
        "dead-after-each-effect",
        "The worker dies after each effect, before its reply.",
        (13, 29),
        planned(troubles=each("die-after")),
        changes={"tier": "warm"},
    ),
    row(
        "dead-after-each-record",
        "The workflow worker forgets everything after each record, and each first reply is lost.",
        (13,),
        planned(troubles=each("lose-reply")),
        forgetful=True,
    ),
    row(
        "lost-replies",
        "The effect is had and its reply is lost, three times at each verb.",
        (14, 15),
        planned(troubles=each("lose-reply", times=3)),
    ),
    row(
        "effects-that-land-late",
        "Each request is taken and never answered; its effect lands when the retry has long acted.",
        (14, 18),
        planned(troubles=each("late", ("fence", "start_instances", "flip_dns"))),
    ),
    row(
        "throttled",
        "Each call is told to slow down, three times.",
        (16,),
        planned(troubles=each("busy", times=3)),
    ),
    row(
        "old-epoch-stands",
        "The world holds an epoch that the entity has forgotten: the run rises above it.",
        (12, 20),
        failover(),
        world=(*LOST, "old epoch stands"),
    ),
    row(
        "frozen-promote",
        "A worker freezes before its promote, another one does it, the frozen one wakes up.",
        (4, 22),
        planned(troubles=each("freeze", ("promote",))),
    ),
    row(
        "frozen-everywhere",
        "A worker freezes before its start, fence and flip, and wakes up when all is done.",
        (4, 22),
        planned(troubles=each("freeze", ("start_instances", "fence", "flip_dns"))),
    ),
    row(
        "secret-in-an-error",
        "A driver's error holds a password: no history and no report does.",
        (52,),
        planned(troubles=each("leak", times=2)),
    ),
)
