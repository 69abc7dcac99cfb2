"""What a person types: the AWS command line in the place of each verb."""

from typing import TYPE_CHECKING

from activities.providers.aws.by_hand import IDENTITY, cli
from activities.providers.by_hand import ByHand, Command
from workflows.model.messages import StepRequest
from workflows.model.plan import Mode
from workflows.model.verbs import Verb

from .settings import AuroraSite

if TYPE_CHECKING:
    from .provider import AuroraProvider

_ACCOUNT = "Put the number of the account in the place of ACCOUNT."


def by_hand(provider: "AuroraProvider", verb: Verb, request: StepRequest) -> ByHand:
    """The commands of a verb; a verb that only looks is a look."""
    place = provider.site(request.target.site)
    look = (_members(provider, place), _groups_of(place))
    if verb is Verb.FENCE:
        act = _groups(place, (place.isolation_group,), "Let nobody in.")
        undo = _groups(place, place.security_groups, "Let the application in again.")
        note = "Then restart the writer instance, which ends the connections that are open."
        return ByHand(look=look, act=(act,), after=look, undo=(undo,), notes=(IDENTITY, note))
    if verb is Verb.UNFENCE:
        return ByHand(
            look=look, act=(_groups(place, place.security_groups, "Let the application in."),), notes=(IDENTITY,)
        )
    if verb is Verb.PROMOTE:
        act = _groups(place, place.security_groups, "Let the application in, where only the isolation group stands.")
        return ByHand(look=look, act=(_move(provider, request), act), after=look, notes=(IDENTITY,))
    if verb is Verb.REBUILD_REPLICA:
        note = "Aurora takes the old cluster in again by itself; wait until it is `connected`."
        return ByHand(look=look, after=look, notes=(IDENTITY, note))
    return ByHand(look=look, notes=(IDENTITY, "Nothing has to be done: look, and write down what you see."))


def _members(provider: "AuroraProvider", place: AuroraSite) -> Command:
    named = ("--global-cluster-identifier", provider.settings.global_cluster)
    query = "GlobalClusters[0].[FailoverState,GlobalClusterMembers[].[DBClusterArn,IsWriter,SynchronizationStatus]]"
    return cli(
        place,
        *("rds", "describe-global-clusters", *named, "--query", query, "--output", "json"),
        why="Which cluster is the writer, and whether it is moving.",
    )


def _groups_of(place: AuroraSite) -> Command:
    query = "DBClusters[0].[Status,VpcSecurityGroups[].VpcSecurityGroupId]"
    return cli(
        place,
        *("rds", "describe-db-clusters", "--db-cluster-identifier", place.cluster, "--query", query),
        why="Its state, and who may reach it.",
    )


def _groups(place: AuroraSite, groups: tuple[str, ...], why: str) -> Command:
    words = ("--db-cluster-identifier", place.cluster, "--apply-immediately", "--vpc-security-group-ids", *groups)
    return cli(place, "rds", "modify-db-cluster", *words, why=why)


def _move(provider: "AuroraProvider", request: StepRequest) -> Command:
    target = request.target
    place = provider.site(target.site)
    named = (
        *("--global-cluster-identifier", provider.settings.global_cluster),
        *("--target-db-cluster-identifier", f"arn:aws:rds:{place.region}:ACCOUNT:cluster:{place.cluster}"),
    )
    if request.mode is Mode.PLANNED:
        why = f"Move the writer without loss; asked for in the region that writes. {_ACCOUNT}"
        return cli(provider.site(target.source), "rds", "switchover-global-cluster", *named, why=why)
    why = f"Move the writer, and lose what has not arrived; asked for in the region that takes over. {_ACCOUNT}"
    return cli(place, "rds", "failover-global-cluster", *named, "--allow-data-loss", why=why)
