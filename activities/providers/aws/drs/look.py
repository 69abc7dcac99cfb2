"""What stands at a site: what is replicated to it, and what runs there."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused
from workflows.model.base import Strict

from .settings import DrsSettings, DrsSite

FED_SECONDS = 60.0
"""A server that is less behind was being fed a moment ago."""
LAUNCHABLE = frozenset({"CONTINUOUS", "BACKLOG", "CREATING_SNAPSHOT", "RESCAN", "PAUSED", "STALLED"})
"""States of a replication that has data of all disks. The source of a STALLED one does not answer, as in a disaster."""
GONE = frozenset({"terminated", "not_found", "shutting-down"})
_NOT_REVERSED = frozenset({"", "NOT_STARTED", "STOPPED", "DISCONNECTED", "REPLICATION_STATE_NOT_AVAILABLE"})
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


class Server(Strict):
    """A source server: the disks of one machine, as they arrive."""

    id: str
    state: str
    lag: float | None
    """Seconds."""
    protects: str
    """The EC2 instance that its disks are of."""


class Launched(Strict):
    """What was launched of a source server last; DRS keeps one, and ends it when it launches another."""

    id: str
    arn: str
    instance: str
    state: str
    """Of the EC2 instance."""
    job: str
    drill: bool
    reversing: bool
    """Whether it is replicated itself, back to where the server came from."""

    @property
    def there(self) -> bool:
        """Whether it is more than a record of something that is gone."""
        return self.state not in GONE


class Machine(Strict):
    """What is the server at a site: launched there, or at home since ever."""

    id: str
    state: str


class Standing(Strict):
    """A site. Each mapping is by the names of the servers."""

    servers: dict[str, Server]
    launched: dict[str, Launched]
    machines: dict[str, Machine]

    @property
    def lag(self) -> float | None:
        """Seconds by which the slowest is behind; None when one is not measured."""
        found = [one.lag for one in self.servers.values()]
        return None if not found or None in found else max(one for one in found if one is not None)

    @property
    def in_use(self) -> bool:
        """Whether a program may write on one of them now."""
        return any(one.state not in ("stopped", *GONE) for one in self.machines.values())

    def serves(self, names: tuple[str, ...]) -> bool:
        """Whether all of them run."""
        return all(name in self.machines and self.machines[name].state == "running" for name in names)

    def facts(self) -> dict[str, Any]:
        """As JSON values."""
        states = {name: one.state for name, one in self.servers.items()}
        return {
            "machines": {name: one.id for name, one in self.machines.items()},
            "states": {name: one.state for name, one in self.machines.items()},
            "replication": states,
            "receiving": bool(states) and all(one == "CONTINUOUS" for one in states.values()),
            "lag_seconds": self.lag,
        }


async def standing(aws: Aws, settings: DrsSettings, place: DrsSite) -> Standing:
    """Two calls, and at home a third where nothing was launched."""
    rounds = await _rounds(aws, settings, place)
    launched = await _launched(aws, rounds) if rounds else {}
    machines = {
        name: Machine(id=one.instance, state=one.state) for name, one in launched.items() if not one.drill and one.there
    }
    lacking = {instance: name for name, instance in place.instances.items() if name not in machines}
    machines |= await _at_home(aws, lacking)
    return Standing(servers=dict(rounds), launched=launched, machines=machines)


async def _rounds(aws: Aws, settings: DrsSettings, place: DrsSite) -> list[tuple[str, Server]]:
    """The source servers with their names, the youngest last. At home they are those of the way back, which name their
    opposites: each way back has made one of its own, and only the last is fed."""
    wanted = {"sourceServerIDs": sorted(place.servers.values())} if place.servers else {}
    try:
        listed = await aws.pages("drs", "describe_source_servers", "items", filters=wanted)
    except Refused as error:
        if error.reason != "UninitializedAccountException":
            raise
        return []  # Nothing was ever replicated to this region.
    found: list[tuple[str, Server]] = []
    for one in sorted(listed, key=lambda one: str(one.get("lifeCycle", {}).get("addedToServiceDateTime", ""))):
        forward = one["sourceServerID"] if place.servers else _last(one.get("reversedDirectionSourceServerArn", ""))
        if name := settings.forward.get(forward):
            found.append((name, _server(one)))
    return found


def _last(arn: str) -> str:
    return arn.rpartition("/")[2]


def _server(one: Mapping[str, Any]) -> Server:
    replication = one.get("dataReplicationInfo", {})
    return Server(
        id=one["sourceServerID"],
        state=replication.get("dataReplicationState", "DISCONNECTED"),
        lag=seconds(replication.get("lagDuration", "")),
        protects=one.get("sourceProperties", {}).get("identificationHints", {}).get("awsInstanceID", ""),
    )


async def _launched(aws: Aws, rounds: Sequence[tuple[str, Server]]) -> dict[str, Launched]:
    """What the youngest round has launched that is still there."""
    ids = [server.id for _, server in rounds]
    listed = await aws.pages("drs", "describe_recovery_instances", "items", filters={"sourceServerIDs": ids})
    by_server = {one.get("sourceServerID"): _instance(one) for one in listed}
    found: dict[str, Launched] = {}
    for name, server in rounds:
        one = by_server.get(server.id)
        if one and (one.there or name not in found):
            found[name] = one
    return found


def _instance(one: Mapping[str, Any]) -> Launched:
    return Launched(
        id=one["recoveryInstanceID"],
        arn=one.get("arn", ""),
        instance=one.get("ec2InstanceID", ""),
        state=one.get("ec2InstanceState", "NOT_FOUND").lower(),
        job=one.get("jobID", ""),
        drill=one.get("isDrill", False),
        reversing=one.get("dataReplicationInfo", {}).get("dataReplicationState", "") not in _NOT_REVERSED,
    )


async def _at_home(aws: Aws, names: Mapping[str, str]) -> dict[str, Machine]:
    if not names:
        return {}
    # By filter: an identifier that is gone would fail the whole call.
    wanted = [{"Name": "instance-id", "Values": sorted(names)}]
    listed = await aws.pages("ec2", "describe_instances", "Reservations", Filters=wanted)
    return {
        names[one["InstanceId"]]: Machine(id=one["InstanceId"], state=one["State"]["Name"])
        for reservation in listed
        for one in reservation["Instances"]
        if one["State"]["Name"] not in GONE
    }


def seconds(duration: str) -> float | None:
    """Of an ISO 8601 duration such as `PT2M30S`; None for what is none."""
    found = _DURATION.fullmatch(duration)
    if found is None or not any(found.groups()):
        return None
    days, hours, minutes, rest = (float(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=rest).total_seconds()
