import html
import re
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from apikeys import admin as apikeys_admin
from apikeys.keys.pausing import pause_key
from apikeys.keys.services import create_key, delete_key
from apikeys.lifetimes.ends import end_key
from apikeys.models import ApiKey
from apikeys.usage.models import UnmatchedUse
from projects.audit_log.models import AuditEvent
from projects.models import Project
from projects.services import create_project
from tests.apikeys.pages.test_tombstones import bury
from tests.support.factories import FileFactory

pytestmark = pytest.mark.django_db

MODELS = ["apikeys_apikey", "projects_auditevent", "projects_project", "projects_membership", "projects_file"]
LISTS = [*MODELS, "accounts_user", "mfa_authenticator"]


@pytest.fixture
def site(admin: User, signed_in: Callable[..., Client]) -> Client:
    """A superuser's browser."""
    return signed_in(admin)


def url(name: str, *args: object) -> str:
    return reverse(f"admin:{name}", args=args)


def act(site: Client, action: str, *keys: ApiKey) -> str:
    """Runs an action on the list of keys, and returns the text of the next page."""
    data = {"action": action, "_selected_action": [key.pk for key in keys]}
    return site.post(url("apikeys_apikey_changelist"), data, follow=True).content.decode()


def every_page_about(key: ApiKey) -> list[str]:
    owner, event, file = key.created_by, key.events.first(), key.project.files.first()
    membership = key.project.memberships.first()
    rows = [*zip(MODELS, [key, event, key.project, membership, file], strict=True), ("accounts_user", owner)]
    pages = [reverse("admin:index"), *(reverse("admin:app_list", args=[app]) for app in ("apikeys", "projects"))]
    for name, row in rows:
        assert row is not None
        pages += [url(f"{name}_changelist"), url(f"{name}_add")]
        end = "deactivate" if row is owner else "delete"
        pages += [url(f"{name}_{page}", row.pk) for page in ("change", "history", end)]
    return [*pages, url("apikeys_apikey_changelist") + f"?q={key.public_id}"]


def test_p12_admins_see_users_projects_and_keys_and_never_a_secret(site, project, owner):
    """P12: on every page about a key, in every state of a key."""
    FileFactory(project=project)
    key, secret = create_key(project=project, name="Production server", by=owner)
    hidden = [secret, secret[7:-4]]
    for value in (bytes(key.digest), bytes(key.ciphertext or b"")):
        hidden += [value.hex(), repr(value)[2:-1], b64encode(value).decode()]
    seen = ""
    for change in (None, pause_key, delete_key):
        if change:
            change(key=key, by=owner)
        pages = every_page_about(key)
        for page in pages:
            response = site.get(page)
            assert response.status_code in {200, 403}, page
            text = html.unescape(response.content.decode())
            assert not [part for part in hidden if part in text], page
            seen += text
    assert not [part for part in (owner.email, project.name, key.name, key.mask) if part not in seen]


def test_p12_pausing_in_the_admin_shows_no_secret_in_confirmation_or_history(site, api_key):
    assert api_key.secret not in act(site, "pause", api_key)
    assert not LogEntry.objects.filter(change_message__contains=api_key.secret).exists()


def test_pause_stops_the_selected_keys_and_leaves_an_event_with_person_and_address(site, admin, api_key):
    assert "1 API key was paused." in act(site, "pause", api_key)
    api_key.refresh_from_db()
    assert api_key.is_paused
    event = api_key.events.latest("id")
    assert (event.kind, event.by, event.address) == ("paused", admin, "127.0.0.1")


def test_re_enable_lets_the_selected_keys_work_again(site, admin, api_key):
    pause_key(key=api_key, by=None)
    assert "1 API key was re-enabled." in act(site, "re_enable", api_key)
    api_key.refresh_from_db()
    assert api_key.is_active
    assert api_key.events.latest("id").by == admin


def test_the_actions_are_called_pause_and_re_enable(site, api_key):
    page = site.get(url("apikeys_apikey_changelist")).content.decode()
    assert re.findall(r"<option value=\"\w+\">([^<]+)</option>", page) == ["Pause", "Re-enable"]


def test_the_admin_shows_the_end_and_the_note_of_a_pause(site, api_key):
    pause_key(key=api_key, by=None, until=timezone.now() + timedelta(hours=1), note="Trying the night job")
    shown = site.get(url("apikeys_apikey_change", api_key.pk)).content.decode()
    assert "Trying the night job" in shown
    assert "Resumes at" in shown
    assert "1 API key was re-enabled." in act(site, "re_enable", api_key)


def test_a_key_whose_pause_has_ended_can_be_paused_in_the_admin(site, api_key):
    pause_key(key=api_key, by=None, until=timezone.now() + timedelta(hours=1))
    lapsed = {"paused_at": timezone.now() - timedelta(hours=1), "resumes_at": timezone.now() - timedelta(minutes=1)}
    ApiKey.objects.filter(pk=api_key.pk).update(**lapsed)
    assert "ended by itself. Requests using it are allowed." in act(site, "re_enable", api_key)
    ApiKey.objects.filter(pk=api_key.pk).update(state="paused", **lapsed)
    assert "1 API key was paused." in act(site, "pause", api_key)


@pytest.mark.parametrize(("action", "answer"), [("pause", "was paused already"), ("re_enable", "was active already")])
def test_an_action_that_changes_nothing_says_so_and_leaves_no_event(site, api_key, action, answer):
    if action == "pause":
        pause_key(key=api_key, by=None)
    events = AuditEvent.objects.count()
    assert answer in act(site, action, api_key)
    assert AuditEvent.objects.count() == events


@pytest.mark.parametrize("action", ["pause", "re_enable"])
def test_an_action_on_an_expired_key_says_that_it_has_expired(site, api_key, action):
    end_key(key=api_key, by=None)
    said = act(site, action, api_key)
    assert f"{api_key.name} has expired. Nothing was changed." in said
    assert "already" not in said


@pytest.mark.parametrize("action", ["pause", "re_enable"])
def test_a_deleted_key_is_not_brought_back(site, api_key, action):
    delete_key(key=api_key, by=None)
    assert "was deleted for good" in act(site, action, api_key)
    api_key.refresh_from_db()
    assert api_key.is_deleted


def test_staff_who_may_only_look_have_no_actions(signed_in, api_key):
    helper = staff_with("view_apikey")
    page = signed_in(helper).get(url("apikeys_apikey_changelist"))
    assert page.status_code == 200
    act(signed_in(helper), "pause", api_key)
    api_key.refresh_from_db()
    assert api_key.is_active


def staff_with(*permissions: str) -> User:
    user = User.objects.create_user("staff@example.com", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


@pytest.mark.parametrize("name", ["apikeys_apikey", "projects_auditevent", "projects_file"])
def test_keys_events_and_files_cannot_be_written_by_hand(site, api_key, project, name):
    FileFactory(project=project)
    row = {
        "apikeys_apikey": api_key,
        "projects_auditevent": api_key.events.first(),
        "projects_file": project.files.first(),
    }[name]
    assert site.post(url(f"{name}_add"), {}).status_code == 403
    assert site.post(url(f"{name}_change", row.pk), {"name": "x", "state": "active"}).status_code == 403
    assert site.post(url(f"{name}_delete", row.pk), {"post": "yes"}).status_code == 403
    assert site.get(url(f"{name}_change", row.pk)).status_code == 200


@pytest.mark.parametrize("lookup", ["digest", "ciphertext__startswith", "pepper_id", "form_token__startswith"])
def test_hidden_fields_cannot_be_found_out_by_filtering(site, api_key, lookup):
    assert site.get(url("apikeys_apikey_changelist"), {lookup: "a"}).status_code == 400


@pytest.mark.parametrize("name", LISTS)
def test_every_list_is_searchable_with_a_constant_number_of_queries(
    site, project, owner, name, django_assert_max_num_queries
):
    def fill(count: int) -> None:
        for number in range(count):
            create_key(project=project, name=f"{count}-{number}", by=owner)
            FileFactory(project=project)
            person = User.objects.create_user(f"{count}-{number}@example.com")
            create_project(name="Other", owner=person, by=person)

    fill(2)
    with django_assert_max_num_queries(100) as few:
        assert site.get(url(f"{name}_changelist"), {"q": "a"}).status_code == 200
        assert site.get(url(f"{name}_changelist")).status_code == 200
    fill(12)
    with django_assert_max_num_queries(len(few)):
        site.get(url(f"{name}_changelist"), {"q": "a"})
        site.get(url(f"{name}_changelist"))


def test_users_are_found_by_e_mail_and_by_id(site, owner, outsider):
    for term in (owner.email, owner.public_id):
        page = site.get(url("accounts_user_changelist"), {"q": term}).content.decode()
        assert owner.email in page
        assert outsider.email not in page


def test_an_admin_adds_a_user_by_e_mail(site, client):
    data = {
        "email": "New@Example.com",
        "usable_password": "true",
        "password1": "orange-lamp-42",
        "password2": "orange-lamp-42",
    }
    site.post(url("accounts_user_add"), data)
    assert client.login(username="new@example.com", password="orange-lamp-42")
    page = site.post(url("accounts_user_add"), data | {"email": "NEW@example.com"})
    assert "exists already" in page.content.decode()


def test_the_page_of_a_user_shows_nothing_of_the_password(site, owner):
    owner.set_password("orange-lamp-42")
    owner.save()
    page = site.get(url("accounts_user_change", owner.pk)).content.decode()
    *_, salt, digest = owner.password.split("$")
    assert not [part for part in ("algorithm", salt[:6], digest[:6]) if part in page]
    assert "../password/" in page
    assert site.get(reverse("admin:auth_user_password_change", args=[owner.pk])).status_code == 200


def test_an_admin_changes_a_users_name_and_neither_address_nor_activity(site, owner):
    data = {"first_name": "Ada", "email": "other@example.com"}
    site.post(url("accounts_user_change", owner.pk), data)
    owner.refresh_from_db()
    assert (owner.first_name, owner.is_active, owner.email) == ("Ada", True, "owner@example.com")


def test_staff_cannot_make_superusers_nor_take_over_one(signed_in, admin, owner):
    browser = signed_in(staff_with("view_user", "change_user", "delete_user"))
    browser.post(url("accounts_user_change", owner.pk), {"is_active": "on", "is_staff": "on", "is_superuser": "on"})
    owner.refresh_from_db()
    assert (owner.is_active, owner.is_staff, owner.is_superuser) == (True, False, False)
    password = reverse("admin:auth_user_password_change", args=[admin.pk])
    assert browser.post(password, {"password1": "orange-lamp-42", "password2": "orange-lamp-42"}).status_code == 403
    assert browser.post(url("accounts_user_delete", admin.pk), {"post": "yes"}).status_code == 403


def test_a_user_whose_projects_and_keys_exist_cannot_be_deleted(site, owner, api_key):
    site.post(url("accounts_user_delete", owner.pk), {"post": "yes"})
    assert User.objects.filter(pk=owner.pk).exists()


@pytest.mark.parametrize("number", ["٥", "1_0", "9" * 30])
def test_an_old_address_with_another_number_is_answered_in_words(site, number):
    answer = site.get(f"/admin/accounts/user/{number}/delete/", follow=True)
    assert answer.status_code < 500


def test_renaming_a_project_follows_the_rule_for_names(site, project):
    form = {
        "memberships-TOTAL_FORMS": "0",
        "memberships-INITIAL_FORMS": "0",
        "name": "  Acme   Climate ",
    }
    site.post(url("projects_project_change", project.pk), form)
    project.refresh_from_db()
    assert project.name == "Acme Climate"
    page = site.post(url("projects_project_change", project.pk), form | {"name": "pay\u202elap"})
    assert "contains invisible characters" in page.content.decode()


def test_deleting_a_project_asks_first_then_stops_its_keys_and_keeps_the_row(site, admin, project, api_key):
    page = url("projects_project_delete", project.pk)
    assert "requests using them are rejected at once" in site.get(page).content.decode()
    site.post(page, {"post": "yes"})
    project.refresh_from_db()
    api_key.refresh_from_db()
    assert project.deleted_at is not None
    assert api_key.is_deleted
    assert api_key.events.latest("id").by == admin


def test_the_bulk_action_deletes_projects_as_the_service_does(site, project, api_key):
    data = {"action": "delete_selected", "_selected_action": [project.pk]}
    asked = site.post(url("projects_project_changelist"), data)
    assert "Acme Weather" in asked.content.decode()
    site.post(url("projects_project_changelist"), data | {"post": "yes"})
    assert Project.objects.get().deleted_at is not None
    api_key.refresh_from_db()
    assert api_key.is_deleted


def test_a_deleted_project_can_only_be_looked_at(site, project):
    site.post(url("projects_project_delete", project.pk), {"post": "yes"})
    assert site.get(url("projects_project_change", project.pk)).status_code == 200
    assert site.post(url("projects_project_change", project.pk), {"name": "Back"}).status_code == 403
    assert site.post(url("projects_project_delete", project.pk), {"post": "yes"}).status_code == 403


def test_viewers_are_added_as_memberships(site, project, outsider):
    site.post(url("projects_membership_add"), {"project": project.pk, "user": outsider.pk, "role": "viewer"})
    assert project.memberships.get(user=outsider).role == "viewer"


def test_a_second_factor_is_shown_without_its_seed_and_can_be_removed(site, owner):
    factor = Authenticator.objects.create(user=owner, type="totp", data={"secret": "JBSWY3DPEHPK3PXP"})
    for page in (url("mfa_authenticator_changelist"), url("mfa_authenticator_change", factor.pk)):
        assert "JBSWY3DPEHPK3PXP" not in site.get(page).content.decode()
    site.post(url("mfa_authenticator_delete", factor.pk), {"post": "yes"})
    assert not Authenticator.objects.exists()


def test_session_ids_are_shown_nowhere(site):
    assert "usersession" not in site.get(reverse("admin:index")).content.decode().lower()


def test_the_admin_signs_in_through_the_accounts_login(client):
    for page in (reverse("admin:index"), reverse("admin:login")):
        response = client.get(page)
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("account_login"))


def test_people_who_are_no_staff_are_kept_out(signed_in, owner):
    assert signed_in(owner).get(reverse("admin:index"), follow=True).status_code == 403


def test_admin_pages_hold_no_inline_script_or_style(site, project, api_key):
    FileFactory(project=project)
    for page in every_page_about(api_key):
        text = site.get(page).content.decode()
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*(\ssrc=|application/json))", text), page


def test_no_page_attaches_an_address_to_an_account(admin, signed_in):
    """A person who adds a confirmed address to an account could reset the account's password with it."""
    assert signed_in(admin).get("/admin/account/emailaddress/add/").status_code == 404


def test_admins_see_how_often_no_key_matched_and_write_nothing(site):
    # An hour of the past: a server that earlier tests asked may still write its counts of this hour.
    hour = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(days=1)
    guesses = UnmatchedUse.objects.create(starts_at=hour, calls=4_711)
    pages = [url("apikeys_unmatcheduse_changelist"), url("apikeys_unmatcheduse_change", quote(guesses.pk))]
    for page in pages:
        assert re.search("4,?711", site.get(page).content.decode()), page
    assert site.get(url("apikeys_unmatcheduse_add")).status_code == 403
    assert site.post(pages[1], {"calls": 1}).status_code == 403
    assert UnmatchedUse.objects.get(pk=guesses.pk).calls == 4_711


def test_the_list_of_keys_reads_no_deleted_ones(site, project, api_key):
    """Measured with 100,000 deleted keys before this was fixed: the list took 0.4 s, a search 1.9 s."""
    for key in bury(project, 1_000)[:1]:
        gone = key.public_id
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE apikeys_apikey")
    page = url("apikeys_apikey_changelist")
    for query in ("", "?q=Production", f"?q={api_key.public_id}", f"?q={project.public_id}", f"?q={gone}"):
        with CaptureQueriesContext(connection) as found:
            text = site.get(page + query).content.decode()
        assert ("Production server" in text) == (gone not in query)
        assert (gone in text) == (gone in query)
        selects = [entry["sql"] for entry in found if 'FROM "apikeys_apikey"' in entry["sql"]]
        assert selects
        for select in selects:
            assert not re.search("Seq Scan on apikeys_apikey|SCAN apikeys_apikey(?! USING)", plan_of(select)), select


def plan_of(select: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {'' if connection.vendor == 'postgresql' else 'QUERY PLAN '}{select}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def test_deleted_keys_are_listed_where_they_are_asked_for(site, project, api_key, monkeypatch):
    monkeypatch.setattr(apikeys_admin, "MOST_COUNTED", 150)
    bury(project, 200)
    page = site.get(url("apikeys_apikey_changelist"), {"state": "deleted"}).content.decode()
    assert "150 API keys" in page
    assert api_key.public_id not in page
    page = site.get(url("apikeys_apikey_changelist")).content.decode()
    assert "1 API key" in page
    assert re.findall(r'<a href="\?[^"]*">(Living|Active|Paused|Deleted)</a>', page) == [
        *("Living", "Active", "Paused", "Deleted")
    ]


def test_the_admin_writes_dates_as_pages_do_and_says_utc(site, api_key):
    ApiKey.objects.filter(pk=api_key.pk).update(created_at=datetime(2026, 11, 29, 13, 35, tzinfo=UTC))
    seen = site.get(url("apikeys_apikey_changelist")).content.decode()
    changed = site.get(url("apikeys_apikey_change", api_key.pk)).content.decode()
    assert "29 November 2026, 13:35 UTC" in seen + changed
    for page in (seen, changed):
        assert not re.search(r"[ap]\.m\.|Nov\.", page)
