"""Scenarios with a name: what the battery asks for, and each bug that was found, so that it never comes back.

A row has a name, a story of one line, the cases of the battery that it shows, and the scenario itself.
"""

from tests.torture.named_run import FOUND, PLATFORM, SAGA
from tests.torture.named_world import DATA, EFFECTS
from tests.torture.rows import Row
from tests.torture.scenario import Scenario

ROWS: tuple[Row, ...] = (*DATA, *EFFECTS, *SAGA, *PLATFORM, *FOUND)


def named(name: str) -> Scenario:
    """The scenario of that name.

    Raises:
        SystemExit: naming all that there are.
    """
    for row in ROWS:
        if row.name == name:
            return row.made
    raise SystemExit(f"There is no kind and no scenario {name!r}. Named: {', '.join(row.name for row in ROWS)}.")
