"""No line of the log holds what the provider sends in the callback's query, whichever method and answer."""

import pytest
from django.test import Client
from django.urls import reverse

from config.logs import mask_secrets
from tests.support.people.lying_provider import begin

CALLBACK = reverse("single_sign_on_callback")
QUERY = "code=gone-in&state=sixty&iss=https://acme.test&session_state=seconds&error_description=it's"
HIDDEN = ["gone-in", "sixty", "acme.test", "seconds", "it's"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", [CALLBACK, CALLBACK.rstrip("/")], ids=["callback", "without slash"])
@pytest.mark.parametrize("more", ["", "&x=%00"], ids=["", "malformed"])
def test_no_method_and_no_bad_request_writes_the_code(method, path, more, provider, lines):
    Client(raise_request_exception=False).generic(method, f"{path}?{QUERY}{more}")
    log = lines.getvalue()
    assert f"request='{method} {path}'" in log, "the line stays whole"
    assert not [word for word in HIDDEN if word in log]


def test_the_error_that_the_provider_names_is_in_the_log_and_nothing_else(client, provider, lines):
    state = begin(client).partition("state=")[2].partition("&")[0]
    client.get(f"{CALLBACK}?error=server_error&error_description=gone-in&state={state}")
    assert "single_sign_on_error_server_error" in lines.getvalue()
    assert "gone-in" not in lines.getvalue()
    assert state not in lines.getvalue()


@pytest.mark.parametrize(
    "address",
    [
        f"{CALLBACK}?{QUERY}",
        f"{CALLBACK.upper()}/?{QUERY}",
        "/elsewhere/?a=1&code=gone-in&token=sixty&id_token=seconds",
    ],
)
def test_a_line_of_any_library_is_masked(address):
    line = mask_secrets(None, "info", f'event="GET {address} HTTP/1.1" more="here"')
    assert not [word for word in HIDDEN if word in line]
    assert 'more="here"' in line
    assert mask_secrets(None, "info", "GET /projects/?page=2&q=code") == "GET /projects/?page=2&q=code"
