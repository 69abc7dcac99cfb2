"""People behind a gateway: the ID token of an OpenID Connect provider says who asks.

Only asymmetric algorithms count: with HS256 among them the provider's public key, which everybody has, would be a
secret to sign with. The provider is asked for its keys only, and those are kept for an hour, so that most outages of it
are not noticed here.
"""

import threading
import time
from typing import Any

import jwt

from workflows.model.failure import Code, PermanentError

ALGORITHMS = ("RS256", "ES256", "EdDSA")
LONGEST = 8192
_CLAIMS = ("iss", "sub", "aud", "exp", "iat")
"""`nbf` is not among them, since most providers send none; where it stands it is obeyed."""
_LEEWAY = 30
_FETCH_SECONDS = 5
_PAUSE_SECONDS = 10


class BadToken(Exception):
    """Why a token counts for nothing, without anything of its content."""


class Oidc:
    """Reads tokens of one issuer, for one audience.

    Args:
        issuer: as the `iss` of tokens has it.
        audience: the client id that tokens are made for.
        keys_url: where the issuer's keys (JWKS) are.
        lifespan: seconds for which the keys are kept.
    """

    def __init__(self, issuer: str, audience: str, keys_url: str, lifespan: float = 3600) -> None:
        self._issuer, self._audience = issuer, audience
        self._keys = jwt.PyJWKClient(keys_url, lifespan=lifespan, timeout=_FETCH_SECONDS)
        self._asking = threading.Lock()
        self._down_until = 0.0

    def identity(self, token: str) -> str:
        """Who the token is of: the address, where the provider has verified it, else the subject.

        Raises:
            BadToken: for a token that counts for nothing.
            PermanentError: UNREACHABLE, when the provider's keys cannot be had.
        """
        if len(token) > LONGEST:
            raise BadToken("The token is too long.")
        claims = self._claims(token)
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != self._audience:
            raise BadToken("The token is for several, and was not given to this one.")
        if claims.get("email_verified") is True and isinstance(claims.get("email"), str):
            return str(claims["email"])
        subject = str(claims["sub"])
        if "@" in subject:
            # Some providers let people choose it: it would pass for somebody's verified address.
            raise BadToken("The address in the token is not verified.")
        return subject

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS or not isinstance(header.get("kid"), str):
                raise BadToken("The token is signed by no algorithm that counts here, or names no key.")
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key(header["kid"]),
                algorithms=list(ALGORITHMS),
                issuer=self._issuer,
                audience=self._audience,
                leeway=_LEEWAY,
                options={"require": list(_CLAIMS)},
            )
        except jwt.ExpiredSignatureError:
            raise BadToken("The token has expired: sign in again.") from None
        except (jwt.PyJWTError, ValueError, TypeError):
            # Its words quote what the token says.
            why = "The token is not of this issuer, not for this audience, or not signed by its keys."
            raise BadToken(why) from None
        return claims

    def _key(self, kid: str) -> jwt.PyJWK:
        # Anybody can send tokens that name a key that nobody has: while the provider is down they do not queue for it.
        with self._asking:
            if time.monotonic() < self._down_until:
                found = self._keys.match_kid(self._keys.get_signing_keys(), kid) if self._kept() else None
                if found is None:
                    raise _unreachable()
                return found
            try:
                return self._keys.get_signing_key(kid)
            except (jwt.PyJWKClientConnectionError, jwt.PyJWKSetError, OSError, ValueError) as error:
                self._down_until = time.monotonic() + _PAUSE_SECONDS
                raise _unreachable() from error

    def _kept(self) -> bool:
        return self._keys.jwk_set_cache is not None and self._keys.jwk_set_cache.get() is not None


def _unreachable() -> PermanentError:
    return PermanentError(
        Code.UNREACHABLE,
        "The identity provider does not answer, so nobody can be known by its tokens.",
        "Answer at the command line: a one-time password, an SSH key and the sealed codes need no identity provider.",
    )
