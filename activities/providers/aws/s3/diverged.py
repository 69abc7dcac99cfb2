"""Keep, and name, what only the old bucket has: copied beneath `PREFIX_seawall/diverged/EPOCH/` of the serving one.

An object of the old bucket is known at the serving one when any of its versions there is a copy of it. A deletion that
only the old bucket has seen cannot be told from an object that is new at the serving one, and is not followed.
"""

from collections import defaultdict
from typing import TYPE_CHECKING

from activities.providers.aws.waiting import until
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import DivergedTable, Divergence

from . import standing
from .copying import Copier
from .listing import Item, current, position, same, versions
from .settings import S3Settings

if TYPE_CHECKING:
    from .provider import S3Provider

KEYS = 50


async def archive(provider: "S3Provider", request: StepRequest) -> StepResult:
    """Copy what only the old bucket has.

    Raises:
        PermanentError: ROLE_MISMATCH when the other one does not serve.
    """
    old, name = request.target.source, request.target.target
    await standing.serving(provider, request, name, old)
    beneath = f"{provider.settings.own}diverged/{request.ref.epoch}/"
    only = await _only_old(provider, request)
    place, aws = provider.site(name), provider.aws(name, request)
    kept = await current(aws, provider.settings, place, beneath)
    lacking = [one for one in only if not _kept(one, kept.get(f"{beneath}{one.key}"))]
    provider.context.still_mine()
    await provider.register(name, request).claim({"diverged": len(only)})
    copier = Copier(aws, provider.settings, place, provider.context.still_mine)
    await copier.copy(provider.site(old).bucket, lacking, provider.context.heartbeat, beneath)
    await until(
        lambda: current(aws, provider.settings, place, beneath),
        lambda found: all(f"{beneath}{one.key}" in found for one in only),
        lambda found: f"{len(found)} of {len(only)} objects are kept",
        provider.context,
        provider.patience,
    )
    divergence = Divergence(
        component=request.target.name,
        site=old,
        diverged=bool(only),
        until=position(only),
        bytes=sum(one.size for one in only),
        tables=_tables(only),
        folder=f"s3://{place.bucket}/{beneath}" if only else "",
        detail="Deletions that only the old bucket has seen are not told." if only else "",
    )
    words = f"{len(only)} objects are only there; kept in {divergence.folder}." if only else "Nothing is only there."
    return StepResult(
        detail=words,
        changed=bool(lacking),
        after={"diverged": bool(only), "rows": len(only), "folder": divergence.folder, "complete": True},
        divergence=divergence,
    )


async def insist_on_archive(provider: "S3Provider", request: StepRequest) -> None:
    """Nothing is overwritten before it is kept, by whichever run. PermanentError(PRECONDITION_CHANGED)."""
    only = await _only_old(provider, request)
    if not only:
        return
    name = request.target.target
    beneath = f"{provider.settings.own}diverged/"
    kept = await current(provider.aws(name, request), provider.settings, provider.site(name), beneath)
    known = {(key.removeprefix(beneath).partition("/")[2], one.size) for key, one in kept.items()}
    lacking = [one.key for one in only if (one.key, one.size) not in known]
    if lacking:
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"{len(lacking)} objects that only {request.target.source} has are not archived, such as {lacking[0]}.",
            "Archive them first (archive_diverged); a rebuild would replace them.",
        )


async def _only_old(provider: "S3Provider", request: StepRequest) -> list[Item]:
    old, name = request.target.source, request.target.target
    here = await current(provider.aws(old, request), provider.settings, provider.site(old))
    there = await versions(provider.aws(name, request), provider.settings, provider.site(name))
    return [one for one in here.values() if not _known(provider.settings, one, there.get(one.key, []))]


def _known(settings: S3Settings, one: Item, there: list[Item]) -> bool:
    return any(not version.deleted and same(settings, one, version) for version in there)


def _kept(one: Item, copy: Item | None) -> bool:
    return copy is not None and one.size == copy.size and (one.etag == copy.etag or copy.at > one.at)


def _tables(only: list[Item]) -> tuple[DivergedTable, ...]:
    folders: dict[str, list[str]] = defaultdict(list)
    for one in only:
        folder, _, name = one.key.rpartition("/")
        folders[folder or "."].append(name)
    found = sorted(folders.items())
    return tuple(
        DivergedTable(table=folder, rows=len(names), keys=tuple(names[:KEYS])) for folder, names in found[:100]
    )
