"""What a person types: the AWS command line in the place of each verb."""

import json
from typing import TYPE_CHECKING

from activities.providers.aws.by_hand import IDENTITY, cli
from activities.providers.aws.tags import tags
from activities.providers.by_hand import ByHand, Command
from workflows.model.messages import StepRequest
from workflows.model.verbs import Verb

from .settings import DrsSite

if TYPE_CHECKING:
    from .provider import DrsProvider


def by_hand(provider: "DrsProvider", verb: Verb, request: StepRequest) -> ByHand:
    """The commands of a verb; a verb that only looks is a look."""
    place = provider.site(request.target.site)
    match verb:
        case Verb.PROMOTE:
            return _promote(place, request)
        case Verb.CHOOSE_RECOVERY_POINT | Verb.RESTORE:
            return ByHand(look=(_servers(place), _snapshots(place)), notes=(f"Wanted: {request.choice}.", IDENTITY))
        case Verb.REBUILD_REPLICA | Verb.PROTECT:
            return _home(provider, request)
        case Verb.SYNC_DELTA:
            return ByHand(notes=("There is nothing to do: DRS brings by itself what can come.",))
        case _:
            return ByHand(look=(_servers(place),), notes=(IDENTITY, "Look, and write down what you see."))


def _servers(place: DrsSite) -> Command:
    columns = "[sourceServerID,dataReplicationInfo.[dataReplicationState,lagDuration],recoveryInstanceId]"
    return cli(
        place,
        *("drs", "describe-source-servers", "--query", f"items[].{columns}", "--output", "json"),
        why="How each server is replicated to this region. STALLED is what a lost source looks like.",
    )


def _snapshots(place: DrsSite) -> Command:
    return cli(
        place,
        *("drs", "describe-recovery-snapshots", "--source-server-id", _first(place), "--order", "DESC"),
        *("--query", "items[].[snapshotID,timestamp]", "--output", "text"),
        why="The snapshots of one server; ask for each of them by its id.",
    )


def _launched(place: DrsSite) -> Command:
    return cli(
        place,
        *("drs", "describe-recovery-instances", "--output", "json"),
        *("--query", "items[].[sourceServerID,recoveryInstanceID,ec2InstanceState,isDrill]"),
        why="What was launched here.",
    )


def _promote(place: DrsSite, request: StepRequest) -> ByHand:
    servers = [{"sourceServerID": server} for server in place.servers.values()] or [{"sourceServerID": "SERVER"}]
    jobs = cli(
        place,
        *("drs", "describe-jobs", "--query", "items[:5].[jobID,status,initiatedBy,tags]", "--output", "json"),
        why=f"Jobs of late. One with the epoch {request.ref.epoch} in its tags is this step, begun already.",
    )
    start = cli(
        place,
        *("drs", "start-recovery", "--no-is-drill", "--source-servers", json.dumps(servers)),
        *("--tags", json.dumps(tags(request, request.target.site))),
        why="Launch all of them, once: typed again it ends what it has launched. For a snapshot add its"
        " recoverySnapshotID to each server.",
    )
    named = () if place.servers else ("Put the ids of the source servers of this region in the place of SERVER.",)
    return ByHand(
        look=(_servers(place), _launched(place), jobs),
        act=(start,),
        after=(_launched(place),),
        notes=(
            *named,
            "Never while an earlier launch serves users: DRS terminates it.",
            f"Only when the fence of {request.target.source} has been looked at.",
            IDENTITY,
        ),
    )


def _home(provider: "DrsProvider", request: StepRequest) -> ByHand:
    serving, old = provider.site(request.target.target), provider.site(request.target.source)
    reverse = cli(
        serving,
        *("drs", "reverse-replication", "--recovery-instance-id", "INSTANCE"),
        why="For each launched server: put its recovery instance in the place of INSTANCE.",
    )
    return ByHand(
        look=(_launched(serving), _servers(old)),
        act=(reverse,),
        after=(_servers(old),),
        notes=("Wait until each of them is CONTINUOUS: the first copy sends all of the disks.", IDENTITY),
    )


def _first(place: DrsSite) -> str:
    return next(iter(place.servers.values()), "SERVER")
