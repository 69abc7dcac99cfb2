"""The kind `aws.ebs`: a set of EBS volumes, copied to another region by snapshots and restored from them."""

from .provider import EbsProvider

PROVIDER = EbsProvider
