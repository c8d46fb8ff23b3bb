"""The pages of a roll: the form, its answer, and the panel with both keys."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys.keys import services
from apikeys.keys.pausing import pause_key
from apikeys.lifetimes import rolling
from apikeys.lifetimes.ends import change_end, end_key
from apikeys.lifetimes.quiet import end_quiet_keys
from apikeys.lifetimes.rolling import Overlap, roll_key
from apikeys.models import ApiKey
from apikeys.usage import counting
from tests.support.factories import ApiKeyFactory
from tests.support.people.confirmation import asks
from tests.support.places.pages import HTMX, action, page, text
from tests.support.stored.rows import many_keys

TOKEN = {"form_token": "t" * 22}


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


@pytest.fixture
def rolled(api_key, owner) -> ApiKey:
    """The old key of a roll that began just now."""
    roll_key(key=api_key, overlap=Overlap.DAY, by=owner)
    return api_key


def settings_page(key: ApiKey) -> str:
    return page("apikeys:settings", key.project)


def asked_from(address: str) -> dict[str, str]:
    """The headers of a script on that page."""
    return HTMX | {"HX-Current-URL": f"http://testserver{address}"}


def used(key: ApiKey, number: int, ago: timedelta = timedelta()) -> None:
    for _ in range(number):
        counting.record(key.pk, "ok", (timezone.now() - ago).timestamp(), "198.51.100.7")
    counting.flush()


# The form


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "dialog"])
def test_the_form_offers_five_ends(client, api_key, headers):
    """P17: also without script."""
    answer = client.get(action("roll", api_key), headers=headers)
    said = text(answer)
    assert "The new key gets the same name and settings as the old one." in said
    for choice in ("Now: the old key has leaked", "In 1 hour", "In 24 hours", "In 7 days", "When it has been quiet"):
        assert choice in said
    choices = re.findall(r'<input type="radio"[^>]*>', answer.content.decode())
    assert [re.search('value="(.*?)"', each)[1] for each in choices] == ["1h", "24h", "7d", "quiet", "0"]
    # The choice that is made has the focus: Space must not choose "Now".
    assert [("checked" in each, "autofocus" in each) for each in choices] == [(False, False), (True, True)] + [
        (False, False)
    ] * 3
    assert "Both keys work until the old one expires." in said


@pytest.mark.parametrize(
    ("left", "offered", "chosen"),
    [
        (timedelta(minutes=30), {"1h": "At its own expiry", "0": "Now"}, "1h"),
        (timedelta(hours=5), {"1h": "In 1 hour", "24h": "At its own expiry", "0": "Now"}, "24h"),
        (
            timedelta(days=5),
            {
                "1h": "In 1 hour",
                "24h": "In 24 hours",
                "7d": "At its own expiry",
                "quiet": "When it has been quiet, at its own expiry at the latest",
                "0": "Now",
            },
            "24h",
        ),
    ],
)
def test_no_end_is_offered_beyond_the_keys_own(client, api_key, left, offered, chosen):
    ApiKey.objects.filter(pk=api_key.pk).update(expires_at=timezone.now() + left, end_reason="chosen")
    choices = client.get(action("roll", api_key)).context["roll_form"]["overlap"]
    assert [choice.data["value"] for choice in choices] == [*offered]
    assert all(choice.choice_label.startswith(offered[choice.data["value"]]) for choice in choices)
    assert [choice.data["value"] for choice in choices if choice.data["selected"]] == [chosen]
    client.post(action("roll", api_key), {"overlap": chosen})
    api_key.refresh_from_db()
    assert api_key.expires_at - timezone.now() <= min(left, timedelta(days=1))


def test_the_form_explains_what_it_offers_and_says_when_the_new_key_ends(client, api_key):
    now = timezone.now()
    ApiKey.objects.filter(pk=api_key.pk).update(
        created_at=now, expires_at=now + timedelta(hours=5), end_reason="chosen"
    )
    said = text(client.get(action("roll", api_key)))
    assert "Quiet means" not in said
    assert re.search(r"The new key expires on \d+ \w+ \d{4}, \d\d:\d\d UTC", said)
    ApiKey.objects.filter(pk=api_key.pk).update(expires_at=now + timedelta(days=5))
    assert "Quiet means" in text(client.get(action("roll", api_key)))


def test_an_old_key_whose_replacement_is_gone_still_ends_when_it_is_quiet_and_says_so(client, api_key, owner):
    """No panel shows it any more. Housekeeping ends it all the same."""
    new = roll_key(key=api_key, overlap=Overlap.QUIET, by=owner).key
    newest = roll_key(key=new, overlap=Overlap.NONE, by=owner).key
    services.delete_key(key=newest, by=owner)
    for address in (action("key", api_key), action("edit", api_key)):
        assert ", or as soon as it is quiet" in text(client.get(address))
    assert end_quiet_keys(timezone.now() + timedelta(days=2)) == 1
    assert "as soon as it is quiet" not in text(client.get(action("key", api_key)))


def test_a_paused_key_is_not_said_to_work_until_its_end(client, api_key, owner):
    pause_key(key=api_key, by=owner)
    said = text(client.get(action("roll", api_key)))
    assert "Both keys work" not in said
    assert "The old key stays paused." in said


def test_without_script_the_roll_leads_to_the_new_keys_panel(client, api_key):
    """P17"""
    answer = client.post(action("roll", api_key), {"overlap": "1h"}, follow=True)
    new = api_key.replaced_by.get()
    assert "Rolled Production server. The old key is now called Production server (rolled" in text(answer)
    assert f'aria-label="New API key {new.name}"' in answer.content.decode()
    assert f'id="row-{api_key.public_id}"' in answer.content.decode()


def test_with_script_the_section_has_the_new_keys_panel(client, api_key):
    answer = client.post(action("roll", api_key), {"overlap": "7d"}, headers=asked_from(settings_page(api_key)))
    assert answer.headers["HX-Retarget"] == "#api-keys"
    assert 'aria-label="New API key Production server"' in answer.content.decode()
    assert "Rolling “Production server”" in text(answer)


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "dialog"])
def test_where_secrets_are_shown_once_the_answer_has_the_new_secret(client, once, api_key, headers):
    """P17: the second submission of the form shows no secret and creates no key."""
    answer = client.post(action("roll", api_key), {"overlap": "24h"} | TOKEN, headers=headers)
    new = api_key.replaced_by.get()
    assert not new.can_be_shown
    said = text(answer if not headers else client.get(action("key", new)))
    assert "Rolled Production server. The old key is now called Production server (rolled" in said
    assert "Created Production server." not in said
    assert 'class="announcement"' not in answer.content.decode(), "it would lie on the button below the secret"
    [secret] = {*re.findall(r"lk_[0-9A-Za-z]{36}", answer.content.decode())}
    assert client.get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"}).json()["data"]["key"]["id"] == (
        new.public_id
    )
    again = client.post(action("roll", api_key), {"overlap": "24h"} | TOKEN, headers=headers)
    assert secret not in again.content.decode()
    assert once.api_keys.count() == 2


def test_a_form_that_is_posted_twice_rolls_once(client, api_key, project):
    for _ in range(2):
        answer = client.post(action("roll", api_key), {"overlap": "24h"} | TOKEN)
        assert "created=" in answer.headers["Location"]
    assert project.api_keys.count() == 2


@pytest.mark.parametrize(("first", "then"), [("24h", "0"), ("7d", "24h"), ("quiet", "7d")])
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "dialog"])
def test_a_form_that_is_sent_again_with_another_end_says_that_nothing_was_done(client, api_key, first, then, headers):
    """Somebody learns of a leak, goes back and chooses "Now": they must not read that the old key has ended."""
    client.post(action("roll", api_key), {"overlap": first} | TOKEN, follow=True)
    api_key.refresh_from_db()
    answer = client.post(action("roll", api_key), {"overlap": then} | TOKEN, headers=headers)
    assert answer.status_code == 422
    assert "Rolled" not in text(answer)
    assert "Nothing was changed now." in text(answer)
    assert f"{api_key.name}, which {rolling.end_of_old_key(api_key)}." in text(answer)
    for way_out in ("end", "edit"):
        assert f'href="{action(way_out, api_key)}"' in answer.content.decode()
    ended_at, before = api_key.expires_at, api_key.replaced_by.count()
    api_key.refresh_from_db()
    assert (api_key.expires_at, api_key.replaced_by.count()) == (ended_at, before)
    again = client.post(action("roll", api_key), {"overlap": first} | TOKEN)
    assert "created=" in again.headers["Location"], "the same form is still the same"


def test_a_key_with_an_end_of_its_own_rolls_once_too(client, api_key):
    ApiKey.objects.filter(pk=api_key.pk).update(expires_at=timezone.now() + timedelta(hours=5), end_reason="chosen")
    for _ in range(2):
        assert "created=" in client.post(action("roll", api_key), {"overlap": "24h"} | TOKEN).headers["Location"]
    change_end(key=api_key, expires_at=timezone.now() + timedelta(hours=2), by=None)
    assert "Nothing was changed now." in text(client.post(action("roll", api_key), {"overlap": "24h"} | TOKEN))


@pytest.mark.parametrize("used_by", ["roll", "create"])
def test_a_form_that_was_used_for_another_key_rolls_nothing(client, api_key, project, used_by):
    other = ApiKeyFactory(project=project, name="Other")
    form = {"overlap": "24h", "name": "Staging"} | TOKEN
    client.post(action("roll", other) if used_by == "roll" else page("apikeys:create", project), form, follow=True)
    answer = client.post(action("roll", api_key), form)
    assert answer.status_code == 422
    assert "This form was used before: the key that it created is called" in text(answer)
    assert "Nothing else was done." in text(answer)
    assert not api_key.replaced_by.exists()


def test_an_end_that_is_not_offered_is_an_error_and_rolls_nothing(client, api_key, project):
    answer = client.post(action("roll", api_key), {"overlap": "2h"})
    assert answer.status_code == 422
    assert "Choose when the old key expires." in text(answer)
    assert project.api_keys.count() == 1


def test_a_key_that_is_being_rolled_offers_the_way_out(client, rolled):
    """P17"""
    for answer in (client.get(action("roll", rolled)), client.post(action("roll", rolled), {"overlap": "24h"})):
        assert "is being rolled already" in text(answer)
        assert action("end", rolled) in answer.content.decode()
        assert "Roll key" not in text(answer)
    assert answer.status_code == 422


def test_a_key_that_has_ended_or_was_deleted_cannot_be_rolled(client, api_key, owner):
    end_key(key=api_key, by=owner)
    assert "has expired already" in text(client.get(action("roll", api_key)))
    services.delete_key(key=api_key, by=owner)
    answer = client.post(action("roll", api_key), {"overlap": "24h"}, follow=True)
    assert "was deleted in the meantime" in text(answer)


def test_rolling_asks_for_a_recent_sign_in(aged, api_key, project):
    """P17, T52"""
    assert asks(aged.get(action("roll", api_key)))
    assert asks(aged.post(action("roll", api_key), {"overlap": "24h"}))
    assert project.api_keys.count() == 1


def test_an_old_key_offers_no_roll_while_its_replacement_works(client, rolled, owner):
    new = rolled.replaced_by.get()

    def offers(key: ApiKey) -> list[bool]:
        row = client.post(action("pause", key), headers=asked_from(settings_page(key)))
        client.post(action("resume", key))
        answers = [client.get(settings_page(key)), client.get(action("key", key)), row]
        return [f'{key.public_id}/roll/"' in answer.content.decode() for answer in answers]

    assert offers(new) == [True] * 3
    assert offers(rolled) == [False] * 3
    end_key(key=new, by=owner)
    assert offers(rolled) == [True] * 3


def test_quick_start_shows_the_new_key_of_a_roll(client, rolled, project, owner):
    """Nobody should copy a key that is being replaced, although it is the key that was used last."""
    used(rolled, 1)
    new = rolled.replaced_by.get()
    newest = roll_key(key=new, overlap=Overlap.NONE, by=owner).key

    def shown(query: str = "") -> ApiKey:
        return client.get(page("apikeys:dashboard", project) + query).context["key"]

    assert shown() == newest
    assert shown(f"?key={rolled.public_id}") == rolled
    services.delete_key(key=newest, by=owner)
    assert shown() == rolled


def test_a_key_offers_its_roll_until_it_has_ended(client, api_key, owner):
    for address in (settings_page(api_key), action("key", api_key)):
        assert f'{api_key.public_id}/roll/"' in client.get(address).content.decode()
    end_key(key=api_key, by=owner)
    for address in (settings_page(api_key), action("key", api_key)):
        assert f'{api_key.public_id}/roll/"' not in client.get(address).content.decode()


# The panel


def places(old: ApiKey) -> list[str]:
    """The pages that have the panel."""
    return [settings_page(old), action("key", old), action("key", old.replaced_by.get())]


def test_the_list_and_both_keys_pages_show_the_roll(client, rolled, project):
    """P17"""
    other = ApiKeyFactory(project=project)
    assert "(the old key is now" in text(client.get(action("key", rolled)))
    for address in places(rolled):
        said = text(client.get(address))
        assert "Rolling “Production server”" in said
        assert "The old key expires on" in said
        assert "Expire old key now…" in said
    assert "Rolling" not in text(client.get(action("key", other)))


def test_the_panel_says_who_is_still_on_the_old_key(client, rolled):
    """P17"""
    used(rolled, 3)
    used(rolled.replaced_by.get(), 5)
    for address in places(rolled):
        answer = client.get(address)
        assert re.search(r"Still on the old key: 198\.51\.100\.7 \( ?3 requests since \d+ \w+ \(UTC\), ", text(answer))
        assert "5 with the new key, 3 with the old key." in answer.content.decode()


def test_the_panel_counts_no_request_from_before_the_roll(client, api_key, owner):
    """Requests are counted by days, so an address of that day has no number."""
    used(api_key, 3, timedelta(seconds=1))
    roll_key(key=api_key, overlap=Overlap.DAY, by=owner)
    used(api_key, 2)
    assert re.search(r"Still on the old key: 198\.51\.100\.7 \( just now \)", text(client.get(action("key", api_key))))


def test_the_panel_says_since_when_the_old_key_is_quiet(client, rolled, time_machine):
    """P17: the time of the roll, or of the last request after it."""
    day = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    ApiKey.objects.filter(pk=rolled.pk).update(expires_at=day + timedelta(days=7))
    ApiKey.objects.filter(replaces=rolled).update(created_at=day + timedelta(hours=9))

    def seen(used: timedelta | None, now: timedelta) -> str:
        time_machine.move_to(day + now, tick=False)
        ApiKey.objects.filter(pk=rolled.pk).update(last_used_at=used and day + used)
        return text(client.get(settings_page(rolled)))

    evening, half_past_seven = timedelta(hours=20), timedelta(hours=19, minutes=30)
    assert "No requests on the old key since the roll (09:00 UTC today)." in seen(None, evening)
    assert "No requests on the old key since 14:02 UTC today." in seen(timedelta(hours=14, minutes=2), evening)
    assert "Still on the old key" in seen(half_past_seven, evening)
    assert "No requests on the old key since 19:30 UTC yesterday." in seen(half_past_seven, timedelta(hours=31))


@pytest.mark.parametrize("overlap", [Overlap.DAY, Overlap.QUIET])
def test_the_buttons_of_the_panel_are_described_by_the_end_that_they_move(client, api_key, owner, overlap):
    """P17: "+ 24 hours" does not say what it moves, the sentence beside it does."""
    roll_key(key=api_key, overlap=overlap, by=owner)
    for address in places(api_key):
        shown = client.get(address).content.decode()
        sentence = re.search(rf'<p class="small" id="old-ends-{api_key.public_id}">\s*The old key expires ', shown)
        assert sentence
        described = re.findall(rf'aria-describedby="roll-{api_key.public_id} old-ends-{api_key.public_id}"', shown)
        assert len(described) == 2


def test_a_viewer_sees_the_roll_and_no_buttons(signed_in, viewer, rolled):
    said = text(signed_in(viewer).get(settings_page(rolled)))
    assert "Rolling “Production server”" in said
    assert "Expire old key now…" not in said
    assert "+ 24 hours" not in said


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["without script", "with script"])
def test_the_old_key_can_be_ended_now(client, rolled, headers):
    """P17: after a confirmation, which is a page without script."""
    asked = client.get(action("end", rolled), headers=headers)
    assert "Requests using this key will be rejected at once" in text(asked)
    client.post(action("end", rolled), headers=headers)
    rolled.refresh_from_db()
    assert (rolled.is_expired, rolled.end_reason) == (True, "rolled")
    again = text(client.post(action("end", rolled), follow=True))
    assert "has expired already. Nothing was changed" in again
    assert rolled.events.filter(kind="ended").count() == 1


@pytest.mark.parametrize("asked_on", [0, 1, 2], ids=["list", "old key", "new key"])
def test_24_more_hours_come_once_for_each_page(client, rolled, asked_on):
    """P17: two clicks on one page are one extension, and lead back to that page."""
    address = places(rolled)[asked_on]
    end = rolled.expires_at
    form = client.get(address).content.decode()
    [seen] = re.findall(r'name="seen" value="([^"]+)"', form)
    for _ in range(2):
        answer = client.post(
            action("extend_old", rolled), {"seen": seen}, headers={"Referer": f"http://testserver{address}"}
        )
        assert answer.headers["Location"].split("#")[0] == address
        assert "now expires on" in text(client.get(address))
        rolled.refresh_from_db()
        assert rolled.expires_at == end + timedelta(days=1)


@pytest.mark.parametrize("seen", ["", "x", "2026-13-45T99:99:99Z", "9999-12-31T23:59:59+00:00"])
def test_an_end_that_no_page_showed_changes_nothing(client, rolled, seen):
    end = rolled.expires_at
    answer = client.post(action("extend_old", rolled), {"seen": seen}, follow=True)
    assert "Nothing was changed" in text(answer)
    rolled.refresh_from_db()
    assert rolled.expires_at == end


def test_the_list_shows_three_rolls_with_a_fixed_number_of_queries(client, project, owner):
    """P17"""
    ApiKeyFactory(project=project)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(page("apikeys:settings", project))
        assert answer.status_code == 200
        return len(captured)

    roll_key(key=project.api_keys.get(), overlap=Overlap.DAY, by=owner)
    queries()
    one = queries()
    many_keys(project, 5)
    for key in project.api_keys.filter(name__startswith="Row"):
        roll_key(key=key, overlap=Overlap.QUIET, by=owner)
    assert queries() == one
    said = text(client.get(page("apikeys:settings", project)))
    assert said.count("Rolling “") == 3
    assert "More keys are being rolled" in said
