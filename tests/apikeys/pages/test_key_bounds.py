"""What a key may do, on the pages: chosen at creation, changed on Edit, and shown wherever the key is."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from apikeys.bounds.restrictions import (
    UNRESTRICTED,
    Limit,
    Limits,
    Restrictions,
    Window,
    column_of,
    gives_more,
    written,
)
from apikeys.bounds.services import limit_project, restrict_key
from apikeys.limits.models import Budget
from apikeys.limits.reserving import starts_of
from apikeys.models import ApiKey
from apikeys.pages.bounds.bound_forms import initial_of
from apikeys.verify.verification import verify
from projects.models import Project
from tests.support.people.sessions import age
from tests.support.places.pages import HTMX, action, page, text

pytestmark = pytest.mark.django_db

RESTRICTED = Restrictions(
    False,
    ("files:read",),
    ("198.51.100.7/32", "203.0.113.0/24"),
    Limits(Limit(100, Window.MINUTE), Limit(10_000, Window.MONTH)),
)
# The same as people fill it in.
FIELDS: dict[str, Any] = {
    "access": "scopes",
    "scopes": ["files:read"],
    "networks": "198.51.100.7\n\n 203.0.113.0/24 ",
    "rate": "100",
    "rate_window": "minute",
    "quota": "10,000",
    "quota_window": "month",
}
NUMBER = "A limit is a whole number from 1 to 1,000,000,000,000,000. To reject every request, pause the key."
# What nobody may choose, with the words beside its field.
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a hundred networks": (
        {"networks": "\n".join(f"10.0.{number}.0/24" for number in range(100))},
        "Give at most 50 networks. These are 100.",
    ),
    "host bits": ({"networks": "10.0.0.1/8"}, "Write 10.0.0.0/8, or the address alone."),
    "every address": ({"networks": "::/0"}, "Leave the field empty to allow any address."),
    "half an address": ({"networks": "1.2.3"}, "is no address and no network."),
    "a rate of 0": ({"rate": "0"}, NUMBER),
    "a rate below 0": ({"rate": "-1"}, NUMBER),
    "a rate of 10^18": ({"rate": str(10**18)}, NUMBER),
    "a rate of words": ({"rate": "plenty"}, NUMBER),
    "half a request": ({"quota": "1.5"}, NUMBER),
    "a comma that is no thousand": ({"quota": "1,5"}, NUMBER),
    "an underscore": ({"rate": "1_000"}, NUMBER),
    "digits of another script": ({"rate": "١٠٠"}, NUMBER),
    "two halves of every address": ({"networks": "0.0.0.0/1\n128.0.0.0/1"}, "these networks are every IPv4 address"),
    "a rate a month": ({"rate": "5", "rate_window": "month"}, "Choose one of these."),
    "no scope": ({"access": "scopes"}, "Choose at least one scope."),
    "scopes with spaces": ({"access": "scopes", "scopes": ["files:read files:write"]}, "There is no scope"),
    "a scope that nobody defined": ({"access": "scopes", "scopes": ["orders:read"]}, "There is no scope"),
    "an access that nobody offered": ({"access": "root"}, "Choose one of these."),
}
# What the page of a new key sends if nothing is chosen.
NOTHING_CHOSEN = initial_of(UNRESTRICTED) | {"rate_window": "minute", "quota_window": "month"}
EITHER_WAY = pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "without script"])


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


def restrict(key: ApiKey, restrictions: Restrictions) -> None:
    restrict_key(key=key, restrictions=restrictions, by=None)


def bounds_of(key: ApiKey) -> Restrictions:
    return ApiKey.objects.get(pk=key.pk).bounds


def create(client: Client, project: Project, **fields: Any) -> Any:
    return client.post(page("apikeys:create", project), {"name": "Staging", **NOTHING_CHOSEN, **fields})


def edit(client: Client, key: ApiKey, saw: Restrictions, **fields: Any) -> Any:
    given = {"name": key.name, "seen_bounds": written(saw), **NOTHING_CHOSEN, **initial_of(saw), **fields}
    headers = {"Referer": "http://testserver" + action("key", key), **fields.pop("headers", {})}
    given.pop("headers", None)
    return client.post(action("edit", key), given, headers=headers)


@pytest.fixture
def spent(api_key) -> Callable[[int], None]:
    """Gives the key a quota of so many requests a month, and uses it up."""

    def spend(amount: int) -> None:
        restrict(api_key, Restrictions(limits=Limits(quota=Limit(amount, Window.MONTH))))
        for _ in range(amount):
            assert verify(f"Bearer {api_key.secret}").identity

    return spend


def test_a_new_key_gets_what_was_chosen_under_options(client, project):
    create(client, project, **FIELDS)
    assert project.api_keys.get(name="Staging").bounds == RESTRICTED


def test_without_a_choice_a_new_key_may_do_everything(client, project):
    create(client, project, access="full", scopes=["files:read"], networks=" \n", rate="", quota="")
    assert project.api_keys.get(name="Staging").restrictions is None


@EITHER_WAY
@pytest.mark.parametrize(("fields", "words"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_is_refused_beside_its_field_and_stays_typed(headers, fields, words, client, project, api_key):
    answers = [
        client.post(page("apikeys:create", project), {"name": "Typed", **NOTHING_CHOSEN, **fields}, headers=headers),
        edit(client, api_key, UNRESTRICTED, name="Typed", headers=headers, **fields),
    ]
    for answer in answers:
        said = answer.content.decode()
        assert answer.status_code == 422
        assert words in text(answer)
        assert '<details class="options" open>' in said
        assert 'value="Typed"' in said
        assert str(fields.get("networks") or fields.get("rate") or "") in said
    assert not project.api_keys.exclude(pk=api_key.pk).exists()
    assert (bounds_of(api_key), ApiKey.objects.get(pk=api_key.pk).name) == (UNRESTRICTED, "Production server")


@EITHER_WAY
def test_edit_changes_name_and_restrictions_together(headers, client, api_key):
    answer = edit(client, api_key, UNRESTRICTED, name="Renamed", headers=headers, **FIELDS)
    said = text(answer if headers else client.get(answer.headers["Location"]))
    assert "Renamed: 1 scope, 2 networks, 100/minute, 10,000/month." in said
    api_key.refresh_from_db()
    assert (api_key.name, api_key.bounds) == ("Renamed", RESTRICTED)
    assert api_key.events.filter(kind__in=["access_changed", "networks_changed", "limits_changed"]).count() == 3


def test_a_taken_name_keeps_the_restrictions_as_they_were(client, project, api_key, owner):
    create(client, project)
    answer = edit(client, api_key, UNRESTRICTED, name="Staging", access="read")
    assert answer.status_code == 422
    assert bounds_of(api_key) == UNRESTRICTED


def test_edit_shows_what_the_key_has_and_an_untouched_form_changes_nothing(client, api_key):
    restrict(api_key, RESTRICTED)
    said = client.get(action("edit", api_key)).content.decode()
    assert '<details class="options" open>' in said
    assert "198.51.100.7\n203.0.113.0/24</textarea>" in said
    edit(client, api_key, RESTRICTED, name="Renamed")
    assert bounds_of(api_key) == RESTRICTED
    assert not api_key.events.filter(kind="limits_changed", by__isnull=False).exists()


def test_a_form_of_an_older_page_leaves_the_restrictions(client, api_key):
    restrict(api_key, RESTRICTED)
    client.post(action("edit", api_key), {"name": "Renamed"})
    assert (bounds_of(api_key), ApiKey.objects.get(pk=api_key.pk).name) == (RESTRICTED, "Renamed")


NO_QUOTA = {"rate": "5", "rate_window": "minute", "quota": "", "quota_window": "month"}


@EITHER_WAY
@pytest.mark.parametrize("seen", [{}, {"seen_bounds": ""}], ids=["no field", "empty"])
def test_what_was_typed_into_a_form_that_does_not_say_what_it_showed_is_not_lost(headers, seen, client, api_key):
    restrict(api_key, Restrictions(networks=("192.0.2.0/24",)))
    typed = {"name": "Renamed", **seen, "access": "full", "networks": "192.0.2.0/24", **NO_QUOTA}
    answer = client.post(action("edit", api_key), typed, headers=headers)
    assert answer.status_code == 422
    said = "This form was out of date. Nothing was changed. It is now: 1 network. Check it, then press Save again."
    assert said in text(answer)
    form = answer.context["edit_form"]
    assert (form["name"].value(), form["rate"].value()) == ("Renamed", "5")
    assert ApiKey.objects.get(pk=api_key.pk).name == "Production server"
    again = typed | {"seen_bounds": form["seen_bounds"].value()}
    client.post(action("edit", api_key), again, headers=headers)
    assert bounds_of(api_key).limits == Limits(rate=Limit(5, Window.MINUTE))


def test_a_form_that_chooses_what_the_key_has_is_saved_without_saying_what_it_showed(client, api_key):
    assert client.post(action("edit", api_key), {"name": "Renamed", "access": "full"}).status_code == 302


# What a page always sends, and what each must not mean if it is left out or empty.
LEFT_OUT = "The form came without this field. Nothing was changed. Reload the page and try again."
CHOOSE = "Choose one of these."
MISSING = [("access", CHOOSE), *((name, LEFT_OUT) for name in ("networks", "rate", "quota"))]
MISSING += [(name, CHOOSE) for name in ("rate_window", "quota_window")]


@EITHER_WAY
@pytest.mark.parametrize(("field", "words"), MISSING)
def test_a_field_that_is_left_out_is_no_wish_for_no_restriction(headers, field, words, client, project, api_key):
    restrict(api_key, RESTRICTED)
    whole = {"name": "Typed", "seen_bounds": written(RESTRICTED), **FIELDS}
    del whole[field]
    for address in (action("edit", api_key), page("apikeys:create", project)):
        answer = client.post(address, whole, headers=headers)
        form = answer.context["edit_form" if "edit_form" in answer.context else "create_form"]
        assert (answer.status_code, form.errors) == (422, {field: [words]})
        assert words in text(answer)
    assert bounds_of(api_key) == RESTRICTED
    assert not project.api_keys.exclude(pk=api_key.pk).exists()


@pytest.mark.parametrize("field", ["access", "rate_window", "quota_window"])
def test_a_choice_that_is_empty_is_none(field, client, project, api_key):
    restrict(api_key, RESTRICTED)
    answers = [edit(client, api_key, RESTRICTED, **{field: ""}), create(client, project, **FIELDS | {field: ""})]
    assert [(answer.status_code, CHOOSE in text(answer)) for answer in answers] == [(422, True)] * 2
    assert bounds_of(api_key) == RESTRICTED
    assert not project.api_keys.exclude(pk=api_key.pk).exists()


def test_a_form_without_any_of_its_fields_gives_nothing(client, api_key):
    restrict(api_key, RESTRICTED)
    answer = client.post(action("edit", api_key), {"name": "Renamed", "seen_bounds": written(RESTRICTED)})
    assert answer.status_code == 422
    assert (bounds_of(api_key), ApiKey.objects.get(pk=api_key.pk).name) == (RESTRICTED, "Production server")


def test_save_that_is_pressed_twice_is_answered_as_done_both_times(client, api_key):
    twice = [edit(client, api_key, UNRESTRICTED, **FIELDS) for _ in range(2)]
    for answer in twice:
        assert answer.status_code == 302
    said = text(client.get(twice[1].headers["Location"]))
    assert "Production server: 1 scope, 2 networks, 100/minute, 10,000/month." in said
    assert bounds_of(api_key) == RESTRICTED
    assert api_key.events.filter(kind="access_changed").count() == 1


@pytest.mark.parametrize("field", ["networks", "scopes", "rate", "quota_window", "access", "seen_bounds"])
def test_a_secret_that_is_pasted_into_a_field_comes_back_in_no_answer(field, client, api_key):
    fields = {"access": "scopes", "scopes": ["files:read"], field: api_key.secret}
    answer = edit(client, api_key, UNRESTRICTED, **fields)
    assert answer.status_code == 422
    assert api_key.secret[3:33] not in answer.content.decode()
    again = client.post(action("end", api_key), {"name": "Staging", "ask": "yes", **fields})
    assert api_key.secret[3:33] not in again.content.decode()


def test_nobody_undoes_a_change_that_they_did_not_see(client, api_key):
    restrict(api_key, Restrictions(networks=("192.0.2.0/24",)))
    answer = edit(client, api_key, UNRESTRICTED, name="Renamed", access="read", networks="198.51.100.7")
    said = text(answer)
    assert answer.status_code == 422
    assert "Somebody changed what the key may do in the meantime. Nothing was changed. It is now: 1 network." in said
    assert "198.51.100.7</textarea>" in answer.content.decode()
    assert bounds_of(api_key) == Restrictions(networks=("192.0.2.0/24",))
    again = edit(client, api_key, bounds_of(api_key), access="read", networks="198.51.100.7")
    assert again.status_code == 302
    assert bounds_of(api_key) == Restrictions(read_only=True, networks=("198.51.100.7/32",))


def test_a_form_that_says_nonsense_of_what_it_showed_changes_nothing(client, api_key):
    for nonsense in ("{", "[]", '{"access": 7}', '{"rate": [0, "minute"]}', "7"):
        answer = edit(client, api_key, UNRESTRICTED, seen_bounds=nonsense, access="read")
        assert (answer.status_code, "Reload the page and try again." in text(answer)) == (422, True)
    assert bounds_of(api_key) == UNRESTRICTED


def test_a_scope_that_the_operator_removed_stays_and_is_marked(client, api_key, settings: Settings):
    settings.SCOPES = {"orders:read": "Read orders", "orders:write": "Place orders"}
    restrict(api_key, Restrictions(scopes=("orders:read", "orders:write")))
    settings.SCOPES = {"orders:read": "Read orders"}
    assert "orders:write no longer defined" in text(client.get(action("key", api_key)))
    assert "orders:write no longer defined" in text(client.get(action("edit", api_key)))
    saw = bounds_of(api_key)
    edit(client, api_key, saw, scopes=["orders:write"])
    assert bounds_of(api_key) == Restrictions(scopes=("orders:write",))


@pytest.mark.parametrize(("defined", "offered"), [({}, False), (None, False), ({"orders:read": "Read orders"}, True)])
def test_scopes_are_offered_where_they_mean_something(defined, offered, client, project, settings: Settings):
    """The default scopes are about the built-in files."""
    assert "Chosen scopes" in text(client.get(page("apikeys:create", project)))
    settings.BRAND = replace(settings.BRAND, shows_files=False)
    if defined is not None:
        settings.SCOPES = defined
    assert ("Chosen scopes" in text(client.get(page("apikeys:create", project)))) is offered


HALF = Restrictions(networks=("10.0.0.0/8",), limits=Limits(rate=Limit(600, Window.MINUTE)))
MORE = {
    "full access": (Restrictions(read_only=True), UNRESTRICTED),
    "another scope": (Restrictions(scopes=("a",)), Restrictions(scopes=("a", "b"))),
    "scopes instead of read only": (Restrictions(read_only=True), Restrictions(scopes=("a",))),
    "read only instead of scopes": (Restrictions(scopes=("a",)), Restrictions(read_only=True)),
    "another network": (HALF, HALF._replace(networks=("10.0.0.0/8", "192.0.2.1/32"))),
    "a larger network": (Restrictions(networks=("10.1.0.0/16",)), Restrictions(networks=("10.0.0.0/8",))),
    "any address": (HALF, HALF._replace(networks=())),
    "a higher limit": (HALF, HALF._replace(limits=Limits(rate=Limit(601, Window.MINUTE)))),
    "no limit": (HALF, HALF._replace(limits=Limits())),
    # A limit with another window begins with nothing used.
    "a shorter window": (HALF, HALF._replace(limits=Limits(rate=Limit(1, Window.SECOND)))),
    "a longer window": (HALF, HALF._replace(limits=Limits(rate=Limit(1, Window.HOUR)))),
}
LESS = {
    "read only": (UNRESTRICTED, Restrictions(read_only=True)),
    "scopes": (UNRESTRICTED, Restrictions(scopes=("a",))),
    "fewer scopes": (Restrictions(scopes=("a", "b")), Restrictions(scopes=("b",))),
    "a network": (UNRESTRICTED, HALF),
    "a smaller network": (HALF, HALF._replace(networks=("10.1.0.0/16", "10.2.0.1/32"))),
    "a lower limit": (HALF, HALF._replace(limits=Limits(rate=Limit(599, Window.MINUTE)))),
    "another limit": (HALF, HALF._replace(limits=HALF.limits._replace(quota=Limit(1, Window.DAY)))),
}


@pytest.mark.parametrize(("before", "after"), MORE.values(), ids=MORE.keys())
def test_a_key_that_may_do_more_is_told_apart(before, after):
    assert gives_more(before, after)


@pytest.mark.parametrize(("before", "after"), LESS.values(), ids=LESS.keys())
def test_a_key_that_may_do_less_is_told_apart(before, after):
    assert not gives_more(before, after)
    assert not gives_more(before, before)
    assert not gives_more(after, after)


def test_more_asks_for_a_recent_sign_in_and_keeps_what_was_typed(client, api_key):
    restrict(api_key, RESTRICTED)
    age(client)
    typed = {**FIELDS, "access": "full", "scopes": [], "networks": "2001:db8::/32", "rate": "", "name": "Renamed"}
    answer = edit(client, api_key, RESTRICTED, **typed)
    assert answer.headers["Location"].startswith("/accounts/reauthenticate/")
    assert bounds_of(api_key) == RESTRICTED
    back = client.get(action("edit", api_key), {"name": "Renamed", "options": "kept"})
    said = back.content.decode()
    assert 'value="Renamed"' in said
    assert "2001:db8::/32</textarea>" in said
    assert back.context["edit_form"]["access"].value() == "full"
    assert back.context["edit_form"]["rate"].value() == ""
    assert back.context["edit_form"]["quota"].value() == "10,000"
    assert back.context["edit_form"]["seen_bounds"].value() == written(RESTRICTED)


def test_less_asks_nobody(client, api_key):
    age(client)
    assert edit(client, api_key, UNRESTRICTED, **FIELDS).headers["Location"] == action("key", api_key)
    assert bounds_of(api_key) == RESTRICTED


def test_a_new_keys_options_survive_the_question_who_it_is(client, project):
    age(client)
    answer = create(client, project, **FIELDS)
    assert answer.headers["Location"].startswith("/accounts/reauthenticate/")
    assert "options%3Dkept" in answer.headers["Location"]
    assert not project.api_keys.exists()


def test_expire_now_hands_on_what_was_typed_for_cancel(client, api_key):
    restrict(api_key, RESTRICTED)
    typed = {"name": "Typed", "seen_bounds": written(RESTRICTED), **FIELDS, "scopes": ["files:read", "files:write"]}
    typed |= {"networks": "", "rate": ""}
    asked = client.post(action("end", api_key), {**typed, "ask": "yes"}).content.decode()
    for name, value in (("scopes", "files:read"), ("scopes", "files:write"), ("networks", ""), ("quota", "10,000")):
        assert f'<input type="hidden" name="{name}" value="{value}">' in asked
    back = client.post(action("edit", api_key), {**typed, "again": "yes"})
    form = back.context["edit_form"]
    assert form["scopes"].value() == ["files:read", "files:write"]
    assert (form["networks"].value(), form["rate"].value(), form["quota"].value()) == ("", "", "10,000")


def test_the_keys_page_says_what_it_may_do_and_what_is_used(client, project, api_key):
    said = text(client.get(action("key", api_key)))
    assert "Access Full access Addresses Any address Limits No limits" in said
    restrict(api_key, RESTRICTED)
    assert verify(f"Bearer {api_key.secret}", address="198.51.100.7").identity
    limit_project(project=project, limits=Limits(quota=Limit(500, Window.DAY)), by=None)
    said = text(client.get(action("key", api_key)))
    assert "Access files:read Read files Addresses 198.51.100.7 203.0.113.0/24 Rate limit" in said
    assert "Quota 1 of 10,000 requests this month Quota of the project 0 of 500 requests today" in said


@EITHER_WAY
def test_pages_say_what_anyone_with_the_key_can_do(headers, client, project, api_key):
    full, less = (
        "Anyone with this key has full access to the project.",
        "Anyone with this key can do what this key may do.",
    )
    dashboard = page("apikeys:dashboard", project)
    assert full in text(client.get(dashboard))
    restrict(api_key, Restrictions(read_only=True))
    assert less in text(client.get(dashboard))
    for access, words in (("full", full), ("read", less)):
        given = NOTHING_CHOSEN | {"name": f"New {access}", "access": access}
        answer = client.post(page("apikeys:create", project), given, headers=headers, follow=True)
        assert words in text(answer)


@pytest.mark.parametrize(
    ("restrictions", "words"),
    [
        (Restrictions(read_only=True), "Read only"),
        (Restrictions(scopes=("files:read", "files:write")), "2 scopes"),
        (Restrictions(networks=("10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32")), "3 networks"),
        (Restrictions(limits=Limits(rate=Limit(100, Window.MINUTE))), "100/minute"),
        (RESTRICTED, "1 scope, 2 networks, 100/minute, 10,000/month"),
    ],
)
def test_a_row_says_it_in_one_short_note(restrictions, words, client, project, api_key):
    restrict(api_key, restrictions)
    assert f'<p class="key-note">{words}</p>' in client.get(page("apikeys:settings", project)).content.decode()


def test_a_key_rests_with_a_note_and_the_quota_is_one_click_away(client, project, api_key, spent):
    spent(3)
    for where in (page("apikeys:settings", project), action("key", api_key)):
        answer = client.get(where)
        assert "3 of 3 requests this month Raise the quota…" in text(answer)
        assert "Resting until" in text(answer)
        assert "Active" in text(answer), "resting is a note, not a standing"
    opened = client.get(action("edit", api_key), {"focus": "quota"}, headers=HTMX).content.decode()
    assert '<details class="options" open>' in opened
    [focused] = [line for line in opened.split("<input") if "autofocus" in line]
    assert 'name="quota"' in focused
    edit(client, api_key, bounds_of(api_key), quota="4")
    assert "Resting until" not in text(client.get(action("key", api_key)))


def test_a_quota_below_what_was_used_is_allowed_and_the_answer_says_that_the_key_rests(client, api_key, spent):
    spent(3)
    answer = edit(client, api_key, bounds_of(api_key), quota="2")
    assert answer.status_code == 302
    said = text(client.get(answer.headers["Location"]))
    assert "10/month" not in said
    assert "2/month. Resting until" in said
    assert "3 of 2 requests this month" in said
    assert verify(f"Bearer {api_key.secret}").code == "quota_reached"


def test_the_answer_says_what_a_quota_with_another_window_counts(client, api_key, spent):
    spent(3)
    restrict(api_key, Restrictions(limits=Limits(quota=Limit(10, Window.MONTH))))
    answer = edit(client, api_key, bounds_of(api_key), quota="5", quota_window="day")
    assert "5/day. So far, the new quota counts 0 of 5 requests today." in text(client.get(answer.headers["Location"]))
    answer = edit(client, api_key, bounds_of(api_key), quota="6")
    assert "So far" not in text(client.get(answer.headers["Location"])), "it has counted since before"
    assert "It counts from when you set it" in text(client.get(action("edit", api_key)))


def test_a_viewer_reads_that_a_key_rests_without_a_button(viewer, signed_in, project, api_key, spent):
    spent(1)
    said = text(signed_in(viewer).get(page("apikeys:settings", project)))
    assert "Resting until" in said
    assert "Raise the quota" not in said


def test_a_column_of_a_newer_release_breaks_no_page(client, project, api_key):
    ApiKey.objects.filter(pk=api_key.pk).update(restrictions={"weekdays": [1]})
    for where in (page("apikeys:settings", project), action("key", api_key)):
        assert "Restricted by a newer release: requests are rejected" in text(client.get(where))
    assert "this release cannot read it" in text(client.get(action("edit", api_key)))
    assert client.get(action("roll", api_key)).status_code == 200
    answer = client.post(action("edit", api_key), {"name": "Renamed", "seen_bounds": "{}", "access": "read"})
    assert "This form was out of date. Nothing was changed. A newer release restricted what the key may do." in text(
        answer
    )
    client.post(action("edit", api_key), {"name": "Renamed", "seen_bounds": "{}"})
    api_key.refresh_from_db()
    assert (api_key.name, api_key.restrictions) == ("Renamed", {"weekdays": [1]})


def test_a_roll_says_that_the_new_key_may_do_the_same(client, api_key):
    restrict(api_key, RESTRICTED)
    words = "It may do what the old one may do (1 scope, 2 networks, 100/minute, 10,000/month)."
    assert words in text(client.get(action("roll", api_key)))


def test_a_row_stays_light(client, project, api_key):
    """V18: the note of a restricted key adds 100 bytes to its row, that of a resting one 500."""

    def weight() -> int:
        content = client.get(page("apikeys:settings", project)).content.decode()
        [row] = re.findall(r'<tr class="key-row.*?</tr>', content, re.DOTALL)
        return len(row.encode())

    free = weight()
    limits = Limits(Limit(10**6, Window.MINUTE), Limit(10**6, Window.MONTH))
    restrict(api_key, RESTRICTED._replace(limits=limits))
    restricted = weight()
    name = f"key:{api_key.pk}:quota:month"
    Budget.objects.create(name=name, starts=starts_of(timezone.now(), Window.MONTH), used=10**6, block=1, amount=10**6)
    resting = weight()
    assert free < restricted < free + 100
    assert restricted < resting < free + 600


def test_limits_cost_the_list_one_query_for_any_number_of_keys(client, project, api_key):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(page("apikeys:settings", project))
        return len(captured)

    without = queries()
    column = column_of(RESTRICTED)
    ApiKey.objects.filter(pk=api_key.pk).update(restrictions=column)
    with_one = queries()
    for number in range(4):
        create(client, project, name=f"Key {number}")
    ApiKey.objects.filter(project=project).update(restrictions=column)
    client.get(page("apikeys:settings", project))
    assert (with_one, queries()) == (without + 1, without + 1)
    assert not Budget.objects.exists()
