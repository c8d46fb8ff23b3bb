"""The admin shows what a key may do and how a project is limited, and changes both through the services."""

import json

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window, column_of
from apikeys.bounds.services import limit_project, restrict_key
from apikeys.keys.services import delete_key
from apikeys.models import ApiKey
from apikeys.verify.verification import verify
from projects.services import delete_project
from tests.support.factories import UserFactory
from tests.support.people.confirmation import asks
from tests.support.people.sessions import age
from tests.support.places.pages import text

pytestmark = pytest.mark.django_db

RESTRICTED = Restrictions(
    scopes=("files:read",),
    networks=("198.51.100.7/32", "2001:db8::/32"),
    limits=Limits(Limit(100, Window.MINUTE), Limit(10_000, Window.MONTH)),
)
WORDS = "files:read; 198.51.100.7, 2001:db8::/32; 100 requests a minute, 10,000 requests a month"
FREE = {"access": "full", "networks": "", "rate": "", "quota": "", "seen": "{}"}


@pytest.fixture
def site(admin, signed_in):
    return signed_in(admin)


def of_key(key, page="restrict"):
    return reverse(f"admin:apikeys_apikey_{page}", args=[key.pk])


def of_project(project, page="limits"):
    return reverse(f"admin:projects_project_{page}", args=[project.pk])


def sent_by(page):
    """What a browser sends from the page's form, with nothing changed."""
    form = page.context["form"]
    return {name: "" if form[name].value() is None else form[name].value() for name in form.fields}


def test_a_key_is_restricted_and_its_page_says_so(site, admin, api_key):
    sent = FREE | {"access": "scopes", "scopes": ["files:read"], "networks": "198.51.100.7\n2001:DB8::/32"}
    answer = site.post(of_key(api_key), sent | {"rate": "100/minute", "quota": "10,000/month"}, follow=True)
    assert "Changed. It holds for the next request." in text(answer)
    api_key.refresh_from_db()
    assert api_key.bounds == RESTRICTED
    assert f"{WORDS}. Change…" in text(site.get(of_key(api_key, "change")))
    assert verify(f"Bearer {api_key.secret}", "203.0.113.1").code == "address_refused"
    events = api_key.events.order_by("-id")[:3]
    assert {(event.kind, event.by) for event in events} == {
        ("access_changed", admin),
        ("networks_changed", admin),
        ("limits_changed", admin),
    }
    assert all(event.address == "127.0.0.1" for event in events)


def test_the_form_shows_what_the_key_has_and_sends_the_same_again(site, api_key):
    restrict_key(key=api_key, restrictions=RESTRICTED, by=None)
    page = site.get(of_key(api_key))
    events = api_key.events.count()
    assert "It was so already" in text(site.post(of_key(api_key), sent_by(page), follow=True))
    api_key.refresh_from_db()
    assert (api_key.bounds, api_key.events.count()) == (RESTRICTED, events)


@pytest.mark.parametrize("field", ["networks", "scopes"])
def test_a_pasted_secret_is_not_repeated(site, api_key, field):
    answer = site.post(of_key(api_key), FREE | {"access": "scopes", field: api_key.secret})
    assert "This looks like an API key." in text(answer)
    assert api_key.secret[3:33] not in answer.content.decode()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"access": "scopes"}, "Choose at least one scope."),
        ({"access": "scopes", "scopes": ["nothing"]}, "There is no scope 'nothing'."),
        ({"rate": "1_000/minute"}, "A limit is a whole number"),
        ({"quota": "1٠/day"}, "A limit is a whole number"),
        ({"access": "all"}, "Choose one of these."),
        ({"access": ""}, "Choose one of these."),
        ({"networks": "10.0.0.1/24"}, "Write 10.0.0.0/24, or the address alone."),
        ({"networks": "0.0.0.0/0"}, "is every address"),
        ({"networks": "\n".join(f"192.0.2.{number}" for number in range(51))}, "at most 50 networks"),
        ({"rate": "100/day"}, "is no rate"),
        ({"quota": "0/day"}, "pause the key"),
        ({"seen": "x"}, "Reload the page"),
        ({"seen": '{"hours": 3}'}, "Reload the page"),
    ],
)
def test_what_cannot_be_is_said_beside_its_field_and_nothing_is_changed(site, api_key, wrong, said):
    answer = site.post(of_key(api_key), FREE | wrong)
    assert answer.status_code == 200
    assert said in text(answer)
    shown = answer.context["form"]
    assert {name: shown[name].value() for name in wrong} == wrong, "what was typed stays"
    api_key.refresh_from_db()
    assert api_key.restrictions is None


@pytest.mark.parametrize("field", ["access", "networks", "rate", "quota"])
def test_a_field_that_is_left_out_is_no_wish_for_no_restriction(site, api_key, project, field):
    restrict_key(key=api_key, restrictions=RESTRICTED, by=None)
    limit_project(project=project, limits=RESTRICTED.limits, by=None)
    for page in [of_key(api_key), *([of_project(project)] if field in ("rate", "quota") else [])]:
        sent = sent_by(site.get(page))
        del sent[field]
        answer = site.post(page, sent)
        assert answer.context["form"].errors.keys() == {field}
    api_key.refresh_from_db()
    project.refresh_from_db()
    assert (api_key.bounds, project.limits) == (RESTRICTED, column_of(Restrictions(limits=RESTRICTED.limits)))


def test_save_that_is_pressed_twice_is_answered_as_done_both_times(site, project, api_key):
    for page in (of_key(api_key), of_project(project)):
        sent = sent_by(site.get(page)) | {"rate": "5/second"}
        assert [site.post(page, sent).status_code for _ in range(2)] == [302, 302]
    api_key.refresh_from_db()
    assert api_key.bounds == Restrictions(limits=Limits(rate=Limit(5, Window.SECOND)))


def test_nobody_undoes_a_change_that_they_did_not_see(site, api_key):
    """What the form showed is what `seen` says. Its second submission has seen the change."""
    sent = sent_by(site.get(of_key(api_key))) | {"rate": "5/second"}
    restrict_key(key=api_key, restrictions=RESTRICTED, by=None)
    answer = site.post(of_key(api_key), sent)
    assert f"Somebody changed this in the meantime to: {WORDS}. Nothing was changed." in text(answer)
    api_key.refresh_from_db()
    assert api_key.bounds == RESTRICTED
    again = sent_by(answer)
    assert again["rate"] == "5/second"
    site.post(of_key(api_key), again)
    api_key.refresh_from_db()
    assert api_key.bounds == Restrictions(limits=Limits(rate=Limit(5, Window.SECOND)))


def test_a_scope_that_is_defined_no_more_is_marked_and_can_stay(site, api_key, settings):
    restrict_key(key=api_key, restrictions=RESTRICTED, by=None)
    settings.SCOPES = {"orders:read": "Read orders"}
    page = site.get(of_key(api_key))
    assert "files:read: no longer defined" in text(page)
    site.post(of_key(api_key), sent_by(page) | {"rate": ""})
    api_key.refresh_from_db()
    assert api_key.bounds.scopes == ("files:read",)


def test_what_only_a_newer_release_can_read_is_shown_as_that_and_stays(site, project, api_key):
    ApiKey.objects.filter(pk=api_key.pk).update(restrictions={"hours": [9, 17]})
    type(project).objects.update(limits={"burst": 3})
    for page in (of_key(api_key, "change"), of_project(project, "change")):
        assert "Only a newer release can read this." in text(site.get(page))
    for page in (of_key(api_key), of_project(project)):
        assert "Only a newer release can read this." in text(site.get(page, follow=True))
        assert "Only a newer release can read this." in text(site.post(page, FREE, follow=True))
    api_key.refresh_from_db()
    assert api_key.restrictions == {"hours": [9, 17]}


def test_deleted_keys_and_projects_are_changed_no_more(site, project, api_key):
    delete_key(key=api_key, by=None)
    assert site.post(of_key(api_key), FREE | {"access": "read"}).status_code == 404
    assert "Change…" not in text(site.get(of_key(api_key, "change")))
    delete_project(project=project, by=None)
    assert site.post(of_project(project), {"rate": "5/hour", "seen": "{}"}).status_code == 404
    assert "Change…" not in text(site.get(of_project(project, "change")))


def test_a_project_is_limited_and_its_owners_are_told(site, project, admin, told):
    mails = told(site.post, of_project(project), {"rate": "100/minute", "quota": "10000/month", "seen": "{}"})
    project.refresh_from_db()
    assert project.limits == {"rate": [100, "minute"], "quota": [10000, "month"]}
    assert [(mail.to, mail.subject) for mail in mails] == [(["owner@example.com"], mails[0].subject)]
    assert "100 requests a minute, 10,000 requests a month" in text(site.get(of_project(project, "change")))
    event = project.audit_events.get(kind="project_limited")
    assert (event.by, event.before, event.after) == (
        admin,
        "no limits",
        "100 requests a minute, 10,000 requests a month",
    )


def test_nobody_undoes_a_change_of_a_projects_limits_that_they_did_not_see(site, project):
    sent = sent_by(site.get(of_project(project)))
    limit_project(project=project, limits=RESTRICTED.limits, by=None)
    answer = site.post(of_project(project), sent | {"rate": "5/second"})
    assert "Somebody changed this in the meantime" in text(answer)
    project.refresh_from_db()
    assert project.limits["rate"] == [100, "minute"]
    site.post(of_project(project), sent_by(answer))
    project.refresh_from_db()
    assert project.limits == {"rate": [5, "second"]}


@pytest.mark.parametrize(("codename", "of"), [("change_apikey", of_key), ("change_project", of_project)])
def test_staff_need_the_permission_to_change(codename, of, project, api_key, signed_in):
    """T48"""
    staff = UserFactory(email="staff@example.com", is_staff=True)
    site, row = signed_in(staff), api_key if of is of_key else project
    sent = FREE | {"rate": "5/second", "seen": "{}"}
    others = ["view_apikey", "view_project", "change_apikey", "change_project"]
    staff.user_permissions.set(Permission.objects.filter(codename__in=others).exclude(codename=codename))
    assert site.get(of(row)).status_code == 403
    assert site.post(of(row), sent).status_code == 403
    staff.user_permissions.set(Permission.objects.filter(codename=codename))
    assert site.post(of(row), sent).status_code == 302
    row.refresh_from_db()
    assert json.dumps((row.restrictions if row is api_key else row.limits)["rate"]) == '[5, "second"]'


def test_nobody_changes_it_in_an_old_session(site, project, api_key):
    """A stolen session must not widen what keys may do."""
    restrict_key(key=api_key, restrictions=RESTRICTED, by=None)
    limit_project(project=project, limits=RESTRICTED.limits, by=None)
    age(site)
    for page, had in ((of_key(api_key), RESTRICTED), (of_project(project), Restrictions(limits=RESTRICTED.limits))):
        assert asks(site.get(page))
        assert asks(site.post(page, FREE | {"seen": json.dumps(column_of(had))}))
    api_key.refresh_from_db()
    project.refresh_from_db()
    assert (api_key.bounds, project.limits) == (RESTRICTED, column_of(Restrictions(limits=RESTRICTED.limits)))
