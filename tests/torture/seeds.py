"""From a seed to a scenario. Every choice is drawn before it is played, from one generator; nothing is drawn later."""

import random
from collections.abc import Callable

from tests.torture import kinds_around, kinds_way
from tests.torture.drawing import Draw
from tests.torture.scenario import Scenario


def scenario(seed: int) -> Scenario:
    """What this seed tries."""
    draw = random.Random(f"seawall {seed}")
    kinds = [kind for kind, (weight, _) in KINDS.items() for _ in range(weight)]
    kind = draw.choice(kinds)
    made = KINDS[kind][1](draw)
    forgetful, proofs, told = draw.random() < 0.25, draw.random() < 0.3, draw.random() < 0.3
    named = {"seed": seed, "name": f"{kind}-{seed}", "kind": kind}
    return made.model_copy(update={**named, "forgetful": forgetful, "proofs": proofs, "told": told})


KINDS: dict[str, tuple[int, Callable[[Draw], Scenario]]] = {
    "crashes": (14, kinds_way.crashes),
    "undone": (9, kinds_way.undone),
    "evidence": (9, kinds_way.evidence),
    "race": (6, kinds_around.race),
    "repeated": (3, kinds_around.repeated),
    "answers": (7, kinds_around.answers),
    "reset": (9, kinds_around.reset),
    "cancel": (9, kinds_around.cancel),
    "terminate": (6, kinds_around.terminate),
    "workers": (4, kinds_around.workers),
    "unproven": (4, kinds_way.unproven),
    "loss": (3, kinds_way.loss),
    "stale": (4, kinds_way.stale),
    "home": (5, kinds_way.home),
    "reprotect": (4, kinds_way.reprotect),
    "drill": (8, kinds_way.drill),
    "parked": (6, kinds_way.parked),
    "time": (3, kinds_around.time),
    "junk": (3, kinds_around.junk),
    "storm": (3, kinds_around.storm),
}
"""Each kind with its share."""
