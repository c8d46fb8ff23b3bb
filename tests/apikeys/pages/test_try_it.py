"""Try it: the verdict of the check on a request that nobody makes."""

from itertools import product

import pytest
from django.utils import timezone

from apikeys.bounds.asked import Asked
from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window
from apikeys.bounds.services import limit_project, restrict_key
from apikeys.dry_run.trial import try_request
from apikeys.keys.pausing import pause_key
from apikeys.keys.services import delete_key
from apikeys.limits.models import Budget
from apikeys.models import ApiKey
from apikeys.refusals import METHOD_UNKNOWN
from apikeys.usage import counting
from apikeys.usage.models import KeyUse
from apikeys.verify.verification import verify
from tests.support.places.pages import HTMX, action, text


@pytest.fixture
def client(owner, signed_in):
    return signed_in(owner)


def tried(client, key, **request):
    answer = client.get(action("try", key), {"method": "GET"} | request)
    assert answer.status_code == 200
    return text(answer)


def test_everybody_who_sees_the_key_may_try(api_key, viewer, signed_in):
    client = signed_in(viewer)
    assert "Try it…" in text(client.get(action("key", api_key)))
    form = text(client.get(action("try", api_key)))
    assert "No request is made, and nothing is counted." in form
    assert "Allowed" not in form
    assert "Allowed from 127.0.0.1 Scopes: *" in tried(client, api_key)


@pytest.mark.parametrize(
    ("parts", "request_tried", "words"),
    [
        ({"read_only": True}, {"method": "GET"}, "Allowed"),
        ({"read_only": True}, {"method": "POST"}, "Rejected: 403 read_only This API key is read only."),
        ({"read_only": True}, {"method": "none"}, "Rejected: 403 method_unknown"),
        ({"scopes": ("files:read",)}, {"scope": ["files:read"]}, "Scopes: files:read"),
        ({"scopes": ("files:read",)}, {"scope": ["files:read", "files:write"]}, "the scope files:write"),
        ({"networks": ("198.51.100.0/24",)}, {"address": "198.51.100.7"}, "Allowed from 198.51.100.7"),
        ({"networks": ("198.51.100.0/24",)}, {"address": "::ffff:198.51.100.7"}, "Allowed from 198.51.100.7"),
        ({"networks": ("198.51.100.0/24",)}, {}, "Rejected: 403 address_refused This API key may not be used from 127"),
        # The address comes before the access, as at the check.
        ({"networks": ("198.51.100.0/24",), "read_only": True}, {"method": "POST"}, "403 address_refused"),
    ],
)
def test_the_verdict_is_that_of_the_check(client, api_key, parts, request_tried, words):
    restrict_key(key=api_key, restrictions=Restrictions(**parts), by=None)
    assert words in tried(client, api_key, **request_tried)


EACH = [
    {},
    {"read_only": True},
    {"scopes": ("files:read",)},
    {"networks": ("198.51.100.0/24",)},
    {"networks": ("198.51.100.0/24",), "scopes": ("files:read", "files:write")},
]


@pytest.mark.parametrize("parts", EACH, ids=str)
def test_the_check_itself_says_the_same_in_each_case(api_key, parts):
    """The order of its refusals is written twice, because the check works on plain values."""
    restrict_key(key=api_key, restrictions=Restrictions(**parts), by=None)
    scopes = ((), ("files:read",), ("files:read", "files:write"), ("undefined",))
    for method, scope, address in product(("GET", "POST", None), scopes, ("198.51.100.7", "203.0.113.9", None)):
        asked = Asked(method, scope)
        trial = try_request(api_key, asked, address)
        verdict = verify(f"Bearer {api_key.secret}", address, asked)
        assert (trial.refusal and trial.refusal.code) == verdict.code
        if trial.refusal:
            assert trial.message == (verdict.message or verdict.refusal.message)
        else:
            assert trial.scopes == verdict.identity.scopes


def test_a_rejection_says_what_to_do(client, api_key):
    restrict_key(key=api_key, restrictions=Restrictions(read_only=True), by=None)
    assert f"What to do: {METHOD_UNKNOWN.help}." in tried(client, api_key, method="none")


def test_the_standing_of_the_key_comes_first(client, api_key, owner):
    restrict_key(key=api_key, restrictions=Restrictions(read_only=True), by=None)
    pause_key(key=api_key, by=owner)
    assert "Rejected: 401 key_paused" in tried(client, api_key, method="POST")
    ApiKey.objects.filter(pk=api_key.pk).update(expires_at=timezone.now(), state="active", paused_at=None)
    said = tried(client, api_key)
    assert "Rejected: 401 key_expired This API key expired on" in said
    assert verify(f"Bearer {api_key.secret}", "127.0.0.1").message in said
    delete_key(key=api_key, by=owner)
    assert "Rejected: 401 key_deleted" in tried(client, api_key)


def test_a_key_that_this_release_cannot_read_is_rejected(client, api_key):
    ApiKey.objects.filter(pk=api_key.pk).update(restrictions={"moons": 3})
    assert "Rejected: 503 unavailable" in tried(client, api_key)


def test_limits_are_shown_and_not_used_up(client, api_key, project):
    limits = Limits(Limit(1, Window.MINUTE), Limit(1, Window.MONTH))
    restrict_key(key=api_key, restrictions=Restrictions(limits=limits), by=None)
    limit_project(project=project, limits=Limits(quota=Limit(500, Window.DAY)), by=None)
    for _ in range(3):
        said = tried(client, api_key)
        assert "Allowed" in said
        assert "This key: 1 request a minute, 1 request a month." in said
        assert "All keys of the project together: 500 requests a day." in said
    counting.flush()
    assert not Budget.objects.exists()
    assert not KeyUse.objects.exists()
    api_key.refresh_from_db()
    assert api_key.last_used_at is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"method": "TRACE"}, "Choose one of these."),
        ({"scope": "moon:land"}, "Choose scopes of the list."),
        ({"address": "nonsense"}, "This is no IP address. Write one such as 198.51.100.7 or 2001:db8::7."),
        ({"address": "198.51.100.0/24"}, "This is a network. Write one address of it."),
    ],
)
def test_what_cannot_be_tried_is_answered_beside_its_field(client, api_key, wrong, words):
    answer = client.get(action("try", api_key), {"method": "GET"} | wrong)
    assert answer.status_code == 422
    assert words in text(answer)
    assert "Allowed" not in text(answer)


def test_with_script_it_is_a_part_of_the_page(client, api_key):
    answer = client.get(action("try", api_key), {"method": "GET"}, headers=HTMX)
    assert "<html" not in answer.content.decode()
    assert "Allowed" in text(answer)
    assert "HX-Request" in answer.headers["Vary"]


def test_the_operators_scopes_are_offered_with_their_words(client, api_key, settings):
    settings.SCOPES = {"moon:land": "Land on the moon", "bare": "bare"}
    said = text(client.get(action("try", api_key)))
    assert "moon:land Land on the moon" in said
    assert "bare bare" not in said
    settings.SCOPES = {}
    assert "Scopes that the request needs" not in text(client.get(action("try", api_key)))
