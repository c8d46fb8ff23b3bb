import re
import subprocess
import sys
from math import log2
from random import Random
from random import seed as seed_random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeys.secrets import secret_format
from apikeys.secrets.secret_format import CHECKSUM_LENGTH, RANDOM_LENGTH, checksum, generate, is_well_formed, mask
from apikeys.verify.verification import verify
from common.public_ids import BASE62
from tests.support.environment import REPOSITORY
from tests.support.stored.statements import assert_statements

pytestmark = pytest.mark.nodb

SECRET = "lk_7Hq2WdZ5tB0mYc9XrKfVj3LsNe8GaP3dol9X"


def test_no_secret_comes_twice_in_100_000():
    """T1"""
    secrets = {generate("lk_") for _ in range(100_000)}
    assert len(secrets) == 100_000
    assert RANDOM_LENGTH * log2(len(BASE62)) >= 128
    # Every character occurs at every random place, so no place is constant or uses fewer letters.
    for place in range(3, 3 + RANDOM_LENGTH):
        assert {secret[place] for secret in secrets} == set(BASE62)


def test_secrets_do_not_come_from_the_seedable_generator():
    """T1"""
    seed_random(1)
    first = generate("lk_")
    seed_random(1)
    assert generate("lk_") != first


def test_a_secret_is_prefix_30_random_characters_and_6_of_checksum():
    secret = generate("lk_")
    assert secret.startswith("lk_")
    assert len(secret) == 3 + 30 + 6
    assert is_well_formed(secret, "lk_")


def test_the_checksum_is_the_crc32_in_base62():
    # zlib.crc32(b"123456789") is 0xCBF43926, the check value that the CRC catalogue publishes.
    assert checksum("123456789") == "3jZRME"
    assert checksum("") == "000000"


def test_the_secret_that_the_malformed_ones_are_made_of_is_well_formed():
    assert is_well_formed(SECRET, "lk_")


MALFORMED = {
    "no scheme": SECRET,
    "empty": "",
    "other scheme": f"Basic {SECRET}",
    "scheme only": "Bearer",
    "space only": "Bearer ",
    "truncated": f"Bearer {SECRET[:-1]}",
    "one too many": f"Bearer {SECRET}0",
    "other prefix": "Bearer sk_" + SECRET[3:],
    "prefix only": "Bearer lk_",
    "wrong checksum": f"Bearer {SECRET[:-1]}{'a' if SECRET[-1] != 'a' else 'b'}",
    "two values": f"Bearer {SECRET}, Bearer {SECRET}",
    "trailing space": f"Bearer {SECRET} ",
    "trailing newline": f"Bearer {SECRET}\n",
    "quotes": f'Bearer "{SECRET}"',
    "NUL": f"Bearer {SECRET[:-1]}\0",
    "SQL": "Bearer lk_' OR 1=1 --",
    "letters of another script": "Bearer lk_" + "а" * 36,
    "digits of another script": "Bearer lk_" + "٣" * 36,
    "very long": "Bearer lk_" + "a" * 100_000,
}


@pytest.mark.parametrize("header", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_header_is_refused_without_a_query(db, header):
    """T2"""
    with assert_statements(0):
        verdict = verify(header)
    assert verdict.code == "key_malformed"


def test_a_missing_header_is_refused_without_a_query(db):
    """T2"""
    with assert_statements(0):
        assert verify(None).code == "key_missing"


@given(st.text(max_size=60))
def test_random_text_after_the_prefix_is_refused_without_a_query(text):
    """T2: this test may not use the database, so a query would fail."""
    assert verify(f"Bearer lk_{text}").code == "key_malformed"


@given(st.integers(min_value=0, max_value=38), st.sampled_from(BASE62), st.randoms(use_true_random=False))
def test_one_mistyped_character_is_noticed(place, character, random: Random):
    """CRC32 detects every burst of up to 32 bits, so it detects every changed character."""
    body = "lk_" + "".join(random.choices(BASE62, k=RANDOM_LENGTH))
    secret = body + checksum(body)
    mistyped = secret[:place] + character + secret[place + 1 :]
    assert is_well_formed(mistyped, "lk_") == (mistyped == secret)


def test_the_mask_shows_four_characters_at_each_end_whatever_the_prefix():
    assert mask(SECRET, "lk_") == "lk_7Hq2••••••••ol9X"
    assert mask(generate("acme_"), "acme_").startswith("acme_")
    hidden = 2 * 4 * log2(len(BASE62))
    assert RANDOM_LENGTH * log2(len(BASE62)) - hidden >= 128
    assert CHECKSUM_LENGTH > secret_format.SHOWN


def test_the_scanner_of_the_documentation_tells_a_secret_from_a_look_alike():
    """The scanner's code is read from docs/security.md."""
    scanner = re.search(r"```python\n(.*?)```", (REPOSITORY / "docs" / "security.md").read_text(), re.DOTALL)
    assert scanner
    secrets = [generate("lk_") for _ in range(20)]
    look_alikes = [secret[:-1] + ("a" if secret[-1] != "a" else "b") for secret in secrets]
    text = "\n".join(f'KEY="{secret}" {other} x{secret}' for secret, other in zip(secrets, look_alikes, strict=True))
    command = [sys.executable, "-c", scanner[1]]
    found = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    assert found.split() == secrets
