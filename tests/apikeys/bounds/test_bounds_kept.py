"""What restricts a key stays through everything else that happens to it, and every change can be read afterwards."""

import csv
import io

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse

from apikeys.bounds.asked import Asked
from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window, column_of
from apikeys.bounds.services import RestrictionsChanged, limit_project, restrict_key
from apikeys.hand_over.services import hand_over
from apikeys.keys.key_errors import KeyGone
from apikeys.keys.pausing import pause_key, resume_key
from apikeys.keys.services import create_key, delete_key, rename_key
from apikeys.lifetimes.ends import change_end
from apikeys.lifetimes.rolling import Overlap, roll_key
from apikeys.models import ApiKey
from apikeys.verify.verification import verify
from projects.locks import ProjectGone
from projects.models import Project
from projects.services import delete_project, rename_project
from tests.support.factories import MembershipFactory
from tests.support.places.pages import text

pytestmark = pytest.mark.django_db

PARTS = {
    "read only": Restrictions(read_only=True),
    "scopes": Restrictions(scopes=("files:read", "files:write")),
    "networks": Restrictions(networks=("192.0.2.0/24",)),
    "rate": Restrictions(limits=Limits(rate=Limit(5, Window.HOUR))),
    "quota": Restrictions(limits=Limits(quota=Limit(5, Window.MONTH))),
    "all": Restrictions(
        scopes=("files:read",),
        networks=("192.0.2.0/24", "2001:db8::/32"),
        limits=Limits(Limit(5, Window.HOUR), Limit(50, Window.DAY)),
    ),
    "nothing": Restrictions(),
}
every_part = pytest.mark.parametrize("restrictions", PARTS.values(), ids=PARTS)


def stored(key):
    return ApiKey.objects.get(pk=key.pk).bounds


@every_part
@pytest.mark.parametrize("overlap", [Overlap.NONE, Overlap.DAY])
def test_a_roll_copies_everything(api_key, owner, restrictions, overlap):
    restrict_key(key=api_key, restrictions=restrictions, by=owner)
    new = roll_key(key=api_key, overlap=overlap, by=owner)
    assert stored(new.key) == stored(api_key) == restrictions
    asked, address = Asked("POST", ("files:write",)), "198.51.100.7"
    refused = {"read only": "read_only", "networks": "address_refused", "all": "address_refused"}
    [name] = [name for name, part in PARTS.items() if part is restrictions]
    assert verify(f"Bearer {new.secret}", address, asked).code == refused.get(name)


@every_part
def test_everything_else_that_is_done_to_a_key_keeps_what_restricts_it(api_key, owner, colleague, restrictions):
    """Each change writes its own columns alone, as earlier releases do, which do not know the column."""
    restrict_key(key=api_key, restrictions=restrictions, by=owner)
    stale = ApiKey.objects.get(pk=api_key.pk)
    stale.restrictions = {"access": "read"} if restrictions.read_only is False else None
    pause_key(key=stale, by=owner)
    resume_key(key=stale, by=owner)
    rename_key(key=stale, name="Other", by=owner)
    change_end(key=stale, expires_at=None, by=owner)
    hand_over(key=stale, to=colleague, by=None)
    rename_project(project=api_key.project, name="Renamed", by=owner)
    assert stored(api_key) == restrictions
    delete_key(key=stale, by=owner)
    assert stored(api_key) == restrictions


@pytest.fixture
def colleague(project):
    return MembershipFactory(project=project, role="developer").user


def test_a_deleted_key_or_project_is_restricted_no_more(api_key, project, owner):
    delete_key(key=api_key, by=owner)
    with pytest.raises(KeyGone):
        restrict_key(key=api_key, restrictions=PARTS["quota"], by=owner)
    delete_project(project=project, by=owner)
    with pytest.raises(ProjectGone):
        limit_project(project=project, limits=PARTS["quota"].limits, by=None)


def test_nobody_undoes_a_change_that_they_did_not_see(api_key, project, owner):
    restrict_key(key=api_key, restrictions=PARTS["all"], by=owner)
    with pytest.raises(RestrictionsChanged):
        restrict_key(key=api_key, restrictions=Restrictions(), by=owner, seen=Restrictions())
    limit_project(project=project, limits=PARTS["rate"].limits, by=None)
    with pytest.raises(RestrictionsChanged):
        limit_project(project=project, limits=Limits(), by=None, seen=Limits())
    assert stored(api_key) == PARTS["all"]
    project.refresh_from_db()
    assert project.limits == column_of(PARTS["rate"])


@pytest.mark.parametrize(
    "restrictions",
    [
        Restrictions(scopes=()),
        Restrictions(scopes=("nothing",)),
        Restrictions(scopes=tuple(f"s{number}" for number in range(101))),
        Restrictions(limits=Limits(rate=Limit(0, Window.HOUR))),
        Restrictions(limits=Limits(rate=Limit(10**15 + 1, Window.HOUR))),
        Restrictions(limits=Limits(rate=Limit(5, Window.DAY))),
        Restrictions(limits=Limits(quota=Limit(5, Window.HOUR))),
    ],
    ids=str,
)
def test_what_is_not_allowed_creates_and_changes_nothing(api_key, project, owner, restrictions):
    with pytest.raises(ValidationError):
        create_key(project=project, name="CI", by=owner, restrictions=restrictions)
    with pytest.raises(ValidationError):
        restrict_key(key=api_key, restrictions=restrictions, by=owner)
    assert project.api_keys.count() == 1
    assert ApiKey.objects.get().restrictions is None


# What people read of it


@pytest.fixture
def changed(api_key, project, owner):
    restrict_key(key=api_key, restrictions=PARTS["all"], by=owner, address="203.0.113.5")
    return limit_project(project=project, limits=Limits(rate=Limit(7, Window.HOUR)), by=None)


WORDS = {
    "access_changed": ("full access", "files:read"),
    "networks_changed": ("any address", "192.0.2.0/24, 2001:db8::/32"),
    "limits_changed": ("no limits", "5 requests an hour, 50 requests a day"),
    "project_limited": ("no limits", "7 requests an hour"),
}


def test_activity_and_the_keys_page_say_what_it_was_before_and_is_now(changed, api_key, project, owner, signed_in):
    client = signed_in(owner)
    activity = text(client.get(reverse("apikeys:activity", args=[project.public_id])))
    of_key = text(client.get(reverse("apikeys:key", args=[project.public_id, api_key.public_id])))
    for kind, (before, after) in WORDS.items():
        assert f"from {before} to {after}" in activity
        assert (f"from {before} to {after}" in of_key) == (kind != "project_limited")


def test_the_file_of_activity_has_old_and_new_values_in_columns(changed, project, owner, signed_in):
    answer = signed_in(owner).get(reverse("apikeys:activity_csv", args=[project.public_id]))
    rows = csv.DictReader(io.StringIO(b"".join(answer).decode("utf-8-sig")))
    found = {(row["before"], row["after"]): row for row in rows if row["before"]}
    assert set(found) == set(WORDS.values())
    assert found["full access", "files:read"]["by"] == owner.email
    assert found["full access", "files:read"]["address"] == "203.0.113.5"


def test_the_longest_change_fits_into_its_event(api_key, owner, settings):
    names = [f"{number:03}".ljust(64, "x") for number in range(100)]
    settings.SCOPES = dict.fromkeys(names, "x" * 100)
    networks = tuple(f"2001:db8:ffff:ffff:ffff:ffff:ffff:{number:04x}/128" for number in range(0x1000, 0x1032))
    assert restrict_key(key=api_key, restrictions=Restrictions(scopes=tuple(names), networks=networks), by=owner)
    event = api_key.events.get(kind="access_changed")
    assert event.after == ", ".join(names)


def test_owners_are_told_of_limits_of_the_project_and_cannot_switch_it_off(project, owner, viewer, told):
    project.memberships.update(
        **{field.name: False for field in project.memberships.model._meta.fields if field.name.startswith("mail_")}
    )
    [mail] = told(limit_project, project=project, limits=PARTS["quota"].limits, by=None)
    assert mail.to == [owner.email]
    assert "The operator changed the limits of all API keys of a project together." in mail.body
    assert "ask the operator" in mail.body
    assert told(limit_project, project=Project.objects.get(), limits=PARTS["quota"].limits, by=None) == []


def test_nobody_is_emailed_about_what_a_key_may_do(api_key, owner, told):
    assert told(restrict_key, key=api_key, restrictions=PARTS["all"], by=owner) == []
