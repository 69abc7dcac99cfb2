"""What AWS answers, and what happens on the way, as one of our own errors: mapped here and nowhere else.

Two questions decide: could the call have taken effect, and can trying again help? AWS's own message stays in the
worker's log, since it may repeat what it was sent; people read the code, which is public and can be searched for.
"""

import logging
from collections.abc import Mapping
from enum import Enum
from typing import Any

import botocore.exceptions as boto

from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, SeawallError, TemporaryError

log = logging.getLogger("seawall.aws")

THROTTLE_SECONDS = 5.0
CAPACITY_SECONDS = 30.0


class Nature(Enum):
    """What a call does to the world."""

    READ = "read"
    CHANGE = "change"


class Refused(PermanentError):
    """AWS said no, and changed nothing. `reason` is its own code, such as `DBInstanceNotFound`."""

    def __init__(
        self, code: Code, reason: str, sentence: str, next_step: str = "", item: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(code, sentence, next_step)
        self.reason = reason
        self.item: Mapping[str, Any] = item or {}
        """What stands against a conditional write of DynamoDB, if the call asked for it."""


class CapacityShort(TemporaryError):
    """The zone or the region has no room for what was asked, or a quota is used up. A provider tries its fallbacks."""

    def __init__(self, reason: str, sentence: str, next_step: str) -> None:
        super().__init__(Code.CAPACITY, sentence, next_step, delay=CAPACITY_SECONDS)
        self.reason = reason


_THROTTLES = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "TransactionInProgressException",
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "SlowDown",
        "PriorRequestNotComplete",
        "EC2ThrottledException",
        "EndpointTemporarilyUnavailableException",
        "ServiceUnavailable",
        "Unavailable",
    }
)
"""Said before anything is done: botocore's own list of throttling codes, and the documented 503s of S3 and EC2."""

_CAPACITY = frozenset(
    {
        "InsufficientInstanceCapacity",
        "InsufficientHostCapacity",
        "InsufficientReservedInstanceCapacity",
        "InsufficientDBInstanceCapacity",
        "InsufficientDBClusterCapacity",
        "InsufficientCapacity",
        "InsufficientFreeAddressesInSubnet",
        "InsufficientVolumeCapacity",
        "InsufficientThroughputCapacity",
        "InstanceLimitExceeded",
        "VcpuLimitExceeded",
        "MaxSpotInstanceCountExceeded",
        "VolumeLimitExceeded",
        "InstanceQuotaExceeded",
        "StorageQuotaExceeded",
        "SnapshotQuotaExceeded",
        "ResourceLimitExceeded",
        "ServiceQuotaExceededException",
        "ConcurrentSnapshotLimitExceeded",
        "SnapshotLimitExceeded",
        "Unsupported",
    }
)
"""`Unsupported` is EC2's word for a type that the zone does not offer."""

_PERMISSION = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthFailure", "Forbidden", "OptInRequired"}
)
_IDENTITY = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
    }
)
_TOKEN_REUSED = frozenset(
    {"IdempotentParameterMismatch", "IdempotentParameterMismatchException", "IdempotencyParameterMismatchException"}
)

_NOT_SENT = (boto.EndpointConnectionError, boto.ConnectTimeoutError, boto.ProxyConnectionError, boto.SSLError)
_LOST = (boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError, boto.ResponseStreamingError)
_UNREADABLE = (boto.UnknownServiceError, boto.DataNotFoundError, boto.ParamValidationError, boto.ValidationError)
_SETUP = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.SSOError,
    boto.ProfileNotFound,
    boto.ConfigParseError,
    boto.NoRegionError,
)


def translate(error: Exception, nature: Nature, operation: str, region: str) -> SeawallError:
    """Our error for botocore's; `operation` is AWS's name of the call."""
    where = f"{operation} in {region}"
    log.info("%s: %s", where, error)
    if isinstance(error, boto.ClientError):
        return _answered(error, nature, where)
    if isinstance(error, _SETUP):
        return _no_identity(where, type(error).__name__)
    if isinstance(error, _NOT_SENT):
        return TemporaryError(Code.UNREACHABLE, f"AWS does not answer to {where}.", "It is tried again by itself.")
    if isinstance(error, _UNREADABLE):
        sentence = f"{where} was not sent: {type(error).__name__}."
        return PermanentError(Code.CONFIGURATION, sentence, "Check the settings of this component in the runbook.")
    if isinstance(error, _LOST) or nature is Nature.READ:
        return _lost(nature, where)
    return OutcomeUnknownError(f"{where} ended with an unexpected {type(error).__name__}.", _LOOKS)


_LOOKS = "The next attempt looks before it acts."


def _lost(nature: Nature, where: str) -> SeawallError:
    if nature is Nature.CHANGE:
        return OutcomeUnknownError(f"The answer to {where} was lost.", _LOOKS)
    return TemporaryError(Code.UNREACHABLE, f"The answer to {where} was lost.", "It is tried again by itself.")


def _no_identity(where: str, reason: str) -> PermanentError:
    return PermanentError(
        Code.CONFIGURATION,
        f"The worker has no valid identity for {where} ({reason}).",
        "Check its credentials (`aws sts get-caller-identity` where the worker runs), then retry.",
    )


def _answered(error: boto.ClientError, nature: Nature, where: str) -> SeawallError:
    reason = str(error.response.get("Error", {}).get("Code", "Unknown"))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if reason in _THROTTLES:
        sentence = f"AWS asks to wait with {where} ({reason})."
        return TemporaryError(Code.THROTTLED, sentence, "It is tried again by itself.", delay=THROTTLE_SECONDS)
    if reason in _CAPACITY:
        next_step = "Name fallbacks in the runbook, or ask AWS for a larger quota; it is tried again by itself."
        return CapacityShort(reason, f"AWS has no room for {where} ({reason}).", next_step)
    if reason in _IDENTITY:
        return _no_identity(where, reason)
    if reason in _PERMISSION:
        next_step = "Compare the role's policy with infra/aws/policies."
        return Refused(Code.PERMISSION, reason, f"The worker's role may not do {where} ({reason}).", next_step)
    if reason in _TOKEN_REUSED:
        sentence = f"{where} was asked for before, with other parameters, by this very step ({reason})."
        return Refused(
            Code.INTERNAL, reason, sentence, "This is a defect: look at both calls in CloudTrail; report it."
        )
    if status >= 500:
        return _lost(nature, where)
    if "NotFound" in reason or reason.startswith("NoSuch") or status == 404:
        return Refused(
            Code.NOT_FOUND, reason, f"{where}: it does not exist ({reason}).", "Check the runbook's settings."
        )
    if "State" in reason or "Conflict" in reason or reason in ("ConditionalCheckFailedException", "InvalidChangeBatch"):
        sentence = f"{where} was refused as things stand ({reason})."
        next_step, item = "Look at it in AWS, and plan again.", error.response.get("Item")
        return Refused(Code.PRECONDITION_CHANGED, reason, sentence, next_step, item)
    return Refused(
        Code.CONFIGURATION,
        reason,
        f"AWS refused {where} ({reason}).",
        "The worker's log has its words; mend, then retry.",
    )
