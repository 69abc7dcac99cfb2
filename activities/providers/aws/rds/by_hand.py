"""What a person types: the AWS command line in the place of each verb."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from activities.providers.aws.by_hand import IDENTITY, cli
from activities.providers.by_hand import ByHand, Command
from workflows.model.messages import StepRequest
from workflows.model.verbs import Verb

from . import database
from .settings import RdsSite
from .wanted import streams

if TYPE_CHECKING:
    from .provider import RdsProvider

Made = Callable[["RdsProvider", StepRequest], ByHand]
_READ_ONLY = "Nothing has to be done: look, compare with what the runbook wants, and write down what you see."


def by_hand(provider: "RdsProvider", verb: Verb, request: StepRequest) -> ByHand:
    """The commands of a verb; a verb that only looks is a look."""
    made = _MADE.get(verb)
    if made is not None:
        found = made(provider, request)
        return found.model_copy(update={"notes": (IDENTITY, *found.notes)})
    place = provider.site(request.target.site)
    return ByHand(look=(_look(place), _lag(place)), notes=(IDENTITY, _READ_ONLY))


def _look(place: RdsSite, shows: str = "", why: str = "Its state, what it follows, and who may reach it.") -> Command:
    query = (
        "DBInstances[0].[DBInstanceStatus,ReadReplicaSourceDBInstanceIdentifier,VpcSecurityGroups[].VpcSecurityGroupId]"
    )
    words = ("--query", query, "--output", "json")
    return cli(
        place,
        *("rds", "describe-db-instances", "--db-instance-identifier", place.instance, *words),
        why=why,
        shows=shows,
        otherwise="Look again in a minute; `aws rds describe-events` tells why it does not come." if shows else "",
    )


def _lag(place: RdsSite) -> Command:
    words = ("--namespace", "AWS/RDS", "--metric-name", "ReplicaLag", "--period", "60", "--statistics", "Maximum")
    line = cli(
        place,
        *("cloudwatch", "get-metric-statistics", *words),
        *("--dimensions", f"Name=DBInstanceIdentifier,Value={place.instance}"),
        why="How many seconds a replica is behind; -1 or nothing at all means that it does not follow.",
    )
    times = '--start-time "$(date -u -d -10min +%FT%TZ)" --end-time "$(date -u +%FT%TZ)"'
    return line.model_copy(update={"line": f"{line.line} {times}"})


def _groups(place: RdsSite, groups: tuple[str, ...], why: str) -> Command:
    words = ("--db-instance-identifier", place.instance, "--apply-immediately", "--vpc-security-group-ids", *groups)
    return cli(place, "rds", "modify-db-instance", *words, why=why)


def _fence(provider: "RdsProvider", request: StepRequest) -> ByHand:
    place = provider.site(request.target.site)
    restart = cli(
        place,
        *("rds", "reboot-db-instance", "--db-instance-identifier", place.instance),
        why="End the connections that are open: security groups let those go on.",
    )
    return ByHand(
        look=(_look(place),),
        act=(_groups(place, (place.isolation_group,), "Let nobody in."), restart),
        after=(_look(place, place.isolation_group, "Only the isolation group stands."),),
        undo=(_groups(place, place.security_groups, "Let the application in again."),),
        notes=("Every group other than the isolation group must be gone before anything is promoted.",),
    )


def _unfence(provider: "RdsProvider", request: StepRequest) -> ByHand:
    place = provider.site(request.target.site)
    act = _groups(place, place.security_groups, "Let the application in again.")
    return ByHand(look=(_look(place),), act=(act,), after=(_look(place, place.security_groups[0]),))


def _promote(provider: "RdsProvider", request: StepRequest) -> ByHand:
    place = provider.site(request.target.site)
    days = ("--backup-retention-period", str(provider.settings.backup_days))
    act = cli(
        place,
        *("rds", "promote-read-replica", "--db-instance-identifier", place.instance, *days),
        why="End the replication. Only if the look shows a source; what was restored has none.",
    )
    return ByHand(
        look=(_look(place), _lag(place)),
        act=(act, _groups(place, place.security_groups, "Let the application in.")),
        after=(_look(place, "available", "It is available, follows nobody, and can be reached."),),
        notes=("The fence of the other site must be proved first.",),
    )


def _restore(provider: "RdsProvider", request: StepRequest) -> ByHand:
    place = provider.site(request.target.site)
    epoch, name = request.ref.epoch, place.instance
    beside, aside = (database.name_of(name, f"{word}-{epoch}") for word in ("new", "aside"))
    point = request.point.name if request.point else ""
    make = cli(
        place,
        *("rds", "restore-db-instance-from-db-snapshot", "--db-instance-identifier", beside),
        *("--db-snapshot-identifier", point or "NAME-OF-THE-SNAPSHOT", "--db-instance-class", place.instance_class),
        *("--db-subnet-group-name", place.subnet_group, "--vpc-security-group-ids", place.isolation_group),
        why="Make the copy beside what stands there; nobody can reach it.",
    )
    wait = cli(
        place,
        *("rds", "wait", "db-instance-available", "--db-instance-identifier", beside),
        why="Wait until it is whole.",
    )
    swap = (
        _rename(place, name, aside, "What stands there keeps its data under another name; skip it if there is none."),
        _rename(place, beside, name, "The copy takes its place."),
    )
    back = (
        _rename(place, name, beside, "The copy makes room."),
        _rename(place, aside, name, "What stood there is back."),
    )
    return ByHand(look=(_look(place),), act=(make, wait, *swap), after=(_look(place, "available"),), undo=back)


def _rename(place: RdsSite, old: str, new: str, why: str) -> Command:
    words = ("--db-instance-identifier", old, "--new-db-instance-identifier", new, "--apply-immediately")
    return cli(place, "rds", "modify-db-instance", *words, why=why)


def _snapshot(provider: "RdsProvider", request: StepRequest) -> ByHand:
    target = request.target
    source, place = provider.site(target.source), provider.site(target.site)
    name = f"by-hand-{request.ref.application}-{target.name}"
    take = cli(
        source,
        *("rds", "create-db-snapshot", "--db-instance-identifier", source.instance),
        *("--db-snapshot-identifier", name),
        why="Take it. A name can be used once: choose another one when it is taken.",
    )
    wait = cli(source, "rds", "wait", "db-snapshot-available", "--db-snapshot-identifier", name, why="Wait for it.")
    copy = cli(
        place,
        *("rds", "copy-db-snapshot", "--source-region", source.region, "--target-db-snapshot-identifier", name),
        *("--source-db-snapshot-identifier", f"arn:aws:rds:{source.region}:ACCOUNT:snapshot:{name}"),
        *(("--kms-key-id", place.kms_key) if place.kms_key else ()),
        why="Copy it. Put the number of the account in the place of ACCOUNT.",
    )
    return ByHand(act=(take, wait, copy), notes=("Seawall takes for recovery points only what it has made itself.",))


def _rebuild(provider: "RdsProvider", request: StepRequest) -> ByHand:
    if not streams(request):
        return _snapshot(provider, request)
    target = request.target
    place, serving = provider.site(target.source), provider.site(target.target)
    aside = database.name_of(place.instance, f"was-{request.ref.epoch}")
    make = cli(
        place,
        *("rds", "create-db-instance-read-replica", "--db-instance-identifier", place.instance),
        *("--source-db-instance-identifier", f"arn:aws:rds:{serving.region}:ACCOUNT:db:{serving.instance}"),
        *("--source-region", serving.region, "--db-instance-class", place.instance_class),
        *("--db-subnet-group-name", place.subnet_group, "--vpc-security-group-ids", *place.security_groups),
        *(("--kms-key-id", place.kms_key) if place.kms_key else ()),
        why="Make the replica. Put the number of the account in the place of ACCOUNT.",
    )
    return ByHand(
        look=(_look(place),),
        act=(_rename(place, place.instance, aside, "Keep the old instance. NEVER while it serves."), make),
        after=(_look(place, "available"), _lag(place)),
    )


_MADE: Mapping[Verb, Made] = {
    Verb.FENCE: _fence,
    Verb.UNFENCE: _unfence,
    Verb.PROMOTE: _promote,
    Verb.RESTORE: _restore,
    Verb.SNAPSHOT: _snapshot,
    Verb.REBUILD_REPLICA: _rebuild,
}
