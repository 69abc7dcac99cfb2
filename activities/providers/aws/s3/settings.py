"""Settings of `aws.s3`."""

from datetime import timedelta

from pydantic import Field, model_validator

from activities.providers.aws.ids import Bucket, KeyArn
from activities.providers.aws.settings import AwsSettings, AwsSite
from workflows.model.base import Duration

MIB = 2**20
MARK = "mark.json"
"""Beneath Seawall's own prefix; see `marking`."""


class S3Site(AwsSite):
    """The bucket of a site. Versioning is on in it.

    `role` is needed where Seawall itself copies: it alone may write while the bucket stands by.
    """

    bucket: Bucket
    kms_key: KeyArn | None = None
    """Encrypts what is copied into this bucket; as the bucket does by default when left out. Name it also when that
    default is a KMS key: ETags then say nothing of the content (S3 API reference, "Object")."""


class S3Settings(AwsSettings):
    """One bucket a site."""

    sites: dict[str, S3Site]
    prefix: str = Field(default="", max_length=512)
    """Only keys that begin with it. What is beneath `PREFIX_seawall/` is Seawall's own."""
    delete_cap: int = Field(ge=0, le=10_000_000)
    """The most objects that one synchronisation may delete at the copy; it stops before the first when there are more.
    Their versions stay."""
    frozen_after: Duration = timedelta(seconds=30)
    """How long a marker may take to the other side until replication counts as frozen."""
    multipart_over: int = Field(default=5 * 1024 * MIB, ge=5 * MIB, le=5 * 1024 * MIB)
    """Bytes from which on an object is copied in parts: CopyObject takes no more than 5 GiB."""
    part_bytes: int = Field(default=512 * MIB, ge=5 * MIB, le=5 * 1024 * MIB)

    @model_validator(mode="after")
    def _buckets_differ(self) -> "S3Settings":
        buckets = [site.bucket for site in self.sites.values()]
        if len(buckets) != len(set(buckets)):
            raise ValueError("each site has a bucket of its own")
        return self

    @property
    def own(self) -> str:
        """The prefix of what is Seawall's own in the buckets."""
        return f"{self.prefix}_seawall/"

    @property
    def etags_tell(self) -> bool:
        """Whether equal contents have equal ETags at both sites, as far as they were not uploaded in parts."""
        return not any(site.kms_key for site in self.sites.values())
