"""Whether both buckets hold the same, by what S3 itself can prove: ETags of the content, then stored checksums."""

from typing import TYPE_CHECKING, Any

from activities.providers.aws.calls import Aws
from activities.providers.base import now
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Consistency, TableComparison

from . import policy
from .listing import Item, behind, current, position

if TYPE_CHECKING:
    from .provider import S3Provider

NAMES = 50
METHOD = "keys, sizes, and the ETag or the stored checksum of every object"


async def verify(provider: "S3Provider", request: StepRequest) -> StepResult:
    """Compare. What was written or deleted at the serving side and has not come yet is no difference: it is told as
    what is behind.

    Raises:
        PermanentError: INCONSISTENT, naming the objects.
    """
    origin, into = request.target.source, request.target.target
    if request.target.site == into and await _serves(provider, into):
        origin, into = into, origin
    items = await current(provider.aws(origin, request), provider.settings, provider.site(origin))
    copies = await current(provider.aws(into, request), provider.settings, provider.site(into))
    wrong, unproven = await _compare(provider, request, (origin, into), items, copies)
    new, gone = behind(provider.settings, items, copies)
    late = [one for one in new if one.key not in wrong]
    if wrong:
        raise PermanentError(
            Code.INCONSISTENT,
            f"{len(wrong)} objects differ between {origin} and {into}: {', '.join(wrong[:10])}.",
            "Find out who writes to the copy, and delete them there: the next synchronisation brings them.",
        )
    detail = (
        f"{len(late)} objects and {len(gone)} deletions are to come; of {len(unproven)} S3 keeps no checksum that both "
        "sides share."
    )
    table = TableComparison(
        table=provider.site(origin).bucket,
        rows_source=len(items),
        rows_target=len(copies),
        equal=not unproven,
        differing=tuple(unproven[:NAMES]),
    )
    found = Consistency(
        component=request.target.name,
        equal=None if unproven else True,
        position_source=position(items.values()),
        position_target=position(copies.values()),
        tables=(table,),
        delta_bytes=sum(one.size for one in late),
        method=METHOD,
        at=now(),
        detail=detail,
    )
    return StepResult(
        detail=f"{len(items) - len(late)} objects are the same at both sites; {found.detail}",
        changed=False,
        after={"objects": len(items), "behind": len(late), "unproven": len(unproven)},
        consistency=found,
    )


async def _compare(
    provider: "S3Provider",
    request: StepRequest,
    sites: tuple[str, str],
    items: dict[str, Item],
    copies: dict[str, Item],
) -> tuple[list[str], list[str]]:
    """Keys whose contents differ, and keys of which nothing can be proved. A copy that is older than its original is
    only behind."""
    here, there = (provider.aws(name, request) for name in sites)
    source, copy = (provider.site(name).bucket for name in sites)
    wrong, unproven = [], []
    for key, one in items.items():
        twin = copies.get(key)
        if twin is None or one.at >= twin.at or (one.etag == twin.etag and one.size == twin.size):
            continue
        equal = one.size == twin.size and await _proved(here, there, source, copy, one)
        provider.context.heartbeat(f"comparing {key}")
        if equal is None:
            unproven.append(key)
        elif not equal:
            wrong.append(key)
    return wrong, unproven


async def _serves(provider: "S3Provider", site: str) -> bool:
    return (await policy.read(provider.aws(site), provider.site(site))).role == "primary"


async def _proved(here: Aws, there: Aws, source: str, copy: str, one: Item) -> bool | None:
    """Whether the stored checksums are equal; None where there are none of one kind over the whole object."""
    first = _checksums(await here.read("s3", "head_object", Bucket=source, Key=one.key, ChecksumMode="ENABLED"))
    second = _checksums(await there.read("s3", "head_object", Bucket=copy, Key=one.key, ChecksumMode="ENABLED"))
    shared = first.keys() & second.keys()
    return all(first[kind] == second[kind] for kind in shared) if shared else None


def _checksums(head: dict[str, Any]) -> dict[str, str]:
    """A composite checksum is one of the parts' checksums, and says nothing across other parts."""
    if head.get("ChecksumType") == "COMPOSITE":
        return {}
    kinds = ("ChecksumCRC32", "ChecksumCRC32C", "ChecksumCRC64NVME", "ChecksumSHA1", "ChecksumSHA256")
    return {kind: head[kind] for kind in kinds if head.get(kind) and "-" not in head[kind]}
