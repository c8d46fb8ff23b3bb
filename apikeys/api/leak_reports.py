"""Reports of leaked secrets: which parts of a report are kept, and the signature of GitHub's secret scanning."""

import binascii
import json
import re
from base64 import b64decode
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from apikeys.secrets import secret_format

LONGEST_SOURCE = 500

# Only the characters of RFC 3986: none that is invisible, reverses the line or looks like another letter.
_WEB_ADDRESS = re.compile(r"https?://[0-9A-Za-z\-._~:/?#\[\]@!$&'()*+,;=%]+")

GithubKeys = dict[str, EllipticCurvePublicKey]


def clean_source(text: str) -> str:
    """`text` if it is a web address that may stand in an email, else "": a stranger chooses it.

    It has at most 500 characters, is http or https, and contains neither a user name nor a secret.
    """
    text = text.strip()
    if len(text) > LONGEST_SOURCE or not _WEB_ADDRESS.fullmatch(text):
        return ""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return ""
    if not host or "@" in parts.netloc or secret_format.occurs_in(unquote(text), settings.KEY_PREFIX):
        return ""
    return text


@lru_cache(maxsize=4)
def parse_github_keys(document: str) -> GithubKeys:
    """The keys by their identifiers, from the JSON document that GitHub publishes; none for an empty document.

    Retired keys count too, because a report that they signed may still arrive. Raises ImproperlyConfigured.
    """
    if not document:
        return {}
    try:
        keys = {key["key_identifier"]: load_pem_public_key(key["key"].encode()) for key in _listed(document)}
    except (ValueError, KeyError, TypeError, AttributeError, UnsupportedAlgorithm) as error:
        raise ImproperlyConfigured(
            'It is not GitHub\'s document: {"public_keys": [{"key_identifier": …, …}]}.'
        ) from error
    github: GithubKeys = {}
    for identifier, key in keys.items():
        if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
            raise ImproperlyConfigured("GitHub signs with ECDSA on the curve P-256; one of the keys is another kind.")
        github[str(identifier)] = key
    if not github:
        raise ImproperlyConfigured("It lists no key.")
    return github


def _listed(document: str) -> list[dict[str, str]]:
    listed: list[dict[str, str]] = json.loads(document)["public_keys"]
    return listed


def is_signed_by_github(body: bytes, *, identifier: str, signature: str, keys: GithubKeys) -> bool:
    """Whether `signature` (base64) signs exactly the bytes of `body` with the key that `identifier` names.

    docs.github.com, "Secret scanning partner program": ECDSA-NIST-P256V1-SHA256.
    """
    key = keys.get(identifier)
    if key is None:
        return False
    try:
        key.verify(b64decode(signature, validate=True), body, ECDSA(SHA256()))
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
