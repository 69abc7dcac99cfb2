"""Idempotency tokens: the same token with the same parameters has one effect, and the same answer.

Invariant: at any time at most one request of a token is being carried out. A retry that overtakes a slow first request
waits for it, and then gets its answer.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from infra.awssim.call import Call
from infra.awssim.digest import digest
from infra.awssim.errors import Reply, mismatch, refusal

# Tokens that botocore does not mark as such.
UNMARKED = (
    "CallerReference",
    "ClientRequestToken",
    "ClientToken",
    "IdempotencyToken",
    "clientRequestToken",
    "clientToken",
)
# Members of which the service makes something else, as moto does: the version of a secret; a name that can be taken.
NO_TOKEN = {("secretsmanager", "ClientRequestToken"), ("efs", "CreationToken")}
# Route 53 answers with an error even when the parameters are the same: the reference of a zone is spent by the zone.
SPENT_ONCE = {("route53", "CreateHostedZone")}

Key = tuple[str, str, str, str, str]


def token_member(service: str, model: Any) -> str | None:
    """The member of an operation's input that is its idempotency token; None when it has none."""
    if model is None or model.input_shape is None:
        return None
    members = [str(name) for name in (*model.idempotent_members, *UNMARKED) if name in model.input_shape.members]
    return next((name for name in members if (service, name) not in NO_TOKEN), None)


@dataclass
class Slot:
    """One token's only place."""

    busy: threading.Lock = field(default_factory=threading.Lock)
    parameters: str = ""
    reply: Reply | None = None

    def answer(self, call: Call, parameters: str) -> Reply | None:
        """What a token that was used before is answered; None when it was not, or without success."""
        if self.reply is None:
            return None
        if parameters != self.parameters:
            return mismatch(call)
        if (call.service, call.operation) in SPENT_ONCE:
            return refusal(call, "HostedZoneAlreadyExists", "A hosted zone was made with this caller reference before.")
        return self.reply

    def keep(self, parameters: str, reply: Reply) -> None:
        """Remember a success. A refused request leaves its token free, as AWS does."""
        if reply.status < 400:
            self.parameters, self.reply = parameters, reply


class Tokens:
    """All tokens that were used."""

    def __init__(self) -> None:
        self._slots: dict[Key, Slot] = {}
        self._lock = threading.Lock()

    @contextmanager
    def slot(self, call: Call, token: str) -> Iterator[Slot]:
        """The place of a token, held as long as its request is being carried out."""
        key = (call.account, call.region, call.service, call.operation, token)
        with self._lock:
            slot = self._slots.setdefault(key, Slot())
        with slot.busy:
            yield slot


def parameters_digest(call: Call, member: str | None) -> str:
    """One digest for all requests that ask for the same, whatever their token."""
    return digest({name: value for name, value in call.given.items() if name != member})
