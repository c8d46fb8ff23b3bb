"""Pause for…, Keep paused and another end of a pause, on the pages."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apikeys.keys.pausing import pause_key, resume_key
from apikeys.keys.services import delete_key, report_leak
from apikeys.models import ApiKey
from common.instants import in_words
from common.names import looks_like_secret
from tests.support.calls.api_client import bearer, secret_of
from tests.support.places.pages import HTMX, action, page, text

NOTE = "Trying it <b>with</b> the night job"
HOUR = timedelta(hours=1)


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


@pytest.fixture
def paused(api_key, owner):
    pause_key(key=api_key, by=owner, until=timezone.now() + HOUR, note=NOTE)
    return api_key


def let_lapse(key):
    """The pause of the key ended by itself a minute ago."""
    now = timezone.now()
    ApiKey.objects.filter(pk=key.pk).update(resumes_at=now - timedelta(minutes=1), paused_at=now - 2 * HOUR)


def everywhere(client, key) -> list[str]:
    pages = [page("apikeys:settings", key.project), action("key", key), page("apikeys:dashboard", key.project)]
    return [text(client.get(path)) for path in pages]


# Pause for…


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "dialog"])
def test_the_form_offers_a_rehearsal_first_and_times_in_utc_without_script(client, api_key, headers):
    shown = client.get(action("pause_for", api_key), headers=headers)
    for words in (
        "5 minutes",
        "1 hour",
        "24 hours",
        "Until a date and time",
        "Date and time In UTC.",
        "Note (optional)",
    ):
        assert words in text(shown)
    assert 'value="5m" id="pause-for-length_0" checked' in " ".join(shown.content.decode().split()).replace(
        "required ", ""
    )


@pytest.mark.parametrize(("length", "words"), [("5m", "5 minutes"), ("1h", "1 hour"), ("24h", "24 hours")])
def test_a_pause_for_a_length_of_time(client, api_key, length, words):
    before = timezone.now()
    answer = client.post(action("pause_for", api_key), {"length": length, "note": NOTE}, headers=HTMX)
    assert f"Paused Production server for {words}. Requests using it are rejected." in text(answer)
    api_key.refresh_from_db()
    took = {"5m": timedelta(minutes=5), "1h": HOUR, "24h": 24 * HOUR}[length]
    assert before + took <= api_key.resumes_at <= timezone.now() + took
    assert (api_key.rehearsal_began_at is not None) is (length != "24h")
    assert api_key.pause_note == NOTE


def test_a_typed_time_is_in_the_zone_that_the_form_sends(client, api_key):
    at = (timezone.now() + timedelta(days=3)).replace(hour=14, minute=5, second=0, microsecond=0)
    fields = {"length": "until", "until": f"{at:%Y-%m-%dT%H:%M}", "zone": "+01:30"}
    answer = client.post(action("pause_for", api_key), fields, headers=HTMX)
    api_key.refresh_from_db()
    assert api_key.resumes_at == at - timedelta(hours=1, minutes=30)
    assert f"Paused Production server until {in_words(api_key.resumes_at)}." in text(answer)


def test_without_script_a_typed_time_is_utc_and_the_next_page_is_the_one_that_asked(client, api_key):
    at = (timezone.now() + timedelta(days=3)).replace(second=0, microsecond=0)
    answer = client.post(action("pause_for", api_key), {"length": "until", "until": f"{at:%Y-%m-%dT%H:%M}", "zone": ""})
    assert answer.status_code == 302
    api_key.refresh_from_db()
    assert api_key.resumes_at == at


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"until": "2026-01-01T10:00"}, "This time is in the past. Choose a later one."),
        ({"until": "9999-12-31T23:59", "zone": "-14:00"}, "Choose a time in at most 3,650 days."),
        ({"until": "0001-01-01T00:00", "zone": "+14:00"}, "This time is in the past. Choose a later one."),
        ({"until": "2027-01-01T10:00", "zone": "Mars/Olympus"}, "This time zone is not known."),
        ({"until": "2027-01-01T10:00", "zone": "+99:00"}, "This time zone is not known."),
        ({"until": "soon"}, "Choose a date and time."),
        ({"until": ""}, "Choose a date and time."),
        ({"length": "1h", "note": "x" * 201}, "Use at most 200 characters. This note has 201."),
        ({"length": "1h", "note": "a\u202eb"}, "This note contains invisible characters. Remove them."),
        ({"length": "1h", "note": "lk_" + "a" * 36}, "This looks like an API key."),
        ({"length": "2h"}, "Choose one of these."),
        ({"length": ""}, "Choose one of these."),
    ],
)
def test_what_cannot_be_is_said_beside_its_field_and_what_was_typed_stays(client, api_key, fields, error):
    sent = {"length": "until", "note": "Why", **fields}
    answer = client.post(action("pause_for", api_key), sent, headers=HTMX)
    assert answer.status_code == 422
    assert error in text(answer)
    assert 'aria-invalid="true"' in answer.content.decode()
    for name in {"until", "note"} & {name for name in sent if sent[name]}:
        is_shown = f'value="{html.escape(sent[name])}"' in answer.content.decode()
        assert is_shown is not looks_like_secret(sent[name])
    api_key.refresh_from_db()
    assert api_key.is_active


def test_undo_of_a_timed_pause(client, api_key):
    answer = client.post(action("pause_for", api_key), {"length": "5m"}, headers=HTMX)
    assert f'action="{action("resume", api_key)}?seen=' in answer.content.decode()
    assert "data-undo" in answer.content.decode()
    assert "Re-enabled Production server. Requests using it are allowed." in text(
        client.post(action("resume", api_key), headers=HTMX)
    )
    api_key.refresh_from_db()
    assert (api_key.is_active, api_key.resumes_at) == (True, None)


def test_pause_itself_stays_one_click_without_an_end(client, api_key):
    client.post(action("pause", api_key))
    api_key.refresh_from_db()
    assert (api_key.is_paused, api_key.resumes_at) == (True, None)


def test_the_dialog_that_deletes_offers_a_rehearsal_instead(client, api_key):
    shown = client.get(action("delete", api_key), headers=HTMX).content.decode()
    assert "Pause for 5 minutes instead" in shown
    assert f'hx-post="{action("pause_for", api_key)}"' in shown
    answer = client.post(action("pause_for", api_key), {"length": "5m"}, headers=HTMX)
    assert answer.headers["HX-Trigger-After-Swap"] == "key-dialog-done"


# What pages say


def test_pages_count_down_and_show_the_note_to_members(client, paused, viewer, signed_in):
    at = paused.resumes_at
    for member in (client, signed_in(viewer)):
        for said in everywhere(member, paused):
            assert re.search(rf"Paused until (\d+ \w{{3}}, )?{at:%H:%M} UTC \(in 60 minutes\)", said)
            assert NOTE in said
    for said in everywhere(client, paused):
        assert "Keep paused" in said
    for said in everywhere(signed_in(viewer), paused):
        assert "Keep paused" not in said
        assert "Change pause" not in said


def test_no_program_sees_the_note(paused, client):
    for path in ("/api/v1/verify", "/api/v1/me"):
        answer = client.get(path, headers=bearer(secret_of(paused)))
        assert answer.json()["error"]["code"] == "key_paused"
        assert "night job" not in answer.content.decode() + str(answer.headers)


def test_a_reload_after_the_end_shows_a_key_that_works(client, paused):
    """P15: nobody has written the end down."""
    let_lapse(paused)
    for said in everywhere(client, paused):
        assert "Active" in said
        assert NOTE not in said
        assert "Paused until" not in said


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (timedelta(minutes=4, seconds=30), "until 12:04 UTC (in 5 minutes)"),
        (timedelta(hours=12), "until 29 Nov, 00:00 UTC (in 12 hours)"),
        (timedelta(hours=24), "until 29 Nov, 12:00 UTC (in 24 hours)"),
        (timedelta(days=2), "until 30 Nov, 12:00 UTC (in 48 hours)"),
        (timedelta(days=60), "until 27 Jan 2027, 12:00 UTC (in 60 days)"),
    ],
)
def test_the_badge_names_the_day_unless_it_is_today(client, api_key, time_machine, ahead, words):
    time_machine.move_to(datetime(2026, 11, 28, 12, tzinfo=UTC), tick=False)
    ApiKey.objects.filter(pk=api_key.pk).update(
        state="paused", paused_at=timezone.now(), resumes_at=timezone.now() + ahead
    )
    assert f"Paused {words}" in text(client.get(action("key", api_key)))


@pytest.mark.parametrize("name", ["pause_for", "change_end_of_pause"])
def test_the_forms_promise_no_key_back_whose_own_end_comes_first(client, api_key, owner, name):
    if name == "change_end_of_pause":
        pause_key(key=api_key, by=owner)
    assert "end" not in text(client.get(action(name, api_key))).partition("re-enables itself.")[2].split("A pause")[0]
    end = timezone.now() + HOUR
    ApiKey.objects.filter(pk=api_key.pk).update(expires_at=end, end_reason="chosen")
    said = text(client.get(action(name, api_key)))
    assert f"The key itself expires on {in_words(end)}. If that comes first, requests stay" in said


def test_requests_of_a_pause_are_not_said_to_have_come_since_the_key_expired(client, paused):
    """The key's end came during the pause. Nobody has written the end of the pause down yet."""
    let_lapse(paused)
    now = timezone.now()
    ApiKey.objects.filter(pk=paused.pk).update(
        expires_at=now - HOUR, end_reason="chosen", refused_calls=3, last_refused_at=now - 90 * timedelta(minutes=1)
    )
    for said in everywhere(client, paused):
        assert "3 rejected requests since" in said
        assert "since it expired" not in said


# Another end


def test_keep_paused_and_another_end(client, paused):
    answer = client.post(action("keep_paused", paused), headers=HTMX)
    assert "Production server stays paused until someone re-enables it." in text(answer)
    paused.refresh_from_db()
    assert (paused.is_paused, paused.resumes_at) == (True, None)
    assert "Keep “Production server” paused for…" in text(client.get(action("change_end_of_pause", paused)))
    answer = client.post(action("change_end_of_pause", paused), {"length": "24h"}, headers=HTMX)
    assert "Production server stays paused for 24 hours." in text(answer)
    paused.refresh_from_db()
    assert paused.resumes_at is not None
    assert paused.pause_note == NOTE


def test_a_wrong_end_is_said_beside_its_field(client, paused):
    fields = {"length": "until", "until": "2026-01-01T10:00"}
    answer = client.post(action("change_end_of_pause", paused), fields)
    assert answer.status_code == 422
    assert "This time is in the past." in text(answer)


# Pages that are older than the key


def test_pause_on_a_key_that_is_paused_until_a_time(client, paused):
    said = f"Production server was paused already, until {in_words(paused.resumes_at)}. Nothing was changed."
    for answer in (
        client.post(action("pause", paused), headers=HTMX),
        client.get(action("pause_for", paused), headers=HTMX),
        client.post(action("pause_for", paused), {"length": "24h"}, headers=HTMX),
        client.post(action("pause_for", paused), {"length": "24h"}, follow=True),
    ):
        assert answer.status_code == 200
        assert said in text(answer)
        assert "data-undo" not in answer.content.decode()


@pytest.mark.parametrize("name", ["resume", "keep_paused", "change_end_of_pause"])
def test_a_button_of_a_pause_that_has_ended_by_itself(client, paused, name):
    let_lapse(paused)
    for headers in (HTMX, {}):
        answer = client.post(action(name, paused), {"length": "1h"}, headers=headers, follow=True)
        said = "The pause of Production server ended by itself. Requests using it are allowed. Nothing was changed."
        assert said in text(answer)
    paused.refresh_from_db()
    assert paused.is_active
    assert paused.events.filter(kind="resumed_itself").count() == 1


def paused_anew(key, by) -> datetime:
    """Another owner has re-enabled the key and paused it again, until the instant that this returns."""
    resume_key(key=key, by=by)
    until = timezone.now() + 3 * HOUR
    assert pause_key(key=key, by=by, until=until)
    return until


def sent_by(content: str, where: str) -> dict[str, str]:
    """What the page says that it saw, in the form or the button with that address."""
    found = re.search(rf'<(form|button)[^>]*ction="{where}[^"]*".*?</\1>', content, re.S)
    assert found
    return dict(re.findall(r'name="(seen\w*)"\s+value="([^"]*)"', found[0]))


@pytest.mark.parametrize("place", ["settings", "dashboard", "key"])
@pytest.mark.parametrize("name", ["resume", "keep_paused"])
@pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "without script"])
def test_an_older_page_does_not_undo_another_pause(client, paused, owner, place, name, headers):
    """The page shows a pause that is over by now. Its button is no answer to the pause that somebody chose since."""
    shown = client.get(action("key", paused) if place == "key" else page(f"apikeys:{place}", paused.project))
    where = action(name, paused)
    seen = sent_by(
        shown.content.decode().replace('"../keys/', f'"{page("apikeys:dashboard", paused.project)}keys/'), where
    )
    assert seen
    until = paused_anew(paused, owner)
    answer = client.post(where, seen, headers=headers, follow=True)
    assert "Somebody paused Production server again in the meantime. Nothing was changed." in text(answer)
    paused.refresh_from_db()
    assert (paused.is_paused, paused.resumes_at) == (True, until)
    shown = client.get(action("key", paused)).content.decode()
    assert client.post(where, sent_by(shown, where), headers=headers, follow=True).status_code == 200
    paused.refresh_from_db()
    assert paused.is_active if name == "resume" else paused.resumes_at is None, "one press is enough on a new page"


@pytest.mark.parametrize("seen", ["x", "never", "@", "reported@", "\u0661", "9999-12-31T23:59:59-14:00"])
def test_a_pause_that_no_page_showed_is_not_undone(client, paused, seen):
    for name in ("resume", "keep_paused"):
        answer = client.post(action(name, paused), {"seen": seen}, headers=HTMX)
        assert "Nothing was changed." in text(answer)
    paused.refresh_from_db()
    assert paused.is_paused
    assert paused.resumes_at


@pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "without script"])
def test_undo_undoes_the_pause_that_it_stands_beside(client, api_key, owner, headers):
    answer = client.post(action("pause", api_key), headers=headers, follow=True)
    undo = re.search(r'action="([^"]+)" data-undo', answer.content.decode())
    paused_anew(api_key, owner)
    answer = client.post(html.unescape(undo[1]), headers=headers, follow=True)
    assert "Somebody paused Production server again in the meantime. Nothing was changed." in text(answer)
    api_key.refresh_from_db()
    assert api_key.is_paused


def test_an_older_form_does_not_undo_keep_paused_or_move_the_end_twice(client, paused):
    where = action("change_end_of_pause", paused)
    seen = sent_by(client.get(where).content.decode(), where)
    assert set(seen) == {"seen", "seen_end"}
    for _ in range(2):
        answer = client.post(where, seen | {"length": "24h"}, headers=HTMX)
    paused.refresh_from_db()
    assert paused.events.filter(kind="pause_changed").count() == 1
    answer = client.post(where, seen | {"length": "5m"}, headers=HTMX)
    assert "The end of the pause of Production server was changed in the meantime: it is paused until" in text(answer)
    client.post(action("keep_paused", paused), headers=HTMX)
    answer = client.post(where, seen | {"length": "5m"}, headers=HTMX)
    assert "it is paused until someone re-enables it. Nothing was changed." in text(answer)
    paused.refresh_from_db()
    assert paused.resumes_at is None
    seen = sent_by(client.get(where).content.decode(), where)
    assert "stays paused for 5 minutes." in text(client.post(where, seen | {"length": "5m"}, headers=HTMX))


def test_the_same_end_to_the_minute_is_no_change(client, paused):
    """Words name no seconds, so an event would say from 03:51 to 03:51."""
    at = timezone.now().replace(second=7, microsecond=0) + 5 * HOUR
    ApiKey.objects.filter(pk=paused.pk).update(resumes_at=at)
    fields = {"length": "until", "until": f"{at:%Y-%m-%dT%H:%M}"}
    assert "Nothing was changed." in text(client.post(action("change_end_of_pause", paused), fields, headers=HTMX))
    assert not paused.events.filter(kind="pause_changed").exists()


@pytest.mark.parametrize("name", ["keep_paused", "change_end_of_pause"])
def test_another_end_for_a_key_that_someone_re_enabled(client, paused, owner, name):
    resume_key(key=paused, by=owner)
    answer = client.post(action(name, paused), {"length": "1h"}, headers=HTMX)
    assert "Production server was active already. Nothing was changed." in text(answer)


def test_a_reported_key_has_no_end_and_gets_none(client, api_key):
    report_leak(secret=secret_of(api_key))
    for name in ("keep_paused", "change_end_of_pause"):
        answer = client.post(action(name, api_key), {"length": "5m"}, headers=HTMX)
        assert "was reported as leaked in the meantime and stays paused. Nothing was changed." in text(answer)
    api_key.refresh_from_db()
    assert api_key.is_reported
    shown = text(client.get(action("key", api_key)))
    assert "Change pause" not in shown
    assert "Keep paused" not in shown


@pytest.mark.parametrize("name", ["pause_for", "keep_paused", "change_end_of_pause"])
def test_a_key_that_was_deleted_in_the_meantime(client, api_key, owner, name):
    delete_key(key=api_key, by=owner)
    answer = client.post(action(name, api_key), {"length": "5m"}, headers=HTMX)
    assert "Production server was deleted in the meantime. Nothing was changed." in text(answer)
