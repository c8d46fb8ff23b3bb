"""SIGN_IN and the OIDC_ variables: the ways to sign in, and the provider of single sign-on (OpenID Connect).

What cannot work is refused before the server starts: every function raises ImproperlyConfigured that begins with the
variable's name.
"""

from config.environment.given_addresses import is_web_address
from config.environment.variables import PRODUCTION, given, listed, refusal

_WAYS = ["password", "oidc"]
# The length of the column that holds the issuer.
_DISCOVERY = "/.well-known/openid-configuration"
_LONGEST_ISSUER, _LONGEST_NAME = 200, 40


def ways(name: str) -> list[str]:
    """The ways to sign in. Single sign-on needs a provider and what identifies this server to it."""
    if given(name) and not listed(name):
        raise refusal(name, "it lists no way to sign in. Write password, oidc, or both with a comma.")
    found = listed(name) or (_WAYS if given("OIDC_ISSUER") else ["password"])
    for way in found:
        if way not in _WAYS:
            raise refusal(name, f"{way!r} is no way to sign in. Write password, oidc, or both with a comma.")
    if "oidc" in found and not given("OIDC_ISSUER"):
        raise refusal(name, "oidc needs OIDC_ISSUER.")
    for needed in ("OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET"):
        if given("OIDC_ISSUER") and not given(needed):
            raise refusal(needed, "it is missing, and OIDC_ISSUER is set.")
        if given(needed) and not given("OIDC_ISSUER"):
            raise refusal("OIDC_ISSUER", f"it is missing, and {needed} is set.")
    return found


def issuer(name: str) -> str:
    """Exactly as it is written: the provider's tokens are compared with it, letter by letter."""
    address = given(name)
    schemes = ("https",) if PRODUCTION else ("https", "http")
    if address and (set(address) & set("?#@\"'") or not is_web_address(address, *schemes)):
        raise refusal(name, f"it is not an {' or '.join(f'{scheme}://' for scheme in schemes)} address with a host.")
    if address.rstrip("/").endswith(_DISCOVERY):
        raise refusal(name, f"leave out {_DISCOVERY} at its end. The server adds it.")
    if len(address) > _LONGEST_ISSUER or not address.isascii():
        raise refusal(name, f"it may have at most {_LONGEST_ISSUER} characters, all of them ASCII.")
    return address


def provider_name(name: str) -> str:
    """What the button says after "Continue with"."""
    words = given(name) or "single sign-on"
    if len(words) > _LONGEST_NAME or not words.isprintable():
        raise refusal(name, f"it may have at most {_LONGEST_NAME} characters, and no line breaks.")
    return words
