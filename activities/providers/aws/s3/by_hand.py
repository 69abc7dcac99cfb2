"""The bucket's verbs as a person types them."""

import json
from typing import TYPE_CHECKING

from activities.providers.aws.by_hand import IDENTITY, cli
from activities.providers.by_hand import ByHand, Command
from workflows.model.failure import PermanentError
from workflows.model.messages import StepRequest
from workflows.model.verbs import Verb

from .policy import fence_sid, statement
from .settings import S3Site

if TYPE_CHECKING:
    from .provider import S3Provider


def by_hand(provider: "S3Provider", verb: Verb, request: StepRequest) -> ByHand:
    """What to type for the bucket at the step's site."""
    place: S3Site = provider.site(request.target.site)
    look = _policy(place)
    match verb:
        case Verb.FENCE:
            return _fence(provider, place, request)
        case Verb.PROMOTE:
            return ByHand(
                look=(look,),
                act=(_edit(place, "Take out the statements whose Sid begins with seawall, and keep all others."),),
                after=(look,),
                notes=(f"Only when the fence of {request.target.source} has been looked at.", IDENTITY),
            )
        case Verb.CHOOSE_RECOVERY_POINT:
            return ByHand(look=(_listed(place, provider.settings.prefix),), notes=(f"Wanted: {request.choice}.",))
        case Verb.SYNC_DELTA:
            return _sync(provider, request)
        case _:
            return ByHand(
                notes=("Users are served without this step. Leave it out, and start Seawall again when it is back.",)
            )


def _policy(place: S3Site) -> Command:
    return cli(
        place,
        *("s3api", "get-bucket-policy", "--bucket", place.bucket, "--query", "Policy", "--output", "text"),
        why="Who may not write: seawall-fence-EPOCH is a fence, seawall-standby a copy. An error: there is no policy.",
    )


def _edit(place: S3Site, what: str) -> Command:
    return cli(
        place,
        *("s3api", "put-bucket-policy", "--bucket", place.bucket, "--policy", "file://policy.json"),
        why=f"Write what the look has shown into policy.json first. {what}",
    )


def _fence(provider: "S3Provider", place: S3Site, request: StepRequest) -> ByHand:
    try:
        wanted = statement(provider.settings, place, fence_sid(request.ref.epoch))
    except PermanentError as error:
        return ByHand(notes=(error.sentence,))
    probe = cli(
        place,
        *("s3api", "put-object", "--bucket", place.bucket, "--key", f"{provider.settings.own}probe", "--if-match", "0"),
        why="A write is refused: AccessDenied. Any other error means that it would be taken.",
    )
    return ByHand(
        look=(_policy(place),),
        act=(_edit(place, f"Add this statement: {json.dumps(wanted)}"),),
        after=(probe,),
        undo=(_edit(place, "Take that one statement out again, and keep all others."),),
        notes=("Undo it only while nothing was promoted at the other site.", IDENTITY),
    )


def _listed(place: S3Site, prefix: str) -> Command:
    return cli(
        place,
        *("s3", "ls", f"s3://{place.bucket}/{prefix}", "--recursive", "--summarize"),
        why="What the bucket holds.",
        shows="Total Objects",
    )


def _sync(provider: "S3Provider", request: StepRequest) -> ByHand:
    target = request.target
    source, place, prefix = provider.site(target.source), provider.site(target.site), provider.settings.prefix
    words = ("s3", "sync", f"s3://{source.bucket}/{prefix}", f"s3://{place.bucket}/{prefix}")
    more = ("--source-region", source.region, "--delete", "--exclude", "_seawall/*")
    return ByHand(
        look=(_listed(place, prefix),),
        act=(cli(place, *words, *more, why="Bring what is new. Leave it out when the source is gone."),),
        notes=("Sign in as the role of the site: nobody else may write to a standby.", IDENTITY),
    )
