"""How people prove themselves at a terminal: a one-time password, an SSH key, or both sealed codes."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.session import me

if TYPE_CHECKING:
    from temporalio.client import Client

    from workflows.model.progress import GateView, ParkedStep
    from workflows.model.proof import Proof
    from workflows.model.report import Report

OtpOption = Annotated[
    str | None, typer.Option("--otp", help="Your one-time password; asked for when it is wanted and left out.")
]
SignOption = Annotated[
    Path | None,
    typer.Option("--sign", help="Prove it with this SSH key (a private key, or the public one of an agent)."),
]
SealedOption = Annotated[bool, typer.Option("--sealed", help="Prove it with both sealed codes, which are asked for.")]


@dataclass(frozen=True)
class Means:
    """By what somebody wants to prove it."""

    otp: str | None
    sign: Path | None
    sealed: bool

    def proof(self, act: str, who: str, gate: "GateView", code: str, report: "Report") -> "Proof":
        """The proof of an answer to a gate."""
        return self._made(act, who, gate.step, code, report, gate.proofs)

    def for_risk(self, who: str, parked: "ParkedStep | None", report: "Report") -> "Proof":
        """The proof of an acceptance of the risk of two writers."""
        if parked is None:
            from workflows.model.proof import Proof

            return Proof()  # The run itself says what is wrong with the code.
        return self._made("accept_split_brain_risk", who, parked.step, parked.risk_code, report, parked.proofs)

    def _made(self, act: str, who: str, step: str, code: str, report: "Report", wanted: Sequence[str]) -> "Proof":
        from workers import control
        from workflows.model.proof import Proof, ProofKind, statement

        if self.sign is not None:
            said = statement(act, who, report.workflow_id, report.run_id, step, code.upper(), report.plan_sha256)
            return control.checked(Proof, signature=_signature(self.sign, said))
        if self.sealed:
            return control.checked(Proof, sealed=(_ask("First sealed code"), _ask("Second sealed code")))
        if self.otp is not None:
            return control.checked(Proof, otp=self.otp)
        if ProofKind.OTP in wanted and sys.stdin.isatty():
            return control.checked(Proof, otp=_ask(f"One-time password of {who}"))
        return Proof()


@dataclass(frozen=True)
class Asker:
    """Who starts a run, and by what they prove it where they have to."""

    who: str | None
    otp: str | None = None
    sign: Path | None = None

    @property
    def name(self) -> str:
        """As they say, or as the machine knows them."""
        return self.who or me()

    async def prove(self, client: "Client", run: str) -> None:
        """Answer a run that asks who started it.

        Raises:
            PermanentError: REJECTED by the run, with why.
        """
        from workers import control

        gate = await control.asked_who(client, run)
        if gate is None:
            return
        report = await control.report(client, run)
        proof = Means(self.otp, self.sign, sealed=False).proof("approve", self.name, gate, gate.code, report)
        await control.approve(client, run, self.name, gate.code, proof=proof)


def _ask(words: str) -> str:
    answer: str = typer.prompt(words, hide_input=True)
    return answer.strip()


def _signature(key: Path, said: str) -> str:
    """By ssh-keygen, which asks for the passphrase or the touch of a token by itself.

    Raises:
        PermanentError: INVALID_INPUT, when it does not sign.
    """
    from workflows.model.failure import Code, PermanentError
    from workflows.model.proof import NAMESPACE

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "statement"
        file.write_text(said, encoding="utf-8")
        try:
            subprocess.run(
                ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", NAMESPACE, str(file)],
                check=True,
                stderr=subprocess.PIPE,
            )
        except (OSError, subprocess.CalledProcessError) as error:
            told = error.stderr.decode(errors="replace").strip()[:200] if hasattr(error, "stderr") else str(error)
            raise PermanentError(
                Code.INVALID_INPUT, f"ssh-keygen did not sign with {key}: {told}", "Nothing was sent."
            ) from None
        return file.with_name("statement.sig").read_text(encoding="utf-8")
