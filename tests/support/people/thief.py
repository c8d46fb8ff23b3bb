"""A thief who has a database or a backup, but no SECRET_KEY, no KEY_RING and no KEY_PEPPERS."""

import re
import zlib
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Iterable, Iterator
from contextlib import suppress

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.urls import reverse

from tests.support.people.accounts import totp_code
from tests.support.people.visitor import Visitor
from tests.support.programs.servers import Server

# The most cookies that are tried: far more than there are session rows.
MOST_COOKIES = 1000


def readable(loot: bytes) -> str:
    """The loot as text, with everything that can be decoded without a key: base64, hex, signed values and packed
    values.
    """
    text = loot.decode("utf-8", "replace")
    opened = [part for word in set(re.findall(r"[\w.:+/=$-]{16,}", text)) for part in _opened(word)]
    return "\n".join([text, *opened])


def _opened(word: str) -> Iterator[str]:
    """Django's signed values are `.base64:time:signature`. The first dot marks a compressed value."""
    for part in {word, *re.split(r"[:.$]", word)}:
        for decode in (_from_base64, bytes.fromhex):
            try:
                content = decode(part)
            except ValueError:
                continue
            yield content.decode("utf-8", "replace")
            with suppress(zlib.error):
                yield zlib.decompress(content).decode("utf-8", "replace")


def _from_base64(text: str) -> bytes:
    plain = text.strip(".").translate(str.maketrans("+/", "-_")).rstrip("=")
    return urlsafe_b64decode(plain + "=" * (-len(plain) % 4))


def cookies_that_work(text: str, server: Server, pages: Iterable[str]) -> list[str]:
    """The values in the text that open a page when they are sent as a session cookie."""
    found = set(re.findall(r"(?<![0-9A-Za-z])[0-9a-z]{32}(?![0-9A-Za-z])", text))
    # The values in columns of session ids, in any format, and parts of them.
    found |= set(re.findall(r"(?:sha256|session)[\w.:$+/=-]{8,60}", text))
    found |= {part for word in list(found) for part in re.split(r"[:.$]", word) if len(part) >= 8}
    assert len(found) <= MOST_COOKIES
    return [value for value in found if any(Visitor(server, sessionid=value).get(page).status == 200 for page in pages)]


def totp_codes(text: str) -> set[str]:
    """The code that an authenticator app would show now for each value that looks like a seed."""
    codes = set()
    for seed in set(re.findall(r"[A-Z2-7]{16,}", text)):
        try:
            codes |= {totp_code(seed, step) for step in (-1, 0, 1)}
        except ValueError:
            continue
    return codes


def recovery_codes(text: str) -> set[str]:
    """The recovery codes that allauth derives from each value that looks like a seed."""
    seeds = set(re.findall(r"(?<![0-9a-f])[0-9a-f]{80}(?![0-9a-f])", text))
    rows = [Authenticator(data={"seed": seed, "used_mask": 0}) for seed in seeds]
    return {code for row in rows for code in RecoveryCodes(row).get_unused_codes()}


def stands_in(secret: str, text: str) -> bool:
    plain = secret.encode()
    encoded = [b64encode(b"x" * shift + plain)[4 if shift else 0 : -4].decode() for shift in range(3)]
    return any(form in text for form in (secret, plain.hex(), *encoded))


SIGNED_IN = [reverse("account_email"), reverse("mfa_authenticate"), reverse("account_confirm_password_reset_code")]
