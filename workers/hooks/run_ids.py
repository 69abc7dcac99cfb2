"""Ids of runs that are asked for here: the same for each try of one request, at every server of one gateway."""

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from workers.door import Caller


class RunIds:
    """Makes them by the gateway's key. Who could foretell an id could start a run of that id first, with an input of
    their own, and whoever asks here would be refused.

    Args:
        key: the gateway's; one without it can vouch for nothing anyway.
    """

    def __init__(self, key: Ed25519PrivateKey | None) -> None:
        self._secret = hmac.digest(key.private_bytes_raw() if key else b"-", b"seawall run ids", hashlib.sha256)

    def of(self, operation: str, application: str, caller: Caller, key: str) -> str:
        """The id for the caller's key."""
        asked = "\n".join((operation, caller.how, caller.subject, key, application))
        return f"{operation}/{application}/hook-{hmac.digest(self._secret, asked.encode(), hashlib.sha256).hex()[:20]}"
