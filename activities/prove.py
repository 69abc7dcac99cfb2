"""prove: whether an answer is whose it says it is.

The secrets are read here and stay here: what goes back into history is a sentence. A wrong proof is an answer and no
error. Every try is told to the application's entity, which lets a proof be used once, and locks out who guesses.
"""

from datetime import UTC, datetime
from pathlib import Path
from types import NoneType

from temporalio import activity
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from workflows.model.proof import ProofKind, ProofRequest, UseProof, Verdict

from .lease import ask_entity
from .people import otp, sealed, signatures
from .people.register import Register
from .wire import on_the_wire


class Prove:
    """Checks proofs."""

    def __init__(self, client: Client, register: Register, allowed_signers: Path) -> None:
        self._client = client
        self._register = register
        self._allowed_signers = allowed_signers

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
            mark, why_not = await self._mark(kind, request)
            return await self._use(request, kind, mark, why_not)

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
            good = await signatures.is_by(name, request.statement, signature, self._allowed_signers)
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
