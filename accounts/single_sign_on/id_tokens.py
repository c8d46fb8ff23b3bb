"""Judges an ID token (OpenID Connect Core 1.0, 3.1.3.7): signature, issuer, audience, times and nonce.

allauth checks neither the nonce nor the signature of a token that comes from the token endpoint.
"""

import hmac
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import jwt

from accounts.single_sign_on.problems import Refused

# Signatures with a public key. No "none", and no HS256, for which the public key would be the secret.
ALGORITHMS = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
# How far the provider's clock may differ from ours.
LEEWAY_SECONDS = 60
# When a person signed in at the provider decides whether they may copy a key, so less is allowed there.
AUTH_TIME_LEEWAY_SECONDS = 10
LONGEST_SUBJECT = 255  # OpenID Connect Core 1.0, 2
# The length of the column that holds the subject.
_LONGEST_ID = 191

Keys = Callable[[bool], list[dict[str, Any]]]


def claims_of(token: Any, *, keys: Keys, issuer: str, client_id: str, nonce: str) -> dict[str, Any]:
    """The token's claims; `keys(True)` asks the provider again. Raises Refused, with the reason, for any other token
    than one of this provider, for us, and for this sign-in.
    """
    claims = _signed(token, keys, issuer, client_id)
    audience = claims["aud"]
    if isinstance(audience, list) and len(audience) > 1 and "azp" not in claims:
        raise Refused("azp")
    if claims.get("azp", client_id) != client_id:
        raise Refused("azp")
    if not hmac.compare_digest(ascii(claims.get("nonce")), ascii(nonce)):
        raise Refused("nonce")
    if not _is_subject(claims.get("sub")):
        raise Refused("subject")
    return claims


def id_of(subject: str) -> str:
    """The subject as it is stored: itself, or a digest if the column is too short for it. Subjects are ASCII, so none
    looks like a digest.
    """
    return subject if len(subject) <= _LONGEST_ID else f"sha256§{sha256(subject.encode()).hexdigest()}"


def authenticated_at(claims: dict[str, Any]) -> float:
    """When the person last proved to the provider who they are; 0 if the provider does not say, or says nonsense. Never
    later than now.
    """
    found, now = claims.get("auth_time"), time.time()
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found <= now + AUTH_TIME_LEEWAY_SECONDS:
        return 0.0
    return min(float(found), now)


def _signed(token: Any, keys: Keys, issuer: str, client_id: str) -> dict[str, Any]:
    try:
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise Refused("algorithm")
        key = _key(header, algorithm, keys(False)) or _key(header, algorithm, keys(True))
        if key is None:
            raise Refused("unknown_key")
        try:
            return _decoded(token, key, algorithm, issuer, client_id)
        except jwt.InvalidSignatureError:
            # The provider may have replaced the key under the same name.
            newer = _key(header, algorithm, keys(True))
            if newer is None:
                raise
            return _decoded(token, newer, algorithm, issuer, client_id)
    except jwt.PyJWTError as error:
        raise Refused(type(error).__name__) from error
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Refused("malformed") from error


def _decoded(token: Any, key: jwt.PyJWK, algorithm: str, issuer: str, client_id: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=[algorithm],
        issuer=issuer,
        audience=client_id,
        leeway=LEEWAY_SECONDS,
        options={"require": ["iss", "sub", "aud", "exp", "iat"]},
    )
    return claims


def _key(header: dict[str, Any], algorithm: str, listed: list[dict[str, Any]]) -> jwt.PyJWK | None:
    """The key that the header names. A header without a name can only mean a provider's only key."""
    fitting = [key for key in listed if key.get("use", "sig") == "sig" and key.get("alg", algorithm) == algorithm]
    if "kid" in header:
        fitting = [key for key in fitting if key.get("kid") == header["kid"]]
    if len(fitting) != 1 or fitting[0].get("kty") not in {"RSA", "EC", "OKP"}:
        return None
    return jwt.PyJWK.from_dict(fitting[0], algorithm)


def _is_subject(text: Any) -> bool:
    """A subject is ASCII (OpenID Connect Core 1.0, 2)."""
    return isinstance(text, str) and 0 < len(text) <= LONGEST_SUBJECT and text.isascii() and text.isprintable()
