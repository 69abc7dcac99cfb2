"""Which role the buckets have, and the record in the serving one of when it was promoted."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Nature, Refused, translate
from activities.providers.marks import Mark
from workflows.model.base import Message
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest

from . import policy
from .policy import Policy
from .settings import S3Settings, S3Site

if TYPE_CHECKING:
    from .provider import S3Provider


class Record(Message):
    """An object below Seawall's own prefix of a bucket that was promoted."""

    epoch: int
    key: str
    mark: Mark | None = None
    """The newest mark that it had then."""


def record_key(settings: S3Settings, place: S3Site) -> str:
    """Where it stands. By the bucket's name: the service's replication brings it to the other bucket too, where it must
    not be taken for that one's own."""
    return f"{settings.own}standing/{place.bucket}.json"


async def record(aws: Aws, settings: S3Settings, place: S3Site) -> Record | None:
    """The newest promotion of the bucket; None when there never was one."""
    found = await body(aws, place, record_key(settings, place))
    return None if found is None else Record.model_validate_json(found)


async def body(aws: Aws, place: S3Site, key: str) -> bytes | None:
    """A small object's content; None when there is none."""
    try:
        found = await aws.read("s3", "get_object", Bucket=place.bucket, Key=key)
    except Refused as error:
        if error.code is Code.NOT_FOUND and error.reason != "NoSuchBucket":
            return None
        raise
    try:
        content: bytes = await asyncio.to_thread(found["Body"].read)
    except Exception as error:
        # The answer has begun, and its content is still on the way: botocore reads it when it is asked for.
        raise translate(error, Nature.READ, "s3.get_object", aws.region) from None
    return content


def insist_on_versions(found: Mapping[str, Any], bucket: str) -> None:
    """PermanentError(CONFIGURATION) for a bucket in which an overwritten object would be lost."""
    if found.get("Status") != "Enabled":
        raise PermanentError(
            Code.CONFIGURATION,
            f"The bucket {bucket} does not keep versions.",
            "Switch its versioning on: without it a synchronisation would overwrite what cannot be had again.",
        )


def mismatch(sentence: str) -> PermanentError:
    """The bucket has another role than the step needs."""
    return PermanentError(Code.ROLE_MISMATCH, sentence, "Look at both buckets' policies, and plan again.")


async def standby(provider: "S3Provider", request: StepRequest, site: str) -> Policy:
    """The policy of a bucket that stands by; nothing is written to any other.

    Raises:
        PermanentError: ROLE_MISMATCH.
    """
    place, aws = provider.site(site), provider.aws(site, request)
    found = await policy.read(aws, place)
    if found.role != "standby":
        raise mismatch(f"The bucket {place.bucket} at {site} is {found.role}, and no standby copy.")
    return found


async def serving(provider: "S3Provider", request: StepRequest, site: str, old: str) -> None:
    """Insist on what a rebuild stands on: `site` takes writes, and `old` was not promoted after it.

    Raises:
        PermanentError: ROLE_MISMATCH.
    """
    place, aws = provider.site(site), provider.aws(site, request)
    if (role := (await policy.read(aws, place)).role) != "primary":
        raise mismatch(f"The bucket {place.bucket} at {site} is {role}, so that nothing can follow it.")
    here = await record(aws, provider.settings, place)
    there = await record(provider.aws(old, request), provider.settings, provider.site(old))
    if there and (here is None or there.epoch >= here.epoch):
        raise mismatch(
            f"The bucket at {old} was promoted under epoch {there.epoch}, and {site} "
            f"{f'under {here.epoch}' if here else 'never'}."
        )
