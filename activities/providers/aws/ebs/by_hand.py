"""The set's verbs as a person types them."""

from typing import TYPE_CHECKING

from activities.providers.aws.by_hand import IDENTITY, cli
from activities.providers.by_hand import ByHand, Command
from workflows.model.messages import StepRequest
from workflows.model.verbs import Verb

from .look import SET
from .settings import EbsSite

if TYPE_CHECKING:
    from .provider import EbsProvider


def by_hand(provider: "EbsProvider", verb: Verb, request: StepRequest) -> ByHand:
    """What to type for the set at the step's site."""
    place: EbsSite = provider.site(request.target.site)
    match verb:
        case Verb.CHOOSE_RECOVERY_POINT:
            return ByHand(look=(_sets(place, request),), notes=(f"Wanted: {request.choice}.", IDENTITY))
        case Verb.RESTORE:
            return _restore(place, request)
        case Verb.PROMOTE:
            return _promote(place, request)
        case Verb.SYNC_DELTA:
            return ByHand(notes=("There is nothing to do: a snapshot has no log.",))
        case _:
            return ByHand(
                notes=("Users are served without this step. Leave it out, and start Seawall again when it is back.",)
            )


def _sets(place: EbsSite, request: StepRequest) -> Command:
    columns = f"[Tags[?Key=='{SET}']|[0].Value,Tags[?Key=='seawall:member']|[0].Value,SnapshotId,State,VolumeSize]"
    return cli(
        place,
        *("ec2", "describe-snapshots", "--owner-ids", "self", "--output", "text"),
        *("--filters", f"Name=tag:seawall:component,Values={request.target.name}"),
        *("--query", f"Snapshots[].{columns}"),
        why=f"The sets, by name. A set is whole when each of {', '.join(sorted(place.volumes))} is completed.",
        shows="completed",
        otherwise="Nothing can be restored in this region.",
    )


def _restore(place: EbsSite, request: StepRequest) -> ByHand:
    named = request.point.name if request.point else request.choice
    keyed = ("--encrypted", "--kms-key-id", place.kms_key) if place.kms_key else ()
    mark = "ResourceType=volume,Tags=[{Key=seawall:component,Value=%s},{Key=seawall:member,Value=%s}]"
    act = [
        cli(
            place,
            *("ec2", "create-volume", "--availability-zone", place.zone, "--volume-type", place.volume_type),
            *("--snapshot-id", "SNAPSHOT_ID", "--client-token", f"{request.ref.epoch}-{name}", *keyed),
            *("--tag-specifications", mark % (request.target.name, name)),
            why=f"The volume {name}: put the snapshot's id of {named} in the place of SNAPSHOT_ID.",
        )
        for name in place.volumes
    ]
    return ByHand(look=(_sets(place, request),), act=tuple(act), notes=(f"Wanted: {named}.", IDENTITY))


def _promote(place: EbsSite, request: StepRequest) -> ByHand:
    hangs = cli(
        place,
        *("ec2", "describe-volumes", "--output", "text"),
        *("--filters", f"Name=tag:seawall:component,Values={request.target.name}"),
        *("--query", "Volumes[].[VolumeId,State,Tags[?Key=='seawall:member']|[0].Value,Attachments[0].InstanceId]"),
        why="The restored volumes, by their names, and where they hang.",
    )
    act = [
        cli(
            place,
            *("ec2", "attach-volume", "--instance-id", at.instance, "--device", at.device, "--volume-id", "VOLUME_ID"),
            why=f"Put the id of the restored volume {name} in the place of VOLUME_ID.",
        )
        for name, at in place.volumes.items()
    ]
    return ByHand(
        look=(hangs,),
        act=tuple(act),
        after=(hangs,),
        notes=(
            "Where another volume hangs: stop the instance, and detach it first (aws ec2 detach-volume). Keep it.",
            f"Only when the fence of {request.target.source} has been looked at.",
            IDENTITY,
        ),
    )
