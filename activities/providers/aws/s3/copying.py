"""Objects from one bucket into another, by the server itself: no byte comes through the worker.

The request goes to the region that receives. Nothing is ever lost by it: both buckets keep versions.
"""

from collections.abc import Callable, Iterable
from typing import Any

from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused
from workflows.model.failure import OutcomeUnknownError

from .listing import Item, together
from .settings import S3Settings, S3Site

DELETE_BATCH = 1000
"""As many as DeleteObjects takes."""


class Copier:
    """Copies into the bucket of one site."""

    def __init__(self, aws: Aws, settings: S3Settings, into: S3Site, mine: Callable[[], None]) -> None:
        self._aws, self._settings, self._into, self._mine = aws, settings, into, mine

    async def copy(self, bucket: str, items: Iterable[Item], told: Callable[[str], None], beneath: str = "") -> None:
        """Each of these versions, under its own key or `beneath` a prefix."""
        calls = [self._one(bucket, item, f"{beneath}{item.key}") for item in items]
        await together(calls, told)

    async def delete(self, keys: list[str]) -> None:
        """Put a delete marker on each.

        Raises:
            OutcomeUnknownError: with the first that S3 refused.
        """
        for first in range(0, len(keys), DELETE_BATCH):
            self._mine()
            objects = [{"Key": key} for key in keys[first : first + DELETE_BATCH]]
            done = await self._aws.change(
                "s3", "delete_objects", Bucket=self._into.bucket, Delete={"Objects": objects, "Quiet": True}
            )
            if errors := done.get("Errors"):
                raise _partly(errors[0], self._into.bucket)

    def _one(self, bucket: str, item: Item, key: str) -> Any:
        async def call() -> None:
            self._mine()
            try:
                if item.size > self._settings.multipart_over:
                    await self._in_parts(bucket, item, key)
                else:
                    await self._whole(bucket, item, key)
            except Refused as error:
                # It has changed, or is gone, since it was listed: the next turn brings that.
                if error.reason not in ("PreconditionFailed", "NoSuchKey"):
                    raise

        return call

    def _source(self, bucket: str, item: Item) -> dict[str, Any]:
        version = {"VersionId": item.version} if item.version else {}
        # The listed version and no later one: what changes now is brought by the next turn.
        return {"CopySource": {"Bucket": bucket, "Key": item.key, **version}, "CopySourceIfMatch": item.etag}

    def _key(self) -> dict[str, Any]:
        key = self._into.kms_key
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}

    async def _whole(self, bucket: str, item: Item, key: str) -> None:
        source = self._source(bucket, item)
        await self._aws.change("s3", "copy_object", Bucket=self._into.bucket, Key=key, **source, **self._key())

    async def _in_parts(self, bucket: str, item: Item, key: str) -> None:
        """CopyObject takes 5 GiB at most. What belongs to the object beside its content is carried over by hand. An
        upload that is given up leaves parts, which the bucket's lifecycle rule for them removes."""
        source = self._source(bucket, item)
        version = {"VersionId": item.version} if item.version else {}
        head = await self._aws.read("s3", "head_object", Bucket=bucket, Key=item.key, **version)
        kept = {name: head[name] for name in ("ContentType", "CacheControl", "ContentEncoding") if head.get(name)}
        begun = await self._aws.change(
            "s3",
            "create_multipart_upload",
            Bucket=self._into.bucket,
            Key=key,
            Metadata=head.get("Metadata", {}),
            **kept,
            **self._key(),
        )
        upload = {"Bucket": self._into.bucket, "Key": key, "UploadId": begun["UploadId"]}
        parts = []
        for number, first in enumerate(range(0, item.size, self._settings.part_bytes), start=1):
            last = min(first + self._settings.part_bytes, item.size) - 1
            self._mine()
            part = await self._aws.change(
                "s3", "upload_part_copy", PartNumber=number, CopySourceRange=f"bytes={first}-{last}", **upload, **source
            )
            parts.append({"PartNumber": number, "ETag": part["CopyPartResult"]["ETag"]})
        self._mine()
        await self._aws.change("s3", "complete_multipart_upload", MultipartUpload={"Parts": parts}, **upload)


def _partly(error: dict[str, Any], bucket: str) -> OutcomeUnknownError:
    """For one of a batch: S3 answers 200 to the batch as a whole."""
    return OutcomeUnknownError(
        f"S3 deleted some objects of {bucket} and not others ({error.get('Code', 'no code')}).",
        "The next attempt looks which.",
    )
