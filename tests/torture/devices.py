"""What people prove themselves by: each has an authenticator app and an SSH key. Every proof that a device has made is
kept for the judge: what no device made is no proof, whatever the engine took it for."""

import asyncio
import subprocess
import time
from pathlib import Path

import pyotp

from activities.people import otp
from tests.support.bed import Crew
from workflows.model.proof import NAMESPACE


class Devices:
    """Everybody's, in one scenario."""

    def __init__(self, crew: Crew) -> None:
        self.made: dict[str, list[str]] = {}
        """Proofs, by the person whose device made them."""
        self.taken: dict[str, str] = {}
        """The last password of each person that a run took."""
        self._crew = crew

    def password(self, name: str) -> str | None:
        """One that counts now, and that this person has not given yet; None when there is none left."""
        phone, made = self._phone(name), self.made.setdefault(name, [])
        # That of the half minute to come first: it stays good longest on a machine that is busy.
        for later in (otp.PERIOD, 0):
            digits = phone.at(time.time() + later)
            if digits not in made:
                made.append(digits)
                return digits
        return None

    def guess(self, name: str) -> str:
        """A password that never was one, of no minute around this one."""
        phone, now = self._phone(name), time.time()
        near = {phone.at(now + otp.PERIOD * number) for number in range(-5, 6)}
        return next(digits for digits in (f"{number:06}" for number in range(1000)) if digits not in near)

    async def signature(self, name: str, said: str) -> str:
        """Under a statement, by that person's key."""
        words = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(await asyncio.to_thread(self._key, name)), "-n", NAMESPACE]
        found = await asyncio.to_thread(subprocess.run, words, input=said.encode(), check=True, capture_output=True)
        made: str = found.stdout.decode()
        self.made.setdefault(name, []).append(made)
        return made

    def _phone(self, name: str) -> pyotp.TOTP:
        people = self._crew.people
        if people.otp_secret(name) is None:
            people.enrol(name, otp.new_secret())
        return pyotp.TOTP(people.otp_secret(name) or "")

    def _key(self, name: str) -> Path:
        file = self._crew.signers.with_name(f"key-of-{name}")
        if not file.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
            with self._crew.signers.open("a", encoding="utf-8") as signers:
                signers.write(f"{name} {file.with_suffix('.pub').read_text(encoding='utf-8')}")
        return file
