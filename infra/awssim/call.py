"""One call of one operation, in the words of botocore's service models. Loads nothing of moto."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

# Global services, and the region that hosts their control plane. Real endpoints want them signed for that region; a
# client with an endpoint address of its own signs them for the region of the client, which says nothing.
GLOBAL = {
    "cloudfront": "us-east-1",
    "globalaccelerator": "us-west-2",
    "iam": "us-east-1",
    "organizations": "us-east-1",
    "route53": "us-east-1",
    "route53-recovery-control-config": "us-west-2",
    "shield": "us-east-1",
}


@dataclass(frozen=True)
class Call:
    """One call of one operation."""

    service: str
    region: str
    account: str
    method: str
    model: Any = None
    """botocore's model of the operation; None when the service or the operation is unknown to botocore."""
    protocol: str = ""
    params: dict[str, Any] | None = None

    @cached_property
    def operation(self) -> str:
        """The name of the operation, such as `RunInstances`."""
        return str(self.model.name) if self.model is not None else "?"

    @cached_property
    def given(self) -> dict[str, Any]:
        """The parameters, none when they could not be read."""
        return self.params or {}
