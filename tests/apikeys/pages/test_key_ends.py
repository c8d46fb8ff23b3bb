"""A key's end on the pages: chosen at creation, changed on Edit, ended now, and shown wherever the key is."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apikeys.keys.pausing import pause_key
from apikeys.keys.services import create_key, rename_key
from apikeys.lifetimes.ends import change_end, end_key
from apikeys.models import ApiKey
from apikeys.verify.verification import verify
from common.instants import in_words
from projects.models import Project
from tests.support.people.sessions import age
from tests.support.places.pages import HTMX, action, page, text

pytestmark = pytest.mark.django_db

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
# What cannot be an end, with the words beside its field.
BAD: dict[str, tuple[dict[str, str], str]] = {
    "the past": ({"end": "at", "end_at": "2020-01-31T09:30"}, "in the past"),
    "too far ahead": ({"end": "at", "end_at": "2099-01-31T09:30"}, "at most 3,650 days"),
    "year 9999": ({"end": "at", "end_at": "9999-12-31T23:59", "end_zone": "-12:00"}, "at most 3,650 days"),
    "year 1": ({"end": "at", "end_at": "0001-01-01T00:00", "end_zone": "+14:00"}, "in the past"),
    "no date": ({"end": "at", "end_at": ""}, "Choose a date and time."),
    "no such date": ({"end": "at", "end_at": "2035-02-30T09:30"}, "Choose a date and time."),
    "a time zone that nobody knows": (
        {"end": "at", "end_at": "2035-02-26T09:30", "end_zone": "Mars/Olympus"},
        "time zone is not known",
    ),
    "a choice that is not there": ({"end": "8"}, "Choose one of these."),
}


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


def create(client: Client, project: Project, **fields: str) -> Any:
    headers = {"Referer": "http://testserver/"}
    return client.post(page("apikeys:create", project), {"name": "Staging", **fields}, headers=headers)


def edit(client: Client, key: ApiKey, **fields: str) -> Any:
    headers = {"Referer": "http://testserver" + action("key", key)}
    return client.post(action("edit", key), {"name": key.name, **fields}, headers=headers)


def ends_in(key: ApiKey, left: timedelta) -> ApiKey:
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() + left, end_reason="chosen")
    key.refresh_from_db()
    return key


def end_of(key: ApiKey) -> datetime:
    key.refresh_from_db()
    assert key.expires_at
    return key.expires_at


# Creation


def test_a_key_is_created_with_an_end_and_the_answer_says_what_that_means(client, project):
    """P14 Without script the answer spells out the chosen end."""
    answer = create(client, project, end="90")
    key = project.api_keys.get()
    at = end_of(key)
    assert abs(at - timezone.now() - 90 * DAY) < 10 * MINUTE
    assert (at.second, at.microsecond) == (0, 0), "the words name no seconds"
    said = text(client.get(answer.headers["Location"]))
    assert f"Created Staging. Expires on {in_words(at)} (in 90 days)." in said


def test_without_a_choice_a_key_works_without_end(client, project):
    create(client, project)
    assert project.api_keys.get().expires_at is None
    said = text(client.get(page("apikeys:create", project)))
    assert "Options Expires Never In 7 days In 30 days In 90 days In 365 days On a date… Date and time" in said


@pytest.mark.parametrize(
    ("zone", "hour"), [("", 10), ("+01:00", 9), ("-03:30", 13)], ids=["UTC without script", "Berlin", "Newfoundland"]
)
def test_a_date_is_read_in_the_time_zone_that_the_form_names(client, project, zone, hour):
    create(client, project, end="at", end_at="2035-02-26T10:00", end_zone=zone)
    at = end_of(project.api_keys.get())
    assert (at.year, at.month, at.day, at.hour) == (2035, 2, 26, hour)


@pytest.mark.parametrize(("fields", "said"), BAD.values(), ids=list(BAD))
@pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "without script"])
def test_an_end_that_cannot_be_is_refused_beside_its_field_and_stays_typed(
    client, project, api_key, fields, said, headers
):
    """P14 Neither the form of a new key nor Edit changes anything."""
    for address in (page("apikeys:create", project), action("edit", api_key)):
        answer = client.post(address, {"name": "Typed", **fields}, headers=headers)
        assert answer.status_code == 422
        shown = answer.content.decode()
        prefix = "edit-key" if "edit" in address else "create-key"
        field = "end_at" if fields["end"] == "at" else "end"
        assert f'id="{prefix}-{field}_error"' in shown
        assert said in text(answer)
        assert 'value="Typed"' in shown
        assert f'value="{fields.get("end_at", "")}"' in shown or not fields.get("end_at")
    api_key.refresh_from_db()
    assert (api_key.name, api_key.expires_at) == ("Production server", None)
    assert project.api_keys.count() == 1


def test_what_was_typed_survives_the_question_who_it_is(client, project):
    age(client)
    answer = create(client, project, end="at", end_at="2035-02-26T10:00", end_zone="+01:00")
    assert answer.status_code == 302
    back_to = answer.headers["Location"]
    for typed in ("Staging", "2035-02-26T10%253A00", "%252B01%253A00"):
        assert typed in back_to


# MAX_KEY_DAYS


def test_max_key_days_makes_an_end_compulsory_and_limits_it(client, project, settings):
    settings.MAX_KEY_DAYS = 60
    said = text(client.get(page("apikeys:create", project)))
    assert "Expires In 7 days In 30 days In 60 days On a date…" in said
    assert create(client, project, end="never").status_code == 422
    far = f"{timezone.now() + 61 * DAY:%Y-%m-%dT%H:%M}"
    assert "work for at most 60 days" in text(create(client, project, end="at", end_at=far))
    assert not project.api_keys.exists()
    create(client, project, end="60")
    key = project.api_keys.get()
    assert "work for at most 60 days. Choose a time up to" in text(edit(client, key, end="+30"))
    assert edit(client, key, end="never").status_code == 422
    assert edit(client, key, name="Other").status_code == 302, "a key keeps the end that it has"


def test_a_key_from_before_max_key_days_works_on_and_edit_asks_for_an_end(client, api_key, settings):
    settings.MAX_KEY_DAYS = 60
    assert verify(f"Bearer {api_key.secret}").code is None
    said = text(client.get(action("edit", api_key)))
    assert "Expires In 7 days In 30 days In 60 days On a date…" in said
    assert edit(client, api_key, end="keep").status_code == 422
    ApiKey.objects.filter(pk=api_key.pk).update(created_at=timezone.now() - 100 * DAY)
    assert edit(client, api_key, end="60").status_code == 302, "its limit is over, and counts from now"
    assert abs(end_of(api_key) - timezone.now() - 60 * DAY) < 10 * MINUTE
    assert "Create a new key instead." in text(edit(client, api_key, end="+30"))


# Edit


def test_name_and_end_are_changed_by_one_form(client, api_key):
    """P14"""
    answer = edit(client, api_key, name="Web", end="30")
    at = end_of(api_key)
    assert api_key.name == "Web"
    said = text(client.get(answer.headers["Location"]))
    assert "Renamed Production server to Web." in said
    assert f"Web expires on {in_words(at)} (in 30 days)." in said
    assert f"Expires {in_words(at)} (in 30 days)" in said
    assert "changed the expiry of Web from never to" in said


def test_an_end_is_extended_from_where_it_is_removed_and_kept(client, api_key):
    first = end_of(ends_in(api_key, 5 * DAY))
    edit(client, api_key, end="+30")
    assert end_of(api_key) == first + 30 * DAY
    edit(client, api_key, end="keep")
    assert end_of(api_key) == first + 30 * DAY
    edit(client, api_key, end="never")
    api_key.refresh_from_db()
    assert api_key.expires_at is None
    assert [event.kind for event in api_key.events.all()] == ["end_changed", "end_changed", "created"]


def test_extend_chooses_30_more_days_and_leads_back_to_where_it_began(client, project, api_key):
    dashboard = page("apikeys:dashboard", project)
    for left, chosen in ((5 * DAY, "30 days later, on"), (-DAY, "In 30 days")):
        ends_in(api_key, left)
        link = f"{action('edit', api_key)}?end=%2B30&amp;next=dashboard"
        assert f'href="{link}"' in client.get(dashboard).content.decode()
        form = client.get(link.replace("&amp;", "&"))
        assert re.search(rf'value="\+30" selected>{chosen}', form.content.decode())
        assert re.findall(r'id="([\w-]+)"[^>]*autofocus|autofocus[^>]*id="([\w-]+)"', form.content.decode()) == [
            ("", "edit-key-end")
        ]
        assert f'href="{dashboard}"' in form.content.decode(), "Cancel"
        end = end_of(api_key)
        answer = client.post(action("edit", api_key), {"name": api_key.name, "end": "+30", "next": "dashboard"})
        assert answer.headers["Location"] == dashboard
        assert end_of(api_key) > end
    ends_in(api_key, -DAY)
    for address in (page("apikeys:settings", project), action("key", api_key)):
        button = re.search(r"<button[^>]*id=\"extend-[^>]*>", client.get(address).content.decode())
        assert button
        assert 'name="end" value="+30"' in " ".join(button[0].split())
    age(client)
    asked = client.post(action("edit", api_key), {"name": api_key.name, "end": "+30", "next": "dashboard"})
    assert "dashboard" in asked.headers["Location"], "after the sign-in too"


def test_a_name_that_is_taken_keeps_the_end_too(client, project, owner, api_key):
    create_key(project=project, name="Taken", by=owner)
    assert edit(client, api_key, name="Taken", end="30").status_code == 422
    api_key.refresh_from_db()
    assert api_key.expires_at is None


def test_an_expired_key_is_extended_after_a_recent_sign_in_alone(client, api_key):
    """P14, T52"""
    ends_in(api_key, -DAY)
    header = f"Bearer {api_key.secret}"
    assert verify(header).code == "key_expired"
    age(client)
    answer = edit(client, api_key, name="Web", end="+30")
    assert "/accounts/reauthenticate/" in answer.headers["Location"]
    assert "Web" in answer.headers["Location"]
    assert verify(header).code == "key_expired"
    assert edit(client, api_key, name="Web").status_code == 302, "another name needs no confirmation"


def test_an_expired_key_that_is_extended_works_at_once(client, api_key):
    ends_in(api_key, -DAY)
    edit(client, api_key, end="+30")
    assert verify(f"Bearer {api_key.secret}").code is None
    assert abs(end_of(api_key) - timezone.now() - 30 * DAY) < 10 * MINUTE, "from now"


# Expire now


def test_a_key_is_ended_after_a_confirmation(client, project, api_key):
    """P14, T10, T11"""
    assert "Expire now…" in text(client.get(action("edit", api_key)))
    asked = text(client.get(action("end", api_key), headers=HTMX))
    assert "Expire “Production server” now?" in asked
    assert verify(f"Bearer {api_key.secret}").code is None
    settings = "http://testserver" + page("apikeys:settings", project)
    answer = client.post(action("end", api_key), headers=HTMX | {"HX-Current-URL": settings})
    assert answer.headers["HX-Retarget"] == f"#row-{api_key.public_id}"
    assert "Expired" in text(answer)
    verdict = verify(f"Bearer {api_key.secret}")
    assert verdict.code == "key_expired"
    api_key.refresh_from_db()
    assert f"expired on {api_key.expires_at:%-d %B %Y, %H:%M} UTC" in verdict.message
    assert "Expire now" not in text(client.get(action("edit", api_key)))
    client.post(action("end", api_key))
    assert "has expired already. Nothing was changed." in text(client.get(action("key", api_key)))


# Where ends are shown


@pytest.mark.parametrize(("days", "left"), [(2, "48 hours"), (6, "6 days")])
def test_a_key_that_ends_within_7_days_is_warned_of_everywhere(client, project, api_key, days, left):
    """P14"""
    at = end_of(ends_in(api_key, days * DAY - 9 * MINUTE))
    answer = client.get(page("apikeys:settings", project))
    listed = text(answer)
    assert f"Expires in {left}" in listed
    assert f'title="{at:%-d %B %Y, %H:%M:%S} UTC"' in answer.content.decode()
    assert "Expires on" not in listed.partition("Danger zone")[0].partition("Production server")[2]
    assert "Change expiry…" in listed
    # A key's own page warns at the top, and says the end among the details as for every key.
    for address, times in ((action("key", api_key), 2), (page("apikeys:dashboard", project), 1)):
        said = text(client.get(address))
        assert said.count(f"{in_words(at)} (in {left}") == times
        assert "Change expiry…" in said


def test_every_count_of_keys_says_what_it_counts(client, project, owner, api_key):
    """All pages count the keys that are not deleted. Where fewer count towards the limit, the page says how many."""
    alone = text(client.get(page("apikeys:settings", project)))
    assert "1 of 100 keys" in alone
    assert "not count" not in alone
    ends_in(create_key(project=project, name="Other", by=owner).key, -MINUTE)
    assert "API keys 2 none paused 1 expired" in text(client.get(page("apikeys:dashboard", project)))
    assert "2 keys" in text(client.get(reverse("projects:list")))
    assert "1 of 100 keys, and 1 expired, which does not count" in text(client.get(page("apikeys:settings", project)))
    ends_in(create_key(project=project, name="Third", by=owner).key, -MINUTE)
    assert "and 2 expired, which do not count" in text(client.get(page("apikeys:settings", project)))


def test_other_keys_that_end_soon_are_on_the_dashboard(client, project, owner, api_key):
    ends_in(create_key(project=project, name="Other", by=owner).key, 2 * DAY + MINUTE)
    ApiKey.objects.filter(pk=api_key.pk).update(last_used_at=timezone.now())
    assert "Other expires on" in text(client.get(page("apikeys:dashboard", project)))


def test_no_page_warns_of_an_end_that_is_further_away(client, project, api_key):
    ends_in(api_key, 8 * DAY)
    for address in (page("apikeys:settings", project), action("key", api_key), page("apikeys:dashboard", project)):
        assert "Change expiry…" not in text(client.get(address))


def test_an_expired_key_says_so_with_the_way_out_and_its_rejected_requests(client, project, api_key):
    """P14"""
    end = in_words(end_of(ends_in(api_key, -2 * DAY)))
    now = timezone.now()
    ApiKey.objects.filter(pk=api_key.pk).update(
        refused_calls=214, last_refused_at=now, last_refused_address="192.0.2.1"
    )
    for address in (page("apikeys:settings", project), action("key", api_key), page("apikeys:dashboard", project)):
        said = text(client.get(address))
        assert "Expired" in said
        assert f"xpired on {end}" in said
        assert "214 rejected requests since it expired" in said
        assert "Change expiry…" in said


def test_a_viewer_reads_of_the_end_and_cannot_change_it(viewer, signed_in, project, api_key):
    ends_in(api_key, 2 * DAY + MINUTE)
    client = signed_in(viewer)
    for address in (page("apikeys:settings", project), action("key", api_key), page("apikeys:dashboard", project)):
        said = text(client.get(address))
        assert "in 49 hours" in said
        assert "Change expiry…" not in said


def test_a_paused_key_shows_its_pause_first(client, project, api_key, owner):
    pause_key(key=api_key, by=owner)
    ends_in(api_key, 2 * DAY + MINUTE)
    said = text(client.get(page("apikeys:settings", project)))
    assert "Paused" in said
    assert "Expires in" not in said


def test_me_says_standing_and_end(client, api_key, owner):
    """P14"""
    end = datetime(2035, 2, 26, 9, 30, 5, tzinfo=UTC)
    change_end(key=api_key, expires_at=end, by=owner)
    answer = Client().get("/api/v1/me", headers={"Authorization": f"Bearer {api_key.secret}"}).json()
    key = answer["data"]["key"]
    assert (key["standing"], datetime.fromisoformat(key["expires_at"])) == ("active", end)
    end_key(key=api_key, by=owner)
    answer = Client().get("/api/v1/me", headers={"Authorization": f"Bearer {api_key.secret}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "key_expired")


# A page that is older than somebody else's change


def seen_on(client: Client, key: ApiKey) -> str:
    form = client.get(action("edit", key)).content.decode()
    found = re.search(r'name="seen" value="([^"]+)"', form)
    assert found
    return found[1]


def test_an_older_form_does_not_undo_an_end_that_somebody_chose_meanwhile(client, api_key, owner):
    ends_in(api_key, 30 * DAY)
    seen = seen_on(client, api_key)
    end_key(key=api_key, by=owner)
    for choice in ("never", "+90"):
        answer = edit(client, api_key, end=choice, seen=seen)
        assert answer.status_code == 422
        assert "Somebody changed the expiry in the meantime. Nothing was changed." in text(answer)
    assert verify(f"Bearer {api_key.secret}").code == "key_expired"
    again = re.search(r'name="seen" value="([^"]+)"', answer.content.decode())
    assert edit(client, api_key, end="never", seen=again[1]).status_code == 302
    assert verify(f"Bearer {api_key.secret}").code is None


def test_a_form_that_is_sent_twice_moves_the_end_once(client, api_key):
    ends_in(api_key, 30 * DAY)
    seen = seen_on(client, api_key)
    assert edit(client, api_key, end="+30", seen=seen).status_code == 302
    moved = end_of(api_key)
    again = edit(client, api_key, end="+30", seen=seen)
    assert again.status_code == 302, "what it asks for is so"
    assert f"Saved. Production server expires on {in_words(moved)} (in" in text(client.get(again["Location"]))
    assert edit(client, api_key, end="+90", seen=seen).status_code == 422
    assert end_of(api_key) == moved
    assert api_key.events.filter(kind="end_changed").count() == 1
    assert edit(client, api_key, name="Renamed", seen=seen).status_code == 302, "the name alone is no change of the end"


def test_a_form_whose_choices_are_gone_says_first_that_the_end_was_changed(client, api_key):
    """A key without an end offers other choices than one with an end. The second form chose from those."""
    seen = seen_on(client, api_key)
    assert [edit(client, api_key, end="30", seen=seen).status_code for _ in range(2)] == [302, 302]
    moved = end_of(api_key)
    answer = edit(client, api_key, end="90", seen=seen)
    assert answer.status_code == 422
    assert "Somebody changed the expiry in the meantime. Nothing was changed." in text(answer)
    assert "Choose one of these." not in text(answer)
    assert end_of(api_key) == moved


def test_an_older_form_does_not_undo_a_name_that_somebody_chose_meanwhile(client, api_key):
    form = client.get(action("edit", api_key)).content.decode()
    assert 'name="seen_name" value="Production server"' in form
    rename_key(key=api_key, name="Theirs", by=None)
    sent = {"seen_name": "Production server", "name": "Mine"}
    answer = edit(client, api_key, **sent)
    assert answer.status_code == 422
    assert "Somebody renamed the key to Theirs in the meantime. Nothing was changed." in text(answer)
    assert 'name="seen_name" value="Theirs"' in answer.content.decode()
    edit(client, api_key, end="30", seen_name="Production server", name="Production server")
    api_key.refresh_from_db()
    assert api_key.name == "Theirs", "whoever left the name as it was keeps the new one"
    assert api_key.expires_at
    edit(client, api_key, **sent | {"seen_name": "Theirs"})
    api_key.refresh_from_db()
    assert api_key.name == "Mine"


@pytest.mark.parametrize("seen", ["x", "2026-13-01T00:00", "never", "\u0661"])
def test_an_end_that_nobody_saw_changes_nothing(client, api_key, seen):
    ends_in(api_key, 30 * DAY)
    before = end_of(api_key)
    assert edit(client, api_key, end="+30", seen=seen).status_code == 422
    assert end_of(api_key) == before
