"""T24: no Authorization header causes a 5xx, hangs, or lets anyone in except in the one right form."""

import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apikeys.secrets import secret_format
from tests.support.calls.api_helpers import RawAnswer, assert_error, get_request, send_raw
from tests.support.stored.statements import assert_statements

pytestmark = pytest.mark.nodb

VERIFY = "/api/v1/verify"
SHARED_FIXTURES = [HealthCheck.function_scoped_fixture]


def is_right(header: str, secret: str) -> bool:
    """RFC 9110, 11.4: the scheme in any case, one or more spaces, the secret, and nothing else."""
    return re.fullmatch("(?i:bearer)[ ]+", header.removesuffix(secret)) is not None and header.endswith(secret)


@pytest.mark.django_db
@settings(suppress_health_check=SHARED_FIXTURES, deadline=None, max_examples=150)
@given(header=st.one_of(st.text(), st.text().map("Bearer {}".format), st.text().map("Bearer lk_{}".format)))
@example("")
@example("Bearer")
@example("Bearer ")
@example("\x00")
@example("Bearer lk_" + "٣" * 36)
@example("Bearer lk_" + "K" * 36)  # KELVIN SIGN, which lower() makes an ASCII letter
@example("Bearer lk_" + "a" * 100_000)
def test_no_text_is_let_in_or_breaks_a_call(client, header):
    """T24"""
    assert_error(client.get(VERIFY, headers={"Authorization": header}), 401, "key_malformed")


@pytest.mark.django_db
@settings(suppress_health_check=SHARED_FIXTURES, deadline=None, max_examples=200)
@given(data=st.data())
def test_the_right_header_with_something_changed_is_refused(client, api_key, data):
    """T24"""
    right = f"Bearer {api_key.secret}"
    start = data.draw(st.integers(0, len(right)))
    end = data.draw(st.integers(start, min(len(right), start + 3)))
    header = right[:start] + data.draw(st.text(max_size=3)) + right[end:]
    answer = client.get(VERIFY, headers={"Authorization": header})
    assert answer.status_code == (204 if is_right(header, api_key.secret) else 401)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/files", VERIFY])
@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER {}", "bEaReR {}", "Bearer  {}"])
def test_every_right_form_is_let_in_everywhere(client, api_key, path, form):
    """RFC 9110, 11.1 and 11.4; T24"""
    assert client.get(path, headers={"Authorization": form.format(api_key.secret)}).status_code in {200, 204}


WRONG = {
    "no scheme": "{}",
    "no space": "Bearer{}",
    "tab": "Bearer\t{}",
    "no-break space": "Bearer\u00a0{}",
    "another scheme": "Token {}",
    "Basic": "Basic {}",
    "scheme twice": "Bearer Bearer {}",
    "twice": "Bearer {0} {0}",
    "twice with comma": "Bearer {0}, Bearer {0}",
    "trailing text": "Bearer {} and more",
    "trailing comma": "Bearer {},",
    "parameter": 'Bearer {}, realm="api"',
    "quotes": 'Bearer "{}"',
    "line feed at the end": "Bearer {}\n",
    "line feed before": "\nBearer {}",
    "NUL at the end": "Bearer {}\x00",
    "percent-encoded": "Bearer%20{}",
    "colon": "Bearer: {}",
    "full-width scheme": "Ｂearer {}",
    "long s in the scheme": "Bearer ſ{}",
}


@pytest.mark.django_db
@pytest.mark.parametrize("form", WRONG.values(), ids=WRONG.keys())
def test_a_good_secret_in_a_wrong_form_is_refused_without_a_query(client, api_key, form):
    """T2, T24"""
    with assert_statements(0):
        answer = client.get(VERIFY, headers={"Authorization": form.format(api_key.secret)})
    assert_error(answer, 401, "key_malformed")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        lambda secret: secret[:-1],
        lambda secret: secret + "0",
        lambda secret: secret[:-1] + ("0" if secret[-1] != "0" else "1"),
        lambda secret: secret.swapcase(),
        lambda secret: secret.replace("lk_", "sk_"),
        lambda secret: secret.replace("lk_", "lk-"),
        lambda secret: "lk_" + secret,
        lambda secret: secret[:3],
        lambda secret: secret[:10] + " " + secret[10:],
        lambda secret: secret[:10] + "•" + secret[11:],
        lambda secret: secret_format.mask(secret, "lk_"),
        lambda secret: "$LATCHKEY_API_KEY",
        lambda secret: "' OR 1=1 --",
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/files", VERIFY])
def test_a_malformed_secret_is_refused_without_a_query(client, api_key, path, change):
    """T2"""
    with assert_statements(0):
        answer = client.get(path, headers={"Authorization": f"Bearer {change(api_key.secret)}"})
    assert_error(answer, 401, "key_malformed")


# The tests from here on send bytes to the real server over a socket.


def assert_refused(answer: RawAnswer) -> None:
    """Latchkey rejects it, or the HTTP server does if it is not HTTP."""
    assert answer.status_code in {400, 401, 431}, answer.status_code
    if answer.status_code == 401:
        assert_error(answer, 401, answer.json()["error"]["code"])


@pytest.fixture
def right(server, api_key) -> bytes:
    return f"Bearer {api_key.secret}".encode()


def test_the_right_header_enters_over_a_socket(server, right):
    """Without this test, every refusal below could have another reason."""
    for header in (right, right.replace(b"Bearer", b"bearer"), right.replace(b"Bearer", b"BEARER")):
        assert send_raw(server, get_request(VERIFY, header)).status_code == 204


def test_white_space_around_a_header_is_no_part_of_it(server, right):
    """RFC 9110, 5.5"""
    for header in (b"  " + right, right + b"  ", b"\t" + right + b"\t"):
        assert send_raw(server, get_request(VERIFY, header)).status_code == 204


# Any byte except a line end, which would end the header.
@pytest.mark.parametrize("place", ["before", "after the scheme", "inside", "at the end"])
def test_no_byte_anywhere_in_the_right_header_enters_or_breaks(server, right, place):
    """T24"""
    at = {"before": 0, "after the scheme": 6, "inside": 20, "at the end": len(right)}[place]
    for byte in sorted(set(range(256)) - {0x0A, 0x0D}):
        header = right[:at] + bytes([byte]) + right[at:]
        answer = send_raw(server, get_request(VERIFY, header))
        # White space at the ends is ignored, and a space after the scheme is a second space.
        if (byte == 0x20 and place != "inside") or (byte == 0x09 and place in {"before", "at the end"}):
            assert answer.status_code == 204
        else:
            assert_refused(answer)


def test_line_ends_in_the_header_do_not_enter(server, right):
    """T24: folded lines, bare CR and LF"""
    scheme, secret = right.split(b" ")
    for end in (b"\r\n ", b"\r\n\t", b"\r ", b"\n ", b"\r", b"\n", b"\r\n"):
        assert_refused(send_raw(server, get_request(VERIFY, scheme + end + secret)))
        assert_refused(send_raw(server, get_request(VERIFY, scheme + b" " + secret[:9] + end + secret[9:])))


def test_more_than_one_header_is_refused(server, right):
    """T24: Latchkey and a gateway might choose different headers."""
    unknown = b"Bearer " + secret_format.generate("lk_").encode()
    for pair in (
        (right, right),
        (right, unknown),
        (unknown, right),
        (b"", right),
        (right, b""),
        (b"Basic eA==", right),
    ):
        assert_refused(send_raw(server, get_request(VERIFY, *pair)))
    assert_refused(send_raw(server, get_request(VERIFY, *[right] * 50)))


@pytest.mark.parametrize("length", [1_000, 8_190, 65_536, 100_000])
def test_a_long_header_is_refused(server, right, length):
    """T24"""
    for header in (b"Bearer " + b"a" * length, right + b"a" * length, right + b" " * length + b"x", b"\xff" * length):
        assert_refused(send_raw(server, get_request(VERIFY, header)))


def test_forms_that_only_look_right_are_refused_over_a_socket(server, right):
    """T24"""
    scheme, secret = right.split(b" ")
    for header in (
        b"",
        scheme,
        scheme + b"\t" + secret,
        scheme + b" \t" + secret,
        right + b" and more",
        right + b", " + right,
        secret,
        "Bearer lk_٣".encode() + secret[4:],
        "Ｂearer ".encode() + secret,
        right.decode().encode("utf-16"),
    ):
        assert_refused(send_raw(server, get_request(VERIFY, header)))


def test_names_that_only_look_like_the_header_are_not_read(server, right):
    for name in (b"Proxy-Authorization", b"X-Authorization", b"Authorization ", b"_Authorization", b"Cookie"):
        request = b"GET /api/v1/verify HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s: %s\r\n\r\n" % (
            name,
            right,
        )
        assert_refused(send_raw(server, request))


def test_a_key_in_the_address_or_a_body_is_not_read(server, right):
    secret = right.split(b" ")[1]
    for name in (b"key", b"api_key", b"access_token", b"Authorization"):
        request = get_request(f"{VERIFY}?{name.decode()}={secret.decode()}")
        assert_error(send_raw(server, request), 401, "key_missing")
        body = name + b"=" + secret
        head = b"POST /api/v1/verify HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n" % len(
            body
        )
        form = b"Content-Type: application/x-www-form-urlencoded\r\n\r\n"
        assert_error(send_raw(server, head + form + body), 401, "key_missing")


# Line ends are left out: the text after a line end would be another header, made by the test.
BYTES = st.binary(max_size=200).map(lambda value: value.translate(None, b"\r\n"))


@settings(suppress_health_check=SHARED_FIXTURES, deadline=None, max_examples=150)
@given(value=BYTES, prefix=st.sampled_from([b"", b"Bearer ", b"Bearer lk_"]))
def test_no_bytes_enter_or_break_over_a_socket(server, value, prefix):
    """T24"""
    assert_refused(send_raw(server, get_request(VERIFY, prefix + value)))


@settings(suppress_health_check=SHARED_FIXTURES, deadline=None, max_examples=50)
@given(values=st.lists(BYTES, min_size=2, max_size=4), at=st.integers(0, 4))
def test_no_bytes_in_headers_beside_the_right_one_enter_or_break(server, right, values, at):
    """T24"""
    assert_refused(send_raw(server, get_request(VERIFY, *values[:at], right, *values[at:])))
