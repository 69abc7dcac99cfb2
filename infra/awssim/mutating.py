"""Which operations change something. Pure: it judges by the name and the HTTP verb that botocore's model gives.

The rule errs on the side of *changes*: an operation that it does not know is in the ledger.
"""

import re

READING = (
    "BatchGet",
    "Check",
    "Describe",
    "Estimate",
    "Filter",
    "Get",
    "Head",
    "List",
    "Lookup",
    "Preview",
    "Query",
    "Scan",
    "Search",
    "Select",
    "Simulate",
    "TransactGet",
    "Validate",
    "View",
)
FIRST_WORDS = re.compile(rf"({'|'.join(READING)})(?![a-z])")

# What the rule would take for a change.
READS = {
    ("kms", "Decrypt"),
    ("kms", "Encrypt"),
    ("kms", "GenerateDataKey"),
    ("kms", "GenerateDataKeyWithoutPlaintext"),
    ("kms", "GenerateRandom"),
    ("kms", "Sign"),
    ("kms", "Verify"),
    ("logs", "StartQuery"),
    ("sts", "AssumeRole"),
    ("sts", "AssumeRoleWithSAML"),
    ("sts", "AssumeRoleWithWebIdentity"),
}


def changes(service: str, operation: str, verb: str = "POST") -> bool:
    """Whether the operation changes something when it succeeds."""
    if (service, operation) in READS:
        return False
    return verb not in ("GET", "HEAD") and not FIRST_WORDS.match(operation)
