"""The simulated kinds, by name, bound to the worlds in which they act."""

from collections.abc import Mapping

from activities.providers.base import Provider

from .sim_data import SimData
from .sim_hosts import SimCloud, SimCompute, SimLauncher, SimPower, SimTraffic
from .sim_world import Effect, Fault, OpenBubble, World

__all__ = ["Effect", "Fault", "OpenBubble", "World", "kinds"]


def kinds(worlds: Mapping[str, World]) -> Mapping[str, type[Provider]]:
    """The simulated kinds, bound to worlds by name."""
    return {
        parent.kind: type(parent.__name__, (parent,), {"worlds": worlds})
        for parent in (SimData, SimCompute, SimCloud, SimLauncher, SimTraffic, SimPower)
    }
