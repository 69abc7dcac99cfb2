"""Time-based one-time passwords (RFC 6238): six digits, 30 s, SHA-1, as every authenticator app has them."""

import hashlib
import hmac
from datetime import datetime

import pyotp

PERIOD = 30
DRIFT = 1
"""Periods in which a telephone's clock, or a slow thumb, may be behind or ahead (RFC 6238, section 5.2)."""
ISSUER = "Seawall"


def new_secret() -> str:
    """160 bits, in base32 (RFC 4226, section 4, requirement 6)."""
    return pyotp.random_base32()


def link(name: str, secret: str) -> str:
    """What the QR code says."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)


def period_of(digits: str, secret: str, at: datetime) -> int | None:
    """The period whose password this is, of those that count now; None when it is of none of them."""
    clock = pyotp.TOTP(secret)
    now = int(at.timestamp()) // PERIOD
    found = None
    for period in range(now - DRIFT, now + DRIFT + 1):
        if hmac.compare_digest(clock.generate_otp(period), digits):
            found = period
    return found


def mark(name: str, period: int) -> str:
    """Of the password of a period: it tells neither the password nor the secret."""
    return hashlib.sha256(f"otp/{name}/{period}".encode()).hexdigest()[:32]
