"""Bring the standby to a moment: the versions that stood then are copied over the newer ones. Nothing is lost by it:
what stood before is the version beneath, and a list of it is kept in the bucket for the undo."""

import hashlib
import json
from typing import TYPE_CHECKING

from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult

from . import standing
from .copying import Copier
from .listing import Item, versions
from .points import as_of

if TYPE_CHECKING:
    from .provider import S3Provider

Wanted = dict[str, Item | None]


async def restore(provider: "S3Provider", request: StepRequest) -> StepResult:
    """The versions of `request.point.until`; nothing for what the bucket holds already."""
    point, name = request.point, request.target.site
    if point is None:
        raise PermanentError(Code.INVALID_INPUT, "No recovery point was given.", "Choose one first.")
    if point.until is None:
        return StepResult(detail="The copy stands there already; there is nothing to restore.", changed=False)
    await standing.standby(provider, request, name)
    place, aws = provider.site(name), provider.aws(name, request)
    found = await versions(aws, provider.settings, place)
    wanted = as_of(found, point.until)
    provider.context.still_mine()
    noted = await provider.register(name, request).claim({"list": _key(provider, request)})
    if await standing.body(aws, place, noted["list"]) is None:
        before = {key: (ones[0].version if not ones[0].deleted else None) for key, ones in found.items()}
        provider.context.still_mine()
        # Before the first object is touched; the same list when it is sent twice.
        await aws.change(
            "s3", "put_object", Bucket=place.bucket, Key=noted["list"], Body=json.dumps(before, sort_keys=True).encode()
        )
    changed = await _bring_to(provider, request, found, wanted)
    return StepResult(
        detail=f"{changed} objects are again as they were at {point.until:%Y-%m-%dT%H:%M:%SZ}.",
        changed=changed > 0,
        after={"changed": changed, "role": "standby"},
        point=point,
    )


async def discard(provider: "S3Provider", request: StepRequest) -> StepResult:
    """Bring back what stood before the restore of this run."""
    name = request.target.site
    noted = await provider.register(name, request).noted()
    if noted is None:
        return StepResult(detail="This run restored nothing here.", changed=False)
    place, aws = provider.site(name), provider.aws(name, request)
    told = await standing.body(aws, place, noted["list"])
    if told is None:
        return StepResult(detail="The restore had touched nothing yet.", changed=False)
    await standing.standby(provider, request, name)
    before: dict[str, str | None] = json.loads(told)
    found = await versions(aws, provider.settings, place)
    wanted: Wanted = dict.fromkeys(found)
    for key, version in before.items():
        if version is not None:
            wanted[key] = next((one for one in found.get(key, []) if one.version == version), None)
    changed = await _bring_to(provider, request, found, wanted)
    return StepResult(detail=f"{changed} objects are again as they were before the restore.", changed=changed > 0)


def _key(provider: "S3Provider", request: StepRequest) -> str:
    return f"{provider.settings.own}restore/{hashlib.sha256(request.ref.key.encode()).hexdigest()[:16]}.json"


async def _bring_to(provider: "S3Provider", request: StepRequest, found: dict[str, list[Item]], wanted: Wanted) -> int:
    """Copy and delete until each key is what is wanted; how many were not."""
    place, aws = provider.site(request.target.site), provider.aws(request.target.site, request)
    copies, gone = [], []
    for key, version in wanted.items():
        stands = found[key][0]
        if version is None and not stands.deleted:
            gone.append(key)
        elif version is not None and (stands.deleted or (stands.etag, stands.size) != (version.etag, version.size)):
            copies.append(version)
    provider.within("deletions", len(gone), provider.settings.delete_cap)
    copier = Copier(aws, provider.settings, place, provider.context.still_mine)
    await copier.copy(place.bucket, copies, provider.context.heartbeat)
    await copier.delete(gone)
    return len(copies) + len(gone)
