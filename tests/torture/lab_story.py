"""What happens to the lab under one seed: moves of the application, and real faults at seeded moments of them. Pure.

A seed fixes the story: which moves, which faults, at which step and after which delay. Real processes do not repeat
their timing, so the same seed strikes in the same step, and not at the same microsecond.
"""

import random

from workflows.model.base import Message

SOURCE, TARGET, CONTROL = "source", "target", "control"

MOVES: dict[tuple[str, ...], int] = {
    ("failover", "reprotect"): 4,
    ("planned", "reprotect"): 2,
    ("switchover",): 2,
    ("switchover", "switchover"): 1,
    ("drill",): 2,
}
"""Each kind of turn, and how often it comes. `failover` begins with the death of the serving site."""

FAULTS: dict[str, tuple[tuple[str, ...], float, int]] = {
    "kill-worker": ((SOURCE, TARGET, TARGET, CONTROL), 0.0, 4),
    "freeze-worker": ((SOURCE, TARGET, TARGET, CONTROL), 6.0, 3),
    "kill-temporal": (("",), 0.0, 3),
    "freeze-temporal": (("",), 4.0, 1),
    "kill-dns": (("",), 0.0, 1),
    "cut": ((SOURCE, TARGET), 4.0, 2),
    "cut-replication": ((SOURCE,), 4.0, 2),
    "isolate-orchestrator": ((SOURCE, TARGET), 4.0, 1),
    "kill-postgres": ((SOURCE, TARGET), 2.0, 2),
    "pause": ((SOURCE, TARGET), 5.0, 1),
    "disk-full": ((TARGET, SOURCE), 3.0, 1),
    "cancel": (("",), 0.0, 1),
    "terminate": (("",), 0.0, 1),
}
"""Where each fault may strike, for how many seconds at most until it is mended, and how often it comes."""

_STEPS = 10
"""A move has about so many steps; a fault that is due after more of them strikes at the gate or not at all."""


class Strike(Message):
    """One fault."""

    move: int
    after: int
    """Strikes when so many steps of the move are done."""
    delay: float
    what: str
    where: str
    seconds: float
    """Until it is mended; 0 for what mends itself."""

    def words(self) -> str:
        """For people."""
        where = f" of the {self.where}" if self.where else ""
        lasts = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.what}{where}{lasts} after step {self.after} of move {self.move + 1}"


class Story(Message):
    """One turn."""

    seed: int
    moves: tuple[str, ...]
    strikes: tuple[Strike, ...]


def story(seed: int) -> Story:
    """The story of a seed."""
    dice = random.Random(f"lab {seed}")
    (moves,) = dice.choices(list(MOVES), list(MOVES.values()))
    strikes = [_strike(dice, len(moves)) for _ in range(dice.randint(1, 3))]
    # A run that is terminated leaves its lease to a person: what would come after it tells nothing more.
    ended = [strike.move for strike in strikes if strike.what == "terminate"]
    kept = moves[: min(ended) + 1] if ended else moves
    return Story(seed=seed, moves=kept, strikes=tuple(strike for strike in strikes if strike.move < len(kept)))


def _strike(dice: random.Random, moves: int) -> Strike:
    (what,) = dice.choices(list(FAULTS), [weight for _, _, weight in FAULTS.values()])
    places, longest, _ = FAULTS[what]
    return Strike(
        move=dice.randrange(moves),
        after=dice.randrange(_STEPS),
        delay=round(dice.uniform(0.0, 0.15), 3),
        what=what,
        where=dice.choice(places),
        seconds=round(dice.uniform(0.3, longest), 1) if longest else 0.0,
    )
