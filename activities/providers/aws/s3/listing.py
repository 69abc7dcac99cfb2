"""What is in a bucket now, what was in it at a moment, and how two buckets differ."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from activities.providers.aws.calls import Aws
from workflows.model.base import Strict

from .settings import S3Settings, S3Site

AT_ONCE = 8
"""Calls side by side: as many as hide the latency of a copy, and well below what S3 takes on one prefix."""


class Item(Strict):
    """One version of an object, or a delete marker."""

    key: str
    size: int = 0
    etag: str = ""
    version: str = ""
    at: datetime
    latest: bool = True
    deleted: bool = False

    @property
    def plain(self) -> bool:
        """Whether the ETag is made of the content alone: not so for what was uploaded in parts."""
        return "-" not in self.etag


async def current(aws: Aws, settings: S3Settings, place: S3Site, prefix: str = "") -> dict[str, Item]:
    """The objects of the bucket, without Seawall's own; or, with a prefix, all that are beneath it."""
    listed = await aws.pages("s3", "list_objects_v2", "Contents", Bucket=place.bucket, Prefix=prefix or settings.prefix)
    found = (_item(one) for one in listed)
    return {one.key: one for one in found if prefix or not one.key.startswith(settings.own)}


async def versions(aws: Aws, settings: S3Settings, place: S3Site) -> dict[str, list[Item]]:
    """All versions and delete markers by key, the newest first, in the order in which S3 lists them."""
    found: dict[str, list[Item]] = {}
    after: dict[str, str] = {}
    while True:
        page = await aws.read("s3", "list_object_versions", Bucket=place.bucket, Prefix=settings.prefix, **after)
        listed = [_item(one) for one in page.get("Versions", [])]
        listed += [_item(one, deleted=True) for one in page.get("DeleteMarkers", [])]
        for one in listed:
            if not one.key.startswith(settings.own):
                found.setdefault(one.key, []).append(one)
        if not page.get("IsTruncated"):
            break
        after = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
    return {key: sorted(ones, key=lambda one: (one.latest, one.at), reverse=True) for key, ones in found.items()}


def _item(found: dict[str, Any], deleted: bool = False) -> Item:
    return Item(
        key=found["Key"],
        size=found.get("Size", 0),
        etag=found.get("ETag", "").strip('"'),
        version=found.get("VersionId", ""),
        at=found["LastModified"],
        latest=found.get("IsLatest", True),
        deleted=deleted,
    )


def position(items: Iterable[Item]) -> str:
    """One word for what is in a bucket: equal for equal keys, sizes and ETags."""
    digest = hashlib.sha256()
    for one in sorted(items, key=lambda item: item.key):
        digest.update(f"{one.key}\0{one.size}\0{one.etag}\n".encode())
    return digest.hexdigest()[:32]


def same(settings: S3Settings, source: Item, copy: Item | None) -> bool:
    """Whether the copy is of this version. Where the ETags say nothing of the content, a copy that was written after
    the version is one of it: nobody else writes to a standby."""
    if copy is None or source.size != copy.size:
        return False
    if source.etag == copy.etag:
        return True
    telling = settings.etags_tell and source.plain and copy.plain
    return not telling and copy.at > source.at


def behind(settings: S3Settings, source: dict[str, Item], copy: dict[str, Item]) -> tuple[list[Item], list[str]]:
    """What has to be copied, and which keys are to be deleted at the copy."""
    return (
        [one for key, one in source.items() if not same(settings, one, copy.get(key))],
        sorted(copy.keys() - source.keys()),
    )


async def together(calls: Sequence[Callable[[], Awaitable[None]]], told: Callable[[str], None]) -> None:
    """All of them, some at once. Each that was begun is waited for before the first error is raised: what is still on
    its way must not land after the step has ended."""
    for first in range(0, len(calls), AT_ONCE):
        done = await asyncio.gather(*(call() for call in calls[first : first + AT_ONCE]), return_exceptions=True)
        for one in done:
            if isinstance(one, BaseException):
                raise one
        told(f"{min(first + AT_ONCE, len(calls))} of {len(calls)} objects")
