"""The shapes of the world in which a scenario begins, or into which it comes between two runs."""

from collections.abc import Callable

from tests.support.sim import World
from workflows.model.observed import Finding

Shape = Callable[[World], None]


def _diverge(world: World) -> None:
    world.rows[("db", "primary")] += ["lost-1", "lost-2"]


def _both_write(world: World) -> None:
    world.powered_off.clear()
    world.dead.clear()
    world.serving.add(("db", "primary"))


def _standby_gone(world: World) -> None:
    world.standby.clear()


def _promoted_elsewhere(world: World) -> None:
    world.serving = {("db", "recovery")}
    world.standby.clear()
    world.crowned = {"db": "recovery"}


def _misfit(world: World) -> None:
    world.findings = (Finding(code="FSYNC_OFF", sentence="fsync is off.", next_step="On.", blocking=True),)


SHAPES: dict[str, Shape] = {
    "dead primary": lambda world: world.kill("primary"),
    "unseen by control": lambda world: world.unseen.add(("control", "primary")),
    "unseen by recovery": lambda world: world.unseen.add(("recovery", "primary")),
    "unseen by both": lambda world: world.unseen.update({("control", "primary"), ("recovery", "primary")}),
    "unseen by all": lambda world: world.unseen.update(
        {(observer, "primary") for observer in ("control", "primary", "recovery")}
    ),
    "healed": lambda world: world.unseen.clear(),
    "behind": lambda world: setattr(world, "behind", 90.0),
    "old epoch stands": lambda world: world.epochs.update(db=41, front=41, app=41),
    "diverged": _diverge,
    "both write": _both_write,
    "standby gone": _standby_gone,
    "standby frozen": lambda world: world.frozen.add(("db", "recovery")),
    "promoted elsewhere": _promoted_elsewhere,
    "standby misfit": _misfit,
    "clocks off": lambda world: world.skew.update(primary=600.0, recovery=-600.0),
    "slow marker": lambda world: setattr(world, "lag", 99.0),
}
