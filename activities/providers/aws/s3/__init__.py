"""The kind `aws.s3`: a versioned bucket at each site, of which one takes writes."""

from .provider import S3Provider

PROVIDER = S3Provider
