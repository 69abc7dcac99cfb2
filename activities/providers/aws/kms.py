"""Keys of Seawall's own that lie encrypted under a key of AWS KMS: opened once, when a process starts.

KMS is asked in one region after the other, as the ARNs stand: a multi-Region key opens in each of its regions what any
of them has sealed, and the region that fails must not be the only one that can (KMS Developer Guide, "Multi-Region
keys"). What a sealed key is for is bound to it as encryption context, so that none is taken for another one.
"""

import re
from collections.abc import Sequence
from typing import Any

import boto3
import botocore.exceptions
from botocore.config import Config

from workflows.model.failure import Code, PermanentError

_ARN = re.compile(r"arn:aws[a-z-]*:kms:([a-z0-9-]+):\d{12}:(?:key|alias)/[\w/-]+")
_LIMITS = Config(connect_timeout=2, read_timeout=4, retries={"mode": "standard", "total_max_attempts": 2})
_CONTEXT = "seawall"


def region_of(arn: str) -> str:
    """The region of a key.

    Raises:
        PermanentError: CONFIGURATION, for what is no ARN of a key.
    """
    found = _ARN.fullmatch(arn)
    if found is None:
        raise PermanentError(
            Code.CONFIGURATION,
            f"{arn[:120]!r} is no ARN of a KMS key.",
            "It looks like arn:aws:kms:us-west-2:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab.",
        )
    return found.group(1)


def seal(key: bytes, purpose: str, arn: str) -> bytes:
    """The key, encrypted under that of KMS.

    Raises:
        PermanentError: CONFIGURATION, when KMS does not do it.
    """
    try:
        answer = _client(arn).encrypt(KeyId=arn, Plaintext=key, EncryptionContext={_CONTEXT: purpose})
    except botocore.exceptions.BotoCoreError as error:
        raise _refused(arn, type(error).__name__) from None
    except botocore.exceptions.ClientError as error:
        raise _refused(arn, str(error.response["Error"]["Code"])) from None
    return bytes(answer["CiphertextBlob"])


def opened(sealed: bytes, purpose: str, arns: Sequence[str]) -> bytes:
    """What was sealed, by the first region that answers.

    Raises:
        PermanentError: CONFIGURATION; what each region said, and never the key.
    """
    said: list[str] = []
    for arn in arns:
        region = region_of(arn)
        try:
            answer = _client(arn).decrypt(KeyId=arn, CiphertextBlob=sealed, EncryptionContext={_CONTEXT: purpose})
        except botocore.exceptions.BotoCoreError as error:
            said.append(f"{region}: {type(error).__name__}")
        except botocore.exceptions.ClientError as error:
            said.append(f"{region}: {error.response['Error']['Code']}")
        else:
            return bytes(answer["Plaintext"])
    raise PermanentError(
        Code.CONFIGURATION,
        f"No region's KMS opened the key for {purpose} ({'; '.join(said) or 'none is named'}).",
        "It wants kms:Decrypt under the key that sealed it. SEAWALL_KMS_KEYS names that key, in each of its regions.",
    )


def _refused(arn: str, reason: str) -> PermanentError:
    return PermanentError(Code.CONFIGURATION, f"KMS did not encrypt under {arn}: {reason}.", "It wants kms:Encrypt.")


def _client(arn: str) -> Any:
    return boto3.client("kms", region_name=region_of(arn), config=_LIMITS)
