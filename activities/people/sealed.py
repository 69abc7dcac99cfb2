"""Sealed codes: a pair that lies offline, in two envelopes at two people, and opens a gate when nothing else can."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from .register import Seal

_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_GROUPS, _SIZE = 5, 5


def new_pair() -> tuple[str, str]:
    """Two codes of 25 characters, 123 bits each: `7K2QD-...`."""
    return _code(), _code()


def _code() -> str:
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_SIZE)) for _ in range(_GROUPS))


def digest(code: str) -> str:
    """What is kept of a code. Nobody guesses 123 bits, so that no slow hash is needed."""
    plain = "".join(letter for letter in code.upper() if letter.isalnum())
    return hashlib.sha256(f"seawall/sealed/{plain}".encode()).hexdigest()


def opens(codes: Sequence[str], seals: Sequence[Seal]) -> str | None:
    """The mark of the pair that these are, in whichever order; None when they are none."""
    given = sorted(map(digest, codes))
    for seal in seals:
        wanted = sorted(seal.digests)
        if hmac.compare_digest("/".join(given), "/".join(wanted)):
            return hashlib.sha256("/".join(wanted).encode()).hexdigest()[:32]
    return None
