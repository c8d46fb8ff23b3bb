"""A roll: the new key, the old key, their names and ends, and who is refused."""

import json
import re
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.utils import timezone

from apikeys.keys import pausing, services
from apikeys.keys.key_errors import KeyGone
from apikeys.lifetimes.ends import change_end, end_key
from apikeys.lifetimes.rolling import LENGTHS, Names, Overlap, extend_overlap, names_after, roll_key
from apikeys.models import ApiKey
from apikeys.standing import KeyState
from apikeys.verify.verification import verify
from common.instants import in_words
from common.names import clean_name
from projects.audit_log.models import AuditEvent
from tests.support.factories import ApiKeyFactory, MembershipFactory, UserFactory
from tests.support.stored.rows import many_keys

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def roll(key: ApiKey, overlap: Overlap = Overlap.DAY, **arguments: object) -> services.NewKey:
    """The new key and its secret; `key` is the old key as it is afterwards."""
    given = {"by": key.created_by, **arguments}
    return roll_key(key=key, overlap=overlap, **given)  # type: ignore[arg-type]


def refusal(key: ApiKey, overlap: Overlap = Overlap.DAY) -> ValidationError:
    with pytest.raises(ValidationError) as refused:
        roll(key, overlap)
    assert not AuditEvent.objects.filter(kind="rolled", key=key).exists()
    return refused.value


def allowed(secret: str) -> bool:
    return verify(f"Bearer {secret}").code is None


# The two keys


@pytest.mark.parametrize("overlap", LENGTHS)
def test_both_keys_work_until_the_old_one_ends(api_key, owner, overlap):
    """P17"""
    before = timezone.now()
    new = roll(api_key, overlap)
    assert allowed(new.secret)
    assert allowed(api_key.secret)
    assert (new.key.name, new.key.replaces, new.key.created_by) == ("Production server", api_key, owner)
    assert (new.key.expires_at, new.key.end_reason) == (None, "")
    assert before + LENGTHS[overlap] <= api_key.expires_at <= timezone.now() + LENGTHS[overlap]
    assert (api_key.end_reason, api_key.ends_when_quiet) == ("rolled", overlap == Overlap.QUIET)
    assert services.copy_secret(key=new.key, by=owner) == new.secret


def test_without_an_overlap_the_old_key_ends_at_once(api_key):
    """P17: the end is a stored state, so no clock delays it."""
    new = roll(api_key, Overlap.NONE)
    assert allowed(new.secret)
    assert verify(f"Bearer {api_key.secret}").code == "key_expired"
    assert (api_key.state, api_key.end_reason) == (KeyState.ENDED, "rolled")


def test_a_roll_is_an_event_of_each_key(api_key, owner):
    new = roll(api_key, address="203.0.113.7")
    rolled = api_key.events.get(kind="rolled")
    assert (rolled.before, rolled.after) == ("Production server", "Production server")
    assert (rolled.by, rolled.address) == (owner, "203.0.113.7")
    assert [event.kind for event in new.key.events.all()] == ["created"]


def test_the_owners_get_one_email_about_the_new_key(api_key, told):
    [email] = told(roll, api_key)
    assert "API key created: Production server" in email.subject


def test_the_old_key_never_lives_longer_than_its_own_end(api_key, owner):
    """P17"""
    end = timezone.now() + timedelta(hours=2)
    change_end(key=api_key, expires_at=end, by=owner)
    roll(api_key, Overlap.QUIET)
    assert api_key.expires_at == end


def test_the_new_key_lives_as_long_as_the_old_one_was_to_live(project, owner):
    """P17"""
    end = timezone.now() + 10 * DAY
    key = ApiKeyFactory(project=project, created_at=end - 90 * DAY, expires_at=end, end_reason="chosen")
    new = roll(key).key
    assert new.expires_at - new.created_at == 90 * DAY
    assert new.end_reason == "chosen"


def test_a_key_that_was_rolled_before_passes_on_the_length_of_its_own_end(api_key, owner):
    """The old key's end belongs to its roll, and is no length of a key."""
    services.delete_key(key=roll(api_key).key, by=owner)
    assert roll(api_key).key.expires_at is None


@pytest.mark.parametrize(("length", "days"), [(None, 90), (30, 30), (365, 90)])
def test_the_new_key_obeys_the_longest_life_that_the_operator_allows(project, settings, length, days):
    """P17: also the replacement of a key that is older than the setting."""
    now = timezone.now()
    end = {"expires_at": now + DAY, "end_reason": "chosen"} if length else {}
    key = ApiKeyFactory(project=project, created_at=now + DAY - (length or 0) * DAY, **end)
    settings.MAX_KEY_DAYS = 90
    new = roll(key).key
    assert new.expires_at - new.created_at == days * DAY


def test_a_length_of_more_than_ten_years_is_cut(project):
    key = ApiKeyFactory(project=project, created_at=timezone.now() - 10 * DAY, expires_at=timezone.now() + 3645 * DAY)
    new = roll(key).key
    assert new.expires_at - new.created_at == 3650 * DAY


@pytest.mark.parametrize("overlap", [Overlap.NONE, Overlap.DAY])
def test_a_paused_key_stays_paused_and_its_replacement_works(api_key, owner, overlap):
    """P17: neither the pause nor its note is copied."""
    pausing.pause_key(key=api_key, by=owner, note="Runaway costs")
    new = roll(api_key, overlap)
    assert allowed(new.secret)
    assert (new.key.state, new.key.pause_note) == (KeyState.ACTIVE, "")
    assert verify(f"Bearer {api_key.secret}").code == "key_paused"
    assert api_key.pause_note == "Runaway costs"
    pausing.resume_key(key=api_key, by=owner)
    assert allowed(api_key.secret) is (overlap == Overlap.DAY)


def test_a_report_is_not_copied(api_key, owner):
    services.report_leak(secret=api_key.secret)
    api_key.refresh_from_db()
    new = roll(api_key)
    assert allowed(new.secret)
    assert not new.key.is_reported
    assert api_key.is_reported


# Names


NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
ROLLED = " (rolled 28 Nov)"


@pytest.mark.parametrize(
    ("name", "others", "old", "new"),
    [
        ("CI", [], f"CI{ROLLED}", "CI"),
        ("CI", [f"ci{ROLLED}", f"CI{ROLLED} 2"], f"CI{ROLLED} 3", "CI"),
        ("W" * 64, [], "W" * 47 + f"…{ROLLED}", "W" * 64),
        ("W" * 64, ["W" * 47 + f"…{ROLLED}"], "W" * 45 + f"…{ROLLED} 2", "W" * 64),
        ("CI (rolled 3 Nov)", [], f"CI{ROLLED}", "CI"),
        ("CI (rolled 3 Nov) 2", ["CI"], f"CI{ROLLED}", "CI (rolled 3 Nov) 2"),
        (f"CI{ROLLED}", ["CI"], f"CI{ROLLED} 2", f"CI{ROLLED}"),
    ],
    ids=["plain", "taken", "long", "long and taken", "rolled before", "first name taken", "twice on one day"],
)
def test_the_old_key_gets_a_name_that_fits_and_is_free(project, name, others, old, new):
    """P17"""
    key = ApiKeyFactory(project=project, name=name)
    for other in others:
        ApiKeyFactory(project=project, name=other)
    assert names_after(key, project, NOW) == Names(old, new)
    assert clean_name(old) == old


def test_a_name_is_not_cut_within_joined_emoji(project):
    key = ApiKeyFactory(project=project, name="x" * 45 + "👩\u200d💻" + "x" * 16)
    old = names_after(key, project, NOW).old
    assert clean_name(old) == old
    assert len(old) <= 64


# Who is refused, and the limits


def test_a_deleted_key_cannot_be_rolled(api_key, owner):
    services.delete_key(key=ApiKey.objects.get(), by=owner)
    with pytest.raises(KeyGone):
        roll(api_key)


def test_a_key_that_has_ended_cannot_be_rolled(api_key, owner):
    end_key(key=api_key, by=owner)
    assert refusal(api_key).code == "has_ended"


def test_a_key_that_is_being_rolled_cannot_be_rolled_again(api_key, project):
    """P17: the message names the new key and the way out."""
    roll(api_key)
    with pytest.raises(ValidationError) as refused:
        roll(api_key)
    assert refused.value.code == "being_rolled"
    assert "Production server replaces it. Expire the old key now" in refused.value.message
    assert project.api_keys.count() == 2


def test_once_the_replacement_is_gone_the_old_key_can_be_rolled_again(api_key, owner):
    services.delete_key(key=roll(api_key).key, by=owner)
    assert roll(api_key).key.name == "Production server"


def test_a_new_key_can_be_rolled_while_the_old_one_lives(api_key):
    new = roll(api_key).key
    newest = roll(new).key
    assert (newest.name, newest.replaces) == ("Production server", new)
    assert new.name.endswith(" 2")


def test_a_form_that_is_submitted_twice_creates_one_key(api_key, project):
    first, again = (roll(api_key, form_token="t" * 22) for _ in range(2))
    assert (first.key.pk, first.secret) == (again.key.pk, again.secret)
    assert project.api_keys.count() == 2


def test_a_roll_may_exceed_the_limit_by_one(project, settings):
    """P17"""
    settings.MAX_KEYS_PER_PROJECT = 3
    many_keys(project, 3)
    first, second, third = project.api_keys.all()
    roll(first)
    refused = refusal(second)
    assert (refused.code, "limit of 3" in refused.message) == ("too_many_keys", True)
    assert roll(third, Overlap.NONE), "a key that ends now makes room"
    end_key(key=first, by=project.created_by)
    assert roll(second), "keys that have ended do not count"


def test_a_roll_counts_towards_the_new_keys_of_a_day(api_key, settings):
    settings.MAX_NEW_KEYS_PER_DAY = 1
    assert refusal(api_key).code == "too_many_new_keys"
    api_key.refresh_from_db()
    assert api_key.name == "Production server"


def test_somebody_elses_key_becomes_the_key_of_the_person_who_rolls_it(api_key):
    other = MembershipFactory(project=api_key.project).user
    assert roll(api_key, by=other).key.created_by == other


# 24 more hours


def test_24_more_hours_keep_what_the_roll_chose(api_key, owner):
    """P17: a key that ends when it is quiet still does."""
    roll(api_key, Overlap.QUIET)
    end = api_key.expires_at
    assert extend_overlap(key=api_key, seen=end, by=owner)
    assert (api_key.expires_at, api_key.end_reason, api_key.ends_when_quiet) == (end + DAY, "rolled", True)
    assert extend_overlap(key=api_key, seen=end, by=owner), "the second click of a double click"
    assert api_key.expires_at == end + DAY
    assert not extend_overlap(key=api_key, seen=end - DAY / 2, by=owner), "of a page from before another change"
    assert api_key.events.filter(kind="end_changed").count() == 1


# The command


def rolled_by_command(key: ApiKey, *arguments: str) -> str:
    out = StringIO()
    call_command("rollkey", key.public_id, *arguments, stdout=out)
    key.refresh_from_db()
    return out.getvalue()


@pytest.mark.parametrize("overlap", Overlap)
def test_rollkey_prints_the_new_key_and_the_old_ones_end(api_key, overlap):
    """P17"""
    answer = json.loads(rolled_by_command(api_key, "--overlap", overlap, "--json"))
    assert [*answer] == ["id", "secret", "replaces", "old_expires_at"]
    new = ApiKey.objects.get(public_id=answer["id"])
    assert (new.replaces, answer["replaces"]) == (api_key, api_key.public_id)
    assert datetime.fromisoformat(answer["old_expires_at"]) == api_key.expires_at
    assert allowed(answer["secret"])
    assert allowed(api_key.secret) is (overlap != Overlap.NONE)


def test_rollkey_says_the_secret_once_and_when_the_old_key_ends(api_key):
    said = rolled_by_command(api_key)
    assert len(re.findall(r"lk_\w{36}", said)) == 1
    assert "export LATCHKEY_API_KEY=<the secret>" in said
    assert f"({api_key.public_id}), expires on {in_words(api_key.expires_at)}." in said


def test_rollkey_makes_the_new_key_one_of_somebody_who_may_have_keys(api_key, owner):
    """The old key's creator is not a member any more."""
    left = UserFactory()
    ApiKey.objects.update(responsible=left)
    answer = json.loads(rolled_by_command(api_key, "--json"))
    assert ApiKey.objects.get(public_id=answer["id"]).created_by == owner


def test_rollkey_says_why_a_key_cannot_be_rolled(api_key, owner):
    roll(api_key)
    with pytest.raises(CommandError, match="is being rolled already"):
        rolled_by_command(api_key)
    services.delete_key(key=api_key, by=owner)
    with pytest.raises(CommandError, match="createkey"):
        rolled_by_command(api_key)
