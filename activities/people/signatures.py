"""SSH signatures, checked by OpenSSH itself against the `allowed_signers` that lie beside the runbooks.

Source: ssh-keygen(1), "ALLOWED SIGNERS", and PROTOCOL.sshsig.
"""

import asyncio
import hashlib
import tempfile
from pathlib import Path

from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.proof import NAMESPACE

ALLOWED_SIGNERS = "allowed_signers"
_PATIENCE = 5.0


async def is_by(name: str, statement: str, signature: str, allowed: Path) -> bool:
    """Whether a key of that person has signed the statement, for this purpose.

    Raises:
        PermanentError: CONFIGURATION, when there is no such file, or no ssh-keygen.
        TemporaryError: UNREACHABLE, when ssh-keygen does not end.
    """
    if not await asyncio.to_thread(allowed.is_file):
        raise PermanentError(
            Code.CONFIGURATION,
            f"There is no file {allowed}, so that no SSH signature can be checked.",
            "Put one line for each approver into it (`NAME KEY`), as ssh-keygen(1) describes it.",
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "signature"
        file.write_text(signature if signature.endswith("\n") else f"{signature}\n", encoding="utf-8")
        words = ("-Y", "verify", "-f", str(allowed), "-I", name, "-n", NAMESPACE, "-s", str(file))
        try:
            process = await asyncio.create_subprocess_exec(
                "ssh-keygen",
                *words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except FileNotFoundError:
            raise PermanentError(
                Code.CONFIGURATION, "ssh-keygen is not installed where the control worker runs.", "Install OpenSSH."
            ) from None
        try:
            await asyncio.wait_for(process.communicate(statement.encode()), _PATIENCE)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise TemporaryError(Code.UNREACHABLE, "ssh-keygen did not answer.", "It is tried again.") from None
    return process.returncode == 0


def mark(signature: str) -> str:
    """Of a signature."""
    return hashlib.sha256("".join(signature.split()).encode()).hexdigest()[:32]
