"""Named scenarios of undoing, of the platform and its people, and of bugs that were found."""

from tests.torture.rows import LOST, drill, each, failover, planned, row
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
)

SAGA = (
    row(
        "cancel-in-flight",
        "Cancelled with the fence in flight: settled, then undone.",
        (23, 24),
        planned(UNDONE, acts=(Act(deed="cancel", at="fence"),)),
    ),
    row(
        "cancel-while-unknown",
        "Cancelled while nobody knows whether the fence stands: asked again until it is known, then undone.",
        (23, 27),
        planned(UNDONE, troubles=each("unknown-after", ("fence",)), acts=(Act(deed="cancel", at="parked"),)),
    ),
    row(
        "cancel-in-flight-and-no-answer",
        "Cancelled with the fence in flight, and the call never answers: asked again, and only then undone.",
        (23, 24),
        planned(UNDONE, troubles=each("unknown-after", ("fence",)), acts=(Act(deed="cancel", at="fence"),)),
    ),
    row(
        "cancel-behind-the-pivot",
        "Cancelled when the promote stands: refused on the record, the run goes forward.",
        (24, 30),
        planned(FORWARD, acts=(Act(deed="cancel", at="flip_dns"),)),
    ),
    row(
        "second-cancel-and-a-death-in-the-undo",
        "A second cancel and a dying worker while it is being undone.",
        (25,),
        planned(
            UNDONE,
            troubles=each("die-after", ("unfence",)),
            acts=(Act(deed="cancel-twice", at="sync_delta"),),
        ),
    ),
    row(
        "promote-refused",
        "The promote is refused for good: everything is undone.",
        (28,),
        planned(UNDONE, troubles=each("refuse", ("promote",), -1), mend=False),
    ),
    row(
        "warm-promote-refused",
        "As above, where the application was stopped at the source: the old site serves before it runs again.",
        (28,),
        planned(UNDONE, troubles=each("refuse", ("promote",), -1), mend=False),
        changes={"tier": "warm"},
    ),
    row(
        "undo-that-fails",
        "One undo is refused at first: the others are attempted, it parks, and a retry ends it.",
        (26,),
        planned(
            UNDONE,
            troubles=(*each("refuse", ("promote",), -1), *each("refuse", ("unfence",), 1)),
            mend=False,
        ),
    ),
    row(
        "undo-of-nothing",
        "The fence never happened, and that is known only after it was asked again: its undo is none.",
        (27,),
        planned(STOPPED, troubles=each("unknown", ("fence",), 1, "refuse"), mend=False, parked="abort"),
    ),
    row(
        "promote-unanswered",
        "The promote stands and nobody was told: read back, and no second one.",
        (29,),
        planned(troubles=each("unknown-after", ("promote",))),
    ),
    row(
        "routing-fails-for-good",
        "Users cannot be sent over after the promote: parked, given up by a person, degraded; nothing goes back.",
        (30,),
        failover(FORWARD, troubles=each("refuse", ("flip_dns",), -1), parked="degrade", mend=False),
        world=LOST,
    ),
    row(
        "deadline-while-parked",
        "The deadline passes while a step is parked and nobody answers: an inner timer undoes.",
        (31,),
        planned(
            STOPPED,
            codes=("DEADLINE_PASSED",),
            refusal=True,
            troubles=each("unknown-after", ("fence",)),
            parked="leave",
        ),
        changes={"deadline": "4s"},
    ),
)

PLATFORM = (
    row(
        "reset-before-the-approval",
        "A run that waits behind its promote is reset to its beginning: the old code is refused, no effect twice.",
        (32,),
        failover(
            ANY,
            troubles=each("refuse", ("flip_dns",), 1),
            acts=(Act(deed="reset", at="parked", where=BEFORE_THE_ANSWER),),
            wrong=("old-code",),
        ),
        world=LOST,
    ),
    row(
        "reset-after-the-end",
        "A run that has recovered is reset: it changes nothing any more.",
        (32,),
        failover(ANY, acts=(Act(deed="reset", at="end", where=BEFORE_THE_ANSWER),)),
        world=LOST,
    ),
    row(
        "terminated-in-mid-step",
        "Terminated with the promote in flight: its lease stands, a second run is refused, a person frees it.",
        (33,),
        failover(("TERMINATED",), acts=(Act(deed="terminate", at="promote"),)),
        failover(ANY),
        world=LOST,
    ),
    row(
        "three-starts-at-once",
        "Three people start it at once: one run, two refusals.",
        (34,),
        failover(starts=3),
        world=LOST,
    ),
    row(
        "same-id-again",
        "The id of an ended run is started again: refused.",
        (35,),
        failover(),
        failover(REFUSED, codes=("APPLICATION_BUSY",), refusal=True, repeats=True),
        world=LOST,
    ),
    row(
        "drill-beside-a-failover",
        "A drill is started while a failover waits for people: refused.",
        (36,),
        failover(acts=(Act(deed="drill", at="gate"),)),
        world=LOST,
    ),
    row(
        "flood-of-junk",
        "10,001 signals that nobody asked for: the approval lands all the same.",
        (38, 47),
        failover(acts=(Act(deed="flood", at="gate"),)),
        world=LOST,
        slow=True,
    ),
    row(
        "workers-come-and-go",
        "Both workers of a recovery are shut down in mid-step and come back.",
        (40,),
        failover(
            acts=(
                Act(deed="stop-control", at="fence", when="after"),
                Act(deed="stop-recovery", at="promote"),
            )
        ),
        world=LOST,
    ),
    row(
        "clocks-ten-minutes-off",
        "One site's clock is ten minutes ahead, the other's ten behind: decisions use Temporal's time.",
        (42,),
        planned(),
        world=("clocks off",),
    ),
    row(
        "silence",
        "Nobody answers the gate: silence means no.",
        (46,),
        failover(STOPPED, codes=("EXPIRED",), refusal=True, people="silent"),
        world=LOST,
        changes={"approvals": {"failover": {"approvers": ["anna", "ben"], "expires": "1s"}}},
    ),
    row(
        "wrong-approvals",
        "Wrong codes, strangers, the requester, the same person twice: refused; two approvers: approved.",
        (43, 44, 46),
        failover(wrong=("code", "stranger", "requester", "twice")),
        world=LOST,
        required=2,
    ),
    row(
        "wrong-proofs",
        "A name alone, a guess, somebody else's password: refused; two approvers, each with their own: approved.",
        (43, 44),
        failover(wrong=("twice",)),
        world=LOST,
        required=2,
        proofs=True,
    ),
    row(
        "used-proof",
        "The password by which a run was rejected approves no other one.",
        (43,),
        failover(STOPPED, people="reject"),
        failover(),
        world=LOST,
        proofs=True,
    ),
    row(
        "dead-channels",
        "Nobody can be told of anything: the recovery parks, is answered and ends as ever, and says who was not told.",
        (48, 63),
        failover(troubles=each("refuse", ("flip_dns",), 1)),
        world=LOST,
        told=True,
    ),
    row(
        "reset-with-a-proof",
        "A run that was approved with a password is reset to before that: neither its code nor the password counts.",
        (32, 43),
        failover(
            ANY,
            troubles=each("refuse", ("flip_dns",), 1),
            acts=(Act(deed="reset", at="parked", where=BEFORE_THE_ANSWER),),
            wrong=("old-code",),
        ),
        world=LOST,
        proofs=True,
    ),
    row("drill", "An isolated drill that nothing disturbs.", (55,), drill(), hot=True),
    row(
        "drill-that-dies",
        "The worker of a drill dies at each verb: nothing is left.",
        (55,),
        drill(troubles=each("die-after", ("open_bubble", "clone_data", "promote", "start_instances"))),
        hot=True,
    ),
)

FOUND = (
    row(
        "live-drill-clock",
        "A live drill's report tells its pivot and its check in the order in which they were.",
        (),
        Leg(workflow="Drill", fields={"live": True}, ends=RECOVERED),
        hot=True,
        found="The end of the first leg was reported as the pivot, behind the check that had passed in it.",
    ),
)
