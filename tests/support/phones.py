"""Authenticator apps of people."""

import time

import pyotp

from activities.people import otp
from tests.support.bed import Bed


class Phone:
    """Somebody's authenticator app."""

    def __init__(self, b: Bed, name: str) -> None:
        self.name, self._clock = name, pyotp.TOTP(otp.new_secret())
        b.crew.people.enrol(name, self._clock.secret)

    def shows(self, later: float = 0) -> str:
        """The six digits, now or so many seconds from now."""
        return self._clock.at(time.time() + later)
