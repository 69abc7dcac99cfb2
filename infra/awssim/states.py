"""States that take time, by moto's own state manager.

Moto sets most states at once. Here the attribute that holds a state shows the passing state (`pending`, `creating`)
until the time that the state manager has for that model is over. The delay is read when the state is, so that setting
it to 0 settles everything at once; what has settled once stays so. The default is 0.
"""

import time
from collections.abc import Mapping
from typing import Any

from moto.cloudformation.models import Stack
from moto.ec2.models.amis import Ami
from moto.ec2.models.elastic_block_store import Snapshot
from moto.ec2.models.instances import Instance, InstanceState
from moto.eks.models import Nodegroup
from moto.moto_api import state_manager
from moto.rds.models import DBCluster, DBClusterSnapshot, DBInstance, DBSnapshot

Passing = Mapping[tuple[str | None, str], str]

DB_STATES: Passing = {
    (None, "available"): "creating",
    ("stopped", "available"): "starting",
    ("available", "stopped"): "stopping",
    ("replica", "available"): "modifying",
}
INSTANCE_STATES: Passing = {
    (None, "running"): "pending",
    ("stopped", "running"): "pending",
    ("running", "stopped"): "stopping",
    ("running", "terminated"): "shutting-down",
    ("stopped", "terminated"): "shutting-down",
}
INSTANCE_CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
SETTLED = (None, 0.0)
MODELS = (
    "cloudformation.stack",
    "drs.job",
    "drs.sync",
    "ec2.checks",
    "ec2.image",
    "ec2.instance",
    "ec2.snapshot",
    "efs.replication",
    "eks.nodegroup",
    "globalaccelerator.accelerator",
    "rds.cluster",
    "rds.cluster-snapshot",
    "rds.global-cluster",
    "rds.instance",
    "rds.snapshot",
    "route53.change",
    "ssm.run",
)


def delay(model: str) -> float:
    """How long the model's states take, in seconds."""
    transition = state_manager.get_transition(model)
    return float(transition["seconds"]) if transition["progression"] == "time" else 0.0


def set_delays(delays: Mapping[str, float]) -> None:
    """Set some of them.

    Raises:
        ValueError: a model has no states that take time, or a delay is negative.
    """
    for model, seconds in delays.items():
        if model not in MODELS:
            raise ValueError(f"No such model: {model}. There are: {', '.join(MODELS)}.")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
            raise ValueError(f"The delay of {model} must be a number of seconds.")
    for model, seconds in delays.items():
        if seconds:
            state_manager.set_transition(model, {"progression": "time", "seconds": seconds})
        else:
            state_manager.unset_transition(model)


def delays() -> dict[str, float]:
    """All of them."""
    return {model: delay(model) for model in MODELS}


class Timed:
    """An attribute that shows the passing state for a while after each change.

    Everything is kept in the object's own `__dict__`, since moto copies its objects to remember former states.
    """

    def __init__(self, model: str, name: str, passing: Passing) -> None:
        self._model, self._name, self._passing = model, name, passing
        self._mark = f"{name}/passing"

    def __get__(self, thing: Any, owner: type | None = None) -> Any:
        if thing is None:
            return self
        settled = self._settled(thing)
        word, since = vars(thing).get(self._mark, SETTLED)
        if word and time.monotonic() - since < delay(self._model):
            return word
        if word:
            # Kept, so that a longer delay that is set later does not send it back.
            vars(thing)[self._mark] = SETTLED
        return settled

    def __set__(self, thing: Any, value: str) -> None:
        before = self._settled(thing)
        if value != before:
            self.begin(thing, before, value)
        self._keep(thing, value)

    def begin(self, thing: Any, before: str | None, value: str) -> None:
        """The way from one state to the other starts now."""
        word = self._passing.get((before, value)) if delay(self._model) else None
        vars(thing)[self._mark] = (word, time.monotonic())

    def _settled(self, thing: Any) -> Any:
        return vars(thing).get(self._name)

    def _keep(self, thing: Any, value: str) -> None:
        vars(thing)[self._name] = value


class TimedCluster(Timed):
    """The same over moto's own property of a cluster, past which its constructor goes."""

    def __init__(self, inner: property) -> None:
        super().__init__("rds.cluster", "status", DB_STATES)
        self._inner = inner

    def __get__(self, thing: Any, owner: type | None = None) -> Any:
        if thing is not None:
            self._begin_once(thing)
        return super().__get__(thing, owner)

    def __set__(self, thing: Any, value: str) -> None:
        if self._begin_once(thing):
            self._keep(thing, value)
        else:
            super().__set__(thing, value)

    def _begin_once(self, thing: Any) -> bool:
        new = self._mark not in vars(thing)
        if new:
            self.begin(thing, None, "available")
        return new

    def _settled(self, thing: Any) -> Any:
        return self._inner.__get__(thing)

    def _keep(self, thing: Any, value: str) -> None:
        self._inner.__set__(thing, value)


class Checks:
    """A status check of an instance: `initializing` for a while, counted from the first look that finds it running."""

    def __init__(self, inner: property) -> None:
        self._inner = inner

    def __get__(self, thing: Any, owner: type | None = None) -> Any:
        if thing is None:
            return self
        found = self._inner.__get__(thing)
        if found["Status"] != "ok":
            vars(thing).pop("checks/since", None)
            return found
        since = vars(thing).setdefault("checks/since", time.monotonic())
        return {"Status": "initializing"} if time.monotonic() - since < delay("ec2.checks") else found


class Code:
    """The number of an instance's state: always that of its name."""

    def __get__(self, thing: Any, owner: type | None = None) -> Any:
        return self if thing is None else INSTANCE_CODES.get(thing.name, 0)

    def __set__(self, thing: Any, value: int) -> None:
        """Moto sets both; the name decides."""


GLOBAL_CLUSTER = "rds.global-cluster"
"""How long the writer of an Aurora global database takes to move: kept by `patches.aurora`."""
EFS_REPLICATION = "efs.replication"
"""How long a replication of EFS begins and ends, and how far its copy is behind: kept by `patches.efs`."""
DB_INSTANCE = Timed("rds.instance", "status", DB_STATES)
NODEGROUP = Timed("eks.nodegroup", "status", {(None, "ACTIVE"): "CREATING", ("ACTIVE", "ACTIVE"): "UPDATING"})
STACK = Timed(
    "cloudformation.stack",
    "status",
    {("CREATE", "CREATE"): "CREATE_IN_PROGRESS", ("UPDATE", "UPDATE"): "UPDATE_IN_PROGRESS"},
)


def apply() -> None:
    """Give moto's models states that take time. Once, before the first request."""
    InstanceState.name = Timed("ec2.instance", "name", INSTANCE_STATES)
    InstanceState.code = Code()
    Instance.instance_status = Checks(Instance.instance_status)
    Instance.system_status = Checks(Instance.system_status)
    Snapshot.status = Timed("ec2.snapshot", "status", {(None, "completed"): "pending"})
    Ami.state = Timed("ec2.image", "state", {(None, "available"): "pending"})
    Nodegroup.status = NODEGROUP
    Stack.status = STACK
    DBInstance.status = DB_INSTANCE
    DBSnapshot.status = Timed("rds.snapshot", "status", {(None, "available"): "creating"})
    DBClusterSnapshot.status = Timed("rds.cluster-snapshot", "status", {(None, "available"): "creating"})
    DBCluster.status = TimedCluster(DBCluster.status)
