"""The most likely fault of an Authorization header that contains no key, in a sentence. Pure functions.

No message repeats any part of the header, because it may be most of a secret.
"""

import re

from apikeys.secrets import secret_format

# No key is longer, and a client can send 64 KiB.
_READ = 300
_QUOTES = "\"'`\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"
_EMPTY = "There is no key after 'Bearer'. Check that the variable that holds the key is set."
# granian also passes "" for a header that is not ASCII.
_UNREADABLE = (
    "The Authorization header is empty, or holds characters that no key has, as the dots of the short form that pages "
    "show. Copy the key itself."
)
_TWICE = "'Bearer' is there twice. The variable that holds the key contains the word already: remove one of the two."
_QUOTED = "The key has quotes around it. Remove them, also from the file or the setting that it is read from."
_MASKED = (
    "This is the short form with dots that pages show in place of a key. Copy the key itself, or create a new one."
)
_VARIABLE = "This is the name of a variable or a placeholder, and not its value. Put the key in its place."
_SEVERAL = "There is more than one value. Send one Authorization header with one key."
_SPACE = "There is white space within the key. Copy it again, in one piece."
_CONTROL = (
    "The header holds a tab, a line end or another control character. Read the key without the line end of its file."
)
_CHARACTERS = "The key has characters that no key has: it consists of letters, digits and '_'. Copy it again."
_CHECKSUM = "A character of the key is wrong or in the wrong place: its checksum does not fit. Copy the key again."


def fault_of(authorization: str, prefix: str) -> str:
    """The message for the sender of this header, which `verification` found malformed; `prefix` is KEY_PREFIX."""
    if not authorization:
        return _UNREADABLE
    text = _as_utf_8(authorization[:_READ]).strip(" ")
    if re.search(r"[\x00-\x1f\x7f]", text):
        return _CONTROL
    scheme, _, rest = text.partition(" ")
    key = rest.strip(" ")
    return _fault_of_scheme(scheme.lower(), key, prefix) or _fault_of_key(key, prefix)


def _as_utf_8(text: str) -> str:
    """WSGI gives the header's bytes as Latin-1."""
    try:
        return text.encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return text


def _fault_of_scheme(scheme: str, key: str, prefix: str) -> str:
    if scheme in {"", "bearer"}:
        return "" if key else _EMPTY
    if scheme == "basic":
        return "The key was sent as user name and password (Basic). Send 'Authorization: Bearer <key>'."
    if scheme.lstrip(_QUOTES).startswith(prefix.lower()) and not key:
        return "The word 'Bearer' is missing before the key. Send 'Authorization: Bearer <key>'."
    if scheme.startswith("bearer"):
        return "Write 'Bearer', one space and the key, with nothing else between them."
    return "The header does not begin with 'Bearer'. Send 'Authorization: Bearer <key>'."


def _fault_of_key(key: str, prefix: str) -> str:
    bare = key.strip(_QUOTES)
    if re.match(r"(?i)bearer\b", bare):
        return _TWICE
    if bare != key:
        return _QUOTED
    if re.search("[•●∙·*…]|\\.\\.\\.", key):
        return _MASKED
    if re.match(r"[$<{%]", key):
        return _VARIABLE
    if "," in key:
        return _SEVERAL
    if re.search(r"\s", key):
        return _SPACE
    return _fault_of_length(key, prefix)


def _fault_of_length(key: str, prefix: str) -> str:
    whole = len(prefix) + secret_format.RANDOM_LENGTH + secret_format.CHECKSUM_LENGTH
    if not key.startswith(prefix):
        return f"Keys of this server begin with '{prefix}', and this one does not. Check which service it belongs to."
    if re.search("[^0-9A-Za-z_]", key):
        return _CHARACTERS
    if len(key) < whole:
        return f"The key is cut off: it has {len(key)} of {whole} characters. Copy it again."
    if len(key) > whole:
        return f"The key is too long: a key has {whole} characters. Copy it again, once and alone."
    return _CHECKSUM
