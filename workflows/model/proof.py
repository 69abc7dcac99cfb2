"""Proofs: by what an answer is shown to be whose it says it is. A name in an answer is a claim, and so is the identity
that Temporal shows: a client sets both as it likes.

A proof is bound to one run, step and plan by the code of the request, and is used once. It is checked by an activity,
where the secrets are; what is used up is remembered by the application's entity, which no reset rewinds.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from .base import Message, Name, Strict


class ProofKind(StrEnum):
    """What a runbook may let people prove themselves by."""

    OTP = "otp"
    """A one-time password of an authenticator app (RFC 6238)."""
    SSH = "ssh"
    """A signature by a key of the runbook repository's `allowed_signers` (`ssh-keygen -Y sign`)."""
    SEALED = "sealed"
    """Both sealed codes, kept offline for the day on which nothing else works."""
    VOUCHER = "voucher"
    """The word of a gateway of the policy, which has verified who it is at its own door."""


WORDS: Mapping[ProofKind, str] = {
    ProofKind.OTP: "one-time password",
    ProofKind.SSH: "SSH signature",
    ProofKind.SEALED: "both sealed codes",
    ProofKind.VOUCHER: "voucher of a gateway",
}
NAMESPACE = "seawall"
"""Of SSH signatures: one that was made for something else counts for nothing here (PROTOCOL.sshsig)."""


_Code = Annotated[str, Field(max_length=100)]


def _digits(value: Any) -> str:
    """Apps show `123 456`, and who types JSON by hand forgets the quotes."""
    text = str(value).replace(" ", "") if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not re.fullmatch(r"[0-9]{6}", text):
        raise ValueError('expected the six digits that the app shows, such as "123456"')
    return text


class Proof(Strict):
    """What is typed beside an answer; one of them, or none where a name is enough."""

    otp: Annotated[str, BeforeValidator(_digits)] | None = Field(
        default=None, description="The six digits that your authenticator app shows now."
    )
    signature: Annotated[str, Field(max_length=4000)] | None = Field(
        default=None, description="The SSH signature of the statement; `seawall approve --sign KEY` makes it."
    )
    sealed: Annotated[tuple[_Code, ...], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="Both sealed codes, where nobody can prove themselves otherwise."
    )

    voucher: Annotated[str, Field(max_length=2000)] | None = Field(
        default=None, description="What a chat or webhook gateway gives for you; nothing to type by hand."
    )

    @model_validator(mode="after")
    def _one(self) -> "Proof":
        if sum(value is not None for value in self._given.values()) > 1:
            raise ValueError("one proof is enough: give `otp`, `signature` or `sealed`")
        return self

    @property
    def _given(self) -> Mapping[ProofKind, object]:
        return {
            ProofKind.OTP: self.otp,
            ProofKind.SSH: self.signature,
            ProofKind.SEALED: self.sealed,
            ProofKind.VOUCHER: self.voucher,
        }

    @property
    def proof_kind(self) -> ProofKind | None:
        """What was given."""
        return next((kind for kind, value in self._given.items() if value is not None), None)

    @property
    def proof_alone(self) -> "Proof":
        """Without the answer that it stands beside."""
        return Proof(**{name: getattr(self, name) for name in Proof.model_fields})


class ProofRequest(Message):
    """An answer that is to be proved."""

    key: str
    """Names this one try: asked again with the same key, the same is answered."""
    application: str
    act: str
    """The update: `approve`, `reject`, ..."""
    workflow_id: str
    run_id: str
    step: str
    code: str
    """That of the request; made of the execution, the step and the plan."""
    typed: str = ""
    """That of the answer. It is compared again here: a reset hands a run its old answers once more, and the run itself
    must take the way then that it took before."""
    plan: str
    """SHA-256 of the plan."""
    subject: Name
    wants: str = ""
    """What the policy must let them do, where there is one."""
    proof: Proof

    @property
    def statement(self) -> str:
        """What is signed: one line, that of no other answer."""
        return statement(self.act, self.subject, self.workflow_id, self.run_id, self.step, self.code, self.plan)


def statement(act: str, subject: str, workflow_id: str, run_id: str, step: str, code: str, plan: str) -> str:
    """The words to which an SSH signature is put."""
    return f"seawall: {subject} says {act} to {step} of {workflow_id} (execution {run_id}), code {code}, plan {plan}"


class Verdict(Message):
    """What came of it."""

    proven: bool
    sentence: str
    """For whoever tried: why not, and what to do."""
    words: str = ""
    """By what it was proved, where there is more to say than its kind."""


class UseProof(Message):
    """Told to the entity: somebody tried, with this result. It counts tries, and lets a proof be used once."""

    key: str
    subject: str
    kind: ProofKind
    mark: str
    """Made of the proof, and tells nothing of it; empty for one that was wrong."""
    holder: str
    run_id: str
    act: str


class SpentProof(Message):
    """A proof that was used."""

    mark: str
    key: str
    run_id: str
