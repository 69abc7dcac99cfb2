"""prove: whether an answer is whose it says it is.

The secrets are read here and stay here: what goes back into history is a sentence. A wrong proof is an answer and no
error. Every try is told to the application's entity, which lets a proof be used once, and locks out who guesses.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from types import NoneType

from temporalio import activity
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from workflows.model.policy import Policy
from workflows.model.proof import ProofKind, ProofRequest, UseProof, Verdict

from .lease import ask_entity
from .people import otp, sealed, signatures, vouchers
from .people.register import Register
from .people.signatures import ALLOWED_SIGNERS
from .policy import read_policy
from .wire import on_the_wire


class Prove:
    """Checks proofs."""

    def __init__(self, client: Client, register: Register, folder: Path) -> None:
        """`folder` holds the runbooks, and beside them the policy and the allowed signers."""
        self._client = client
        self._register = register
        self._folder = folder

    @activity.defn(name="prove")
    async def prove(self, request: ProofRequest) -> Verdict:
        """Check, and use up.

        Raises:
            PermanentError: CONFIGURATION, when it cannot be checked here at all.
        """
        kind = request.proof.proof_kind
        if kind is None:
            return Verdict(proven=False, sentence="No proof was given.")
        if request.typed != request.code:
            return Verdict(proven=False, sentence=_OTHER_REQUEST.format(code=request.typed))
        with on_the_wire():
            policy = await asyncio.to_thread(read_policy, self._folder)
            if kind is ProofKind.VOUCHER:
                mark, words, why_not = _vouched(request, policy)
            else:
                words, (mark, why_not) = "", await self._mark(kind, request)
            if mark and kind is not ProofKind.SEALED and (objection := _forbidden(policy, request)):
                return Verdict(proven=False, sentence=objection)
            verdict = await self._use(request, kind, mark, why_not)
            return verdict.model_copy(update={"words": words})

    async def _mark(self, kind: ProofKind, request: ProofRequest) -> tuple[str, str]:
        """What marks the proof as used; or nothing, and why it is wrong."""
        name, proof = request.subject, request.proof
        if kind is ProofKind.OTP:
            secret = self._register.otp_secret(name)
            if secret is None:
                return "", f"{name} is not enrolled. `seawall approver enrol {name}` does it."
            period = otp.period_of(proof.otp or "", secret, datetime.now(UTC))
            return (otp.mark(name, period), "") if period is not None else ("", _WRONG_OTP.format(name=name))
        if kind is ProofKind.SSH:
            signature = proof.signature or ""
            good = await signatures.is_by(name, request.statement, signature, self._folder / ALLOWED_SIGNERS)
            return (signatures.mark(signature), "") if good else ("", _WRONG_SIGNATURE.format(name=name))
        found = sealed.opens(proof.sealed or (), self._register.seals())
        return (found, "") if found else ("", _WRONG_SEAL)

    async def _use(self, request: ProofRequest, kind: ProofKind, mark: str, why_not: str) -> Verdict:
        told = UseProof(
            key=request.key,
            subject=request.subject,
            kind=kind,
            mark=mark,
            holder=request.workflow_id,
            run_id=request.run_id,
            act=request.act,
        )
        try:
            await ask_entity(self._client, request.application, "use_proof", told, NoneType)
        except WorkflowUpdateFailedError as error:
            if isinstance(error.cause, ApplicationError):
                return Verdict(proven=False, sentence=error.cause.message)
            raise
        return Verdict(proven=bool(mark), sentence=why_not)


def _vouched(request: ProofRequest, policy: Policy | None) -> tuple[str, str, str]:
    return vouchers.read(request.proof.voucher or "", request.subject, request.statement, policy)


def _forbidden(policy: Policy | None, request: ProofRequest) -> str | None:
    """Why they may not do it by the policy as it is now; the run knows it as it was when it began."""
    if policy is None or not request.wants:
        return None
    return policy.granted(request.application).objection(request.subject, request.wants, request.application)


_OTHER_REQUEST = "The code {code} does not belong to this request. Read the request again; it shows its code."
_WRONG_OTP = (
    "This is not the one-time password that {name} has now. Type the six digits that the app shows; each counts once, "
    "and for 30 s. If it goes on, compare the telephone's clock."
)
_WRONG_SIGNATURE = (
    "This is no signature by a key of {name} under this very request. `seawall approve --sign KEY` signs what it "
    "shows; the key stands in `allowed_signers` beside the runbooks."
)
_WRONG_SEAL = "These are not the two sealed codes that count. A pair that was replaced, or used, counts no more."
