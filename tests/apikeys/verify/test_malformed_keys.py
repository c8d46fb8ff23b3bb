"""`key_malformed` names the fault and repeats nothing of the header."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeys.secrets import secret_format
from apikeys.verify import malformed
from tests.support.calls.api_helpers import assert_error

FAULTS = {
    "": "is empty, or holds characters that no key has",
    "Bearer": "no key after 'Bearer'",
    "Bearer   ": "no key after 'Bearer'",
    "Basic {}": "user name and password",
    "Basic YWRhOnNlY3JldA==": "user name and password",
    "{}": "The word 'Bearer' is missing",
    '"{}"': "The word 'Bearer' is missing",
    "Token {}": "does not begin with 'Bearer'",
    "ApiKey {}": "does not begin with 'Bearer'",
    "Bearer: {}": "one space",
    "Bearer{}": "one space",
    "Bearer%20{}": "one space",
    "Bearer Bearer {}": "'Bearer' is there twice",
    "Bearer bearer {}": "'Bearer' is there twice",
    'Bearer "Bearer {}"': "'Bearer' is there twice",
    'Bearer "{}"': "quotes",
    "Bearer '{}'": "quotes",
    "Bearer “{}”": "quotes",
    'Bearer {}"': "quotes",
    "Bearer {mask}": "short form with dots",
    "Bearer {start}…{end}": "short form with dots",
    "Bearer {start}...{end}": "short form with dots",
    "Bearer {start}****{end}": "short form with dots",
    "Bearer $LATCHKEY_API_KEY": "a variable or a placeholder",
    "Bearer ${{LATCHKEY_API_KEY}}": "a variable or a placeholder",
    "Bearer {{{{ api_key }}}}": "a variable or a placeholder",
    "Bearer <key>": "a variable or a placeholder",
    "Bearer {0}, Bearer {0}": "more than one value",
    "Bearer {},": "more than one value",
    "Bearer {start} {end}": "white space within the key",
    "Bearer {} and more": "white space within the key",
    "Bearer {start}\u00a0{end}": "white space within the key",
    "Bearer {}\r": "control character",
    "Bearer {}\n": "control character",
    "Bearer\t{}": "control character",
    "Bearer {start}\x00{end}": "control character",
    "Bearer sk_live_4eC39HqLyjWDarjtT1zdp7dc": "begin with 'lk_'",
    "Bearer ghp_abcdefghijklmnopqrstuvwxyz0123456789": "begin with 'lk_'",
    "Bearer eyJhbGciOiJIUzI1NiJ9.e30.abc": "begin with 'lk_'",
    "Bearer LK_{rest}": "begin with 'lk_'",
    "Bearer {}.": "characters that no key has",
    "Bearer lk_٣{rest}": "characters that no key has",
    "Bearer {cut}": "cut off: it has 38 of 39 characters",
    "Bearer lk_": "cut off: it has 3 of 39 characters",
    "Bearer {}{}": "too long",
    "Bearer lk_{}": "too long",
    "Bearer {wrong}": "checksum",
}


def header_of(form: str, secret: str) -> str:
    parts = {"start": secret[:12], "end": secret[-4:], "cut": secret[:-1], "rest": secret[3:]}
    parts["mask"] = secret_format.mask(secret, "lk_")
    parts["wrong"] = secret[:-1] + ("0" if secret[-1] != "0" else "1")
    return form.replace("{}", "{0}").format(secret, **parts)


def as_sent(header: str) -> str:
    """WSGI decodes the UTF-8 bytes of a request as Latin-1."""
    return header.encode().decode("latin-1")


@pytest.mark.django_db
@pytest.mark.parametrize("form", FAULTS)
def test_the_message_names_the_fault_and_repeats_nothing(client, api_key, form):
    header = header_of(form, api_key.secret)
    # Parts of the header that could belong to a secret.
    words = {header[at : at + 6] for at in range(len(header) - 5)} - {"Bearer", "bearer", "Author", "Basic "}
    for path in ("/api/v1/verify", "/api/v1/verify/v1/orders", "/api/v1/me", "/api/v1/files"):
        answer = client.get(path, headers={"Authorization": as_sent(header)})
        message = assert_error(answer, 401, "key_malformed")
        assert FAULTS[form] in message
        leaked = [word for word in words if re.fullmatch(r"[0-9A-Za-z]{6}", word) and word in message]
        assert leaked == []


@given(header=st.one_of(st.text(max_size=400), st.text(max_size=60).map("Bearer lk_{}".format)))
def test_every_header_has_its_sentence(header):
    message = malformed.fault_of(header, "lk_")
    assert message.isascii()
    assert message.endswith(".")


def test_a_long_header_takes_no_longer():
    """Only a limited part of the header is read."""
    long, longer = ("Bearer lk_" + "a" * length for length in (290, 10_000_000))
    assert malformed.fault_of(long, "lk_") == malformed.fault_of(longer, "lk_")
