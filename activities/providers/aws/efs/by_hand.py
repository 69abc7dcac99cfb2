"""What a person types: the AWS command line in the place of each verb."""

import json
from typing import TYPE_CHECKING

from activities.providers.aws.by_hand import IDENTITY, cli
from activities.providers.by_hand import ByHand, Command
from workflows.model.messages import StepRequest
from workflows.model.verbs import Verb

from .policy import Policy
from .settings import EfsSite

if TYPE_CHECKING:
    from .provider import EfsProvider

_KEEP = (
    "Does describe-file-system-policy show statements of your own? Put them into the new policy too, or they are lost."
)
_LOCAL = (
    "Where the other region is lost and this does not end, add --deletion-mode LOCAL_CONFIGURATION_ONLY; what is left"
    " in that region can then never be deleted."
)


def by_hand(provider: "EfsProvider", verb: Verb, request: StepRequest) -> ByHand:
    """The commands of a verb; a verb that only looks is a look."""
    target = request.target
    place = provider.site(target.site)
    look = (_state(place), _replication(place))
    if verb in (Verb.FENCE, Verb.UNFENCE):
        policy = _policy(place, "Whether a policy denies clients.")
        shut, opened = _fence(place, request.ref.epoch), _open(place)
        act = shut if verb is Verb.FENCE else opened
        undo = (opened,) if verb is Verb.FENCE else ()
        notes = (IDENTITY, _KEEP, "A change of the policy takes several minutes; stop what writes there first.")
        return ByHand(look=(*look, policy), act=(act,), after=(policy,), undo=undo, notes=notes)
    if verb is Verb.PROMOTE:
        source = provider.site(target.source).file_system
        words = ("efs", "delete-replication-configuration", "--source-file-system-id", source)
        act = cli(place, *words, why="End the replication: the copy can then be written to. Ask in its own region.")
        return ByHand(look=look, act=(act, _open(place)), after=look, notes=(IDENTITY, _LOCAL, _KEEP))
    if verb is Verb.REBUILD_REPLICA:
        return ByHand(look=look, act=_rebuild(provider, request), after=look, notes=(IDENTITY,))
    return ByHand(look=look, notes=(IDENTITY, "Nothing has to be done: look, and write down what you see."))


def _state(place: EfsSite) -> Command:
    query = "FileSystems[0].[LifeCycleState,FileSystemProtection.ReplicationOverwriteProtection]"
    words = ("efs", "describe-file-systems", "--file-system-id", place.file_system, "--query", query)
    return cli(place, *words, why="Its state; ENABLED can be written to, REPLICATING is a copy.")


def _replication(place: EfsSite) -> Command:
    query = "Replications[0].[SourceFileSystemId,Destinations]"
    named = ("--file-system-id", place.file_system, "--query", query)
    return cli(
        place,
        *("efs", "describe-replication-configurations", *named),
        why="Who follows whom, and since when all has arrived (LastReplicatedTimestamp).",
        otherwise="ReplicationNotFound: it takes part in none.",
    )


def _policy(place: EfsSite, why: str) -> Command:
    words = ("efs", "describe-file-system-policy", "--file-system-id", place.file_system)
    return cli(place, *words, why=why, otherwise="PolicyNotFound: every client is let in.")


def _fence(place: EfsSite, epoch: int) -> Command:
    document = json.dumps(Policy({}).fenced(epoch).document)
    words = ("efs", "put-file-system-policy", "--file-system-id", place.file_system, "--policy", document)
    return cli(place, *words, why="Let no client in.")


def _open(place: EfsSite) -> Command:
    words = ("efs", "delete-file-system-policy", "--file-system-id", place.file_system)
    return cli(place, *words, why="Let clients in, where only our fence stands in the policy.")


def _rebuild(provider: "EfsProvider", request: StepRequest) -> tuple[Command, ...]:
    old, serves = provider.site(request.target.source), provider.site(request.target.target)
    disabled = ("--file-system-id", old.file_system, "--replication-overwrite-protection", "DISABLED")
    onto = ("--destinations", f"Region={old.region},FileSystemId={old.file_system}")
    return (
        cli(
            old,
            *("efs", "update-file-system-protection", *disabled),
            why="The old file system may be overwritten from now on. Keep what only it has before.",
        ),
        cli(
            serves,
            *("efs", "create-replication-configuration", "--source-file-system-id", serves.file_system, *onto),
            why="The old file system follows the one that serves.",
        ),
    )
