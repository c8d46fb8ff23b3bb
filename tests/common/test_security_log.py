"""The security log shows who tried what, from which address, and the outcome. It never contains a secret."""

import logging
import re
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.core import mail
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.security_events import whose
from accounts.single_sign_on import discovery
from apikeys import audit_kinds
from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window
from apikeys.bounds.services import limit_project, restrict_key
from apikeys.keys import pausing, services
from apikeys.lifetimes import ends
from apikeys.models import ApiKey
from apikeys.secrets import secret_format
from apikeys.verify import gateway
from common import refusal_lines
from common.security_log import Event, record
from config.monitoring import metrics
from projects.audit_log import kinds
from projects.audit_log.models import AuditEvent
from projects.audit_log.recording import record as record_event
from projects.members.memberships import change_member
from projects.models import Project
from projects.permissions import Role
from projects.services import rename_project
from tests.support.calls.api_client import bearer, secret_of
from tests.support.environment import REPOSITORY
from tests.support.factories import FileFactory, UserFactory
from tests.support.people.accounts import CODE, LOGIN, NEW_PASSWORD, PASSWORD, SIGN_UP, log_in, mailed_code, totp_code
from tests.support.people.lying_provider import CLIENT_ID, CLIENT_SECRET, LyingProvider, begin
from tests.support.people.lying_provider import sign_in as sign_in_at
from tests.support.people.sessions import log_in as sign_in_recently
from tests.support.places.pages import action, page

pytestmark = pytest.mark.nodb

ADDRESS = "203.0.113.7"
TYPED_BY_MISTAKE = "my-secret-pass phrase 99"
# These tests cause these events without a page.
OUTSIDE = {
    Event.PROJECT_RENAMED,
    Event.MEMBER_CHANGED,
    Event.KEY_RESUMED_REPORTED,
    Event.KEY_PAUSED_UNTIL,
    Event.KEY_PAUSE_CHANGED,
    Event.KEY_RESUMED_ITSELF,
    Event.KEY_END_CHANGED,
    Event.KEY_ENDED,
    Event.KEY_EXPIRED,
    Event.KEY_ENDED_QUIET,
    Event.KEY_REVIVED,
    Event.KEY_ROLLED,
    Event.KEY_ACCESS_CHANGED,
    Event.KEY_NETWORKS_CHANGED,
    Event.KEY_LIMITS_CHANGED,
    Event.PROJECT_LIMITED,
    Event.METRICS_REFUSED,
    Event.MORE_REFUSED,
}


class Lines(logging.Handler):
    """The security log's lines, as dictionaries."""

    def __init__(self):
        super().__init__()
        self.all = []

    def emit(self, line):
        self.all.append(dict(line.msg))

    def of(self, event):
        return [line for line in self.all if line["event"] == event]


@pytest.fixture
def lines():
    handler, logger = Lines(), logging.getLogger("security")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@pytest.fixture
def world(transactional_db, person, admin, owner, viewer, project, api_key, settings):
    """Everybody is behind the same proxy."""
    settings.TRUSTED_PROXIES = 1
    settings.FAILED_KEYS_PER_MINUTE = 60
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
    people = {"person": person, "admin": admin, "owner": owner, "viewer": viewer}
    return {**people, "project": project, "key": api_key, "settings": settings}


def browser(**options):
    return Client(headers={"X-Forwarded-For": ADDRESS}, **options)


def sent_code():
    """The code in the newest email that has one. Emails about keys are still waiting."""
    mail.outbox[:] = [message for message in mail.outbox if "-" in message.body]
    return mailed_code()


def inside(user, password=PASSWORD):
    client = browser()
    assert log_in(client, user, password).status_code == 302
    return client


def sign_up(world, secrets):
    client = browser()
    client.post(SIGN_UP, {"email": world["person"].email, "password1": NEW_PASSWORD})
    client = browser()
    client.post(SIGN_UP, {"email": "grace@example.com", "password1": NEW_PASSWORD})
    code = sent_code()
    client.post(CODE, {"code": "BCDF-GHJK"})
    client.post(CODE, {"code": code})
    secrets.append(code)


def sign_in(world, secrets):
    person = world["person"]
    for address in (person.email, "nobody@example.com", TYPED_BY_MISTAKE):
        browser().post(LOGIN, {"login": address, "password": "wrong-" + PASSWORD})
    client = inside(person)
    secrets += [PASSWORD, TYPED_BY_MISTAKE, client.cookies["sessionid"].value]
    client.post(reverse("account_reauthenticate"), {"password": "wrong-" + PASSWORD})
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    inside(person)
    client.post(reverse("usersessions_list"))
    client.post(reverse("account_logout"))
    UserFactory(email="gone@example.com", password=PASSWORD, is_active=False)
    browser().post(LOGIN, {"login": "gone@example.com", "password": PASSWORD})
    browser().post(reverse("mfa_login_webauthn"), {"credential": '{"id": "a"}'})
    guesses = browser()
    for _ in range(6):
        guesses.post(LOGIN, {"login": "somebody@example.com", "password": "wrong-" + PASSWORD})


def second_factor(world, secrets):
    person = world["person"]
    client = inside(person)
    shown = client.get(reverse("mfa_activate_totp")).content.decode()
    seed = re.search(r'id="totp-secret">([A-Z2-7]+)<', shown)[1]
    client.post(reverse("mfa_activate_totp"), {"code": totp_code(seed)})
    secrets += [seed, *RecoveryCodes(Authenticator.objects.get(type="recovery_codes")).get_unused_codes()]
    cache.clear()  # the code that set it up counts as used
    client = browser()
    log_in(client, person)
    client.post(reverse("mfa_authenticate"), {"code": "000000"})
    client.post(reverse("mfa_authenticate"), {"code": totp_code(seed)})
    client.post(reverse("mfa_reauthenticate"), {"code": "000000"})
    client.post(reverse("mfa_deactivate_totp"))
    assert not Authenticator.objects.exists()


def change_account(world, secrets):
    person = world["person"]
    client = inside(person)
    new = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    client.post(reverse("account_change_password"), {"oldpassword": "wrong-" + PASSWORD, **new})
    client.post(reverse("account_change_password"), {"oldpassword": PASSWORD, **new})
    client.post(reverse("account_email"), {"email": "countess@example.com", "action_add": "1"})
    client.post(CODE, {"code": (code := sent_code())})
    assert EmailAddress.objects.filter(email="countess@example.com", verified=True).exists()
    secrets += [NEW_PASSWORD, code]


def leave_for_good(world, secrets):
    user = UserFactory(email="leaving@example.com", password=PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    inside(user).post(reverse("account_delete"), {"confirmation": user.email})
    assert not User.objects.filter(email=user.email).exists()


def reset(world, secrets):
    person = world["owner"]
    EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
    client = browser()
    client.post(reverse("account_reset_password"), {"email": "nobody@example.com"})
    client.post(reverse("account_reset_password"), {"email": person.email})
    code = sent_code()
    confirm = reverse("account_confirm_password_reset_code")
    client.post(confirm, {"code": "BCDF-GHJK"})
    answer = client.post(confirm, {"code": code})
    client.post(answer["Location"], {"password1": PASSWORD, "password2": PASSWORD})
    secrets.append(code)


def keys_and_members(world, secrets):
    owner, project, key = world["owner"], world["project"], world["key"]
    client = inside(owner)
    secrets.append(secret_of(key))
    client.post(page("apikeys:create", project), {"name": "Second"})
    for name in ("copy", "reveal", "pause", "resume"):
        client.post(action(name, key))
    client.post(action("edit", key), {"name": "Renamed"})
    client.post(page("projects:mails", project), {"created": "on"})
    file = FileFactory(project=project)
    browser().delete(f"/api/v1/files/{file.public_id}", headers=bearer(secret_of(key)))
    client.post("/api/v1/report", {"secret": secret_of(key)}, content_type="application/json")
    client.post(action("delete", key), {"confirmation": "Renamed"})
    client.post(page("apikeys:show_once", project), {"confirmation": project.name})
    client.post(page("apikeys:keep_secrets", project))
    other = browser()
    sign_in_recently(other, world["viewer"])
    other.post(action("pause", key))
    with_token = browser(enforce_csrf_checks=True)
    with_token.cookies = client.cookies
    with_token.post(action("pause", key))
    other, secret = services.create_key(project=project, name="Third", by=world["owner"])
    services.report_leak(secret=secret)
    pausing.resume_key(key=other, by=world["owner"], although_reported=True)
    for role in (Role.VIEWER, Role.OWNER, None):
        change_member(project=project, user=world["person"], role=role, by=world["owner"])


def projects(world, secrets):
    client = inside(world["owner"])
    client.post(reverse("projects:create"), {"name": "Another"})
    project = Project.objects.get(name="Another")
    rename_project(project=project, name="Other", by=world["owner"])
    client.post(page("projects:delete", project), {"confirmation": "Other"})
    assert not Project.objects.alive().filter(pk=project.pk).exists()


def admin(world, secrets):
    client, url = browser(), reverse
    sign_in_recently(client, world["admin"])
    new = {"email": "new@example.com", "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    client.post(url("admin:accounts_user_add"), {**new, "usable_password": "true"})
    user = User.objects.get(email="new@example.com")
    change = url("admin:accounts_user_change", args=[user.pk])
    client.post(change, {"is_staff": "on", "is_active": "on", "first_name": "x"})
    for name in ("deactivate", "reactivate"):
        client.post(url(f"admin:accounts_user_{name}", args=[user.pk]))
    for number in range(3):
        change_member(
            project=world["project"], user=UserFactory(email=f"spare{number}@example.com"), role=Role.VIEWER, by=None
        )
    spare = world["project"].memberships.filter(user__email__startswith="spare")
    one, *others = spare.values_list("pk", flat=True)
    client.post(url("admin:projects_membership_delete", args=[one]), {"post": "yes"})
    data = {"action": "delete_selected", "_selected_action": others, "post": "yes"}
    client.post(url("admin:projects_membership_changelist"), data)
    assert not spare.exists()


def calls(world, secrets):
    wrong = secret_format.generate("lk_")
    browser().get("/api/v1/me", headers=bearer(wrong))
    environ = {"REQUEST_METHOD": "GET", "HTTP_AUTHORIZATION": f"Bearer {wrong}", "HTTP_X_FORWARDED_FOR": ADDRESS}
    environ |= {"PATH_INFO": "/api/v1/verify", "wsgi.url_scheme": "http"}
    list(gateway.application(environ, lambda *_: None))
    secrets.append(wrong)
    world["settings"].METRICS_TOKEN = token = "a-token-of-the-metrics-1234"
    for _ in range(refusal_lines.LINES_A_MINUTE + 1):
        environ |= {"PATH_INFO": metrics.PATH, "HTTP_AUTHORIZATION": f"Bearer {token}x"}
        list(metrics.application(environ, lambda *_: None, address=ADDRESS))
    refusal_lines.write_all()
    secrets.append(token)


def ends_and_pauses(world, secrets):
    """What time does to keys, and what people do about it."""
    new = services.create_key(project=world["project"], name="Ending", by=world["owner"])
    secrets.append(new.secret)
    key, now = new.key, timezone.now()
    assert pausing.pause_key(key=key, by=None, until=now + timedelta(hours=1))
    assert pausing.change_end_of_pause(key=key, by=None, until=None)
    assert pausing.resume_key(key=key, by=None)
    assert pausing.pause_key(key=key, by=None, until=now + timedelta(hours=1))
    ApiKey.objects.filter(pk=key.pk).update(resumes_at=now - timedelta(seconds=1))
    assert ends.change_end(key=key, expires_at=now + timedelta(days=1), by=None)
    assert ends.end_key(key=key, by=None)
    assert ends.change_end(key=key, expires_at=None, by=None, may_revive=True)
    for kind in (audit_kinds.EXPIRED, audit_kinds.ENDED_QUIET, audit_kinds.ROLLED):
        with transaction.atomic():
            names = {"before": "Ending", "after": "Ending"} if kind.names else {}
            record_event(kind, key=key, by=None, address=None, **names)


def bounds_of_a_key(world, secrets):
    """A key and its project are restricted."""
    new = services.create_key(project=world["project"], name="Restricted", by=world["owner"])
    secrets.append(new.secret)
    rate = Limits(rate=Limit(100, Window.MINUTE))
    restrictions = Restrictions(read_only=True, networks=("192.0.2.0/24",), limits=rate)
    assert restrict_key(key=new.key, restrictions=restrictions, by=None)
    assert limit_project(project=world["project"], limits=rate, by=None)


def hands(world, secrets):
    """A key that is offered three times to a member, who accepts it and leaves."""
    new = services.create_key(project=world["project"], name="Offered", by=world["owner"])
    secrets.append(new.secret)
    developer = UserFactory(email="developer@example.com")
    change_member(project=world["project"], user=developer, role=Role.DEVELOPER, by=None)
    client, other = browser(), browser()
    # An earlier visit signed in with the password, which wrote a new hash.
    sign_in_recently(client, User.objects.get(pk=world["owner"].pk))
    sign_in_recently(other, developer)
    for answer, by in (("withdraw", client), ("decline", other), ("accept", other)):
        client.post(action("hand_over", new.key), {"how": "offer", "to": developer.public_id})
        by.post(action(f"{answer}_offer", new.key))
    new.key.refresh_from_db()
    assert new.key.responsible == developer
    other.post(page("projects:leave", world["project"]))


def single_sign_on(world, secrets):
    """Somebody registered grace's address in advance. The provider has verified it."""
    person, settings = world["viewer"], world["settings"]
    grace = UserFactory(email="grace.hopper@example.com", password=PASSWORD)
    secrets += [CLIENT_SECRET, "an access token"]
    discovery.forget()
    with LyingProvider().running() as provider:
        settings.SIGN_IN, settings.OIDC_ISSUER, settings.OIDC_SECONDS = ["password", "oidc"], provider.issuer, 60.0
        settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = CLIENT_ID, CLIENT_SECRET
        used = UserFactory(email="used@example.com", password=PASSWORD)
        EmailAddress.objects.create(user=used, email=used.email, verified=True, primary=True)
        sign_in_at(browser(), provider, email=used.email)
        settings.OIDC_TRUST_EMAIL = True
        sign_in_at(browser(), provider, email=grace.email)
        client = browser()
        sign_in_recently(client, person)
        client.get(provider.come_back(begin(client, reverse("single_sign_on_connect")), subject="person"))
        client.post(reverse("single_sign_on_disconnect"), {"issuer": provider.issuer})


def invitations(world, secrets):
    project, client = world["project"], inside(world["owner"])
    client.post(page("projects:invite", project), {"emails": "a@example.com, b@example.com", "role": "viewer"})
    one, two = (page("projects:invite", project) + row.public_id for row in project.invitations.order_by("email"))
    client.post(f"{one}/resend/")
    shown = client.post(f"{one}/link/").content.decode()
    link = re.search(r"/invitations/([0-9a-f]{64})/", shown)
    client.post(f"{two}/revoke/")
    guest, user = browser(), UserFactory(email="a@example.com")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    sign_in_recently(guest, user)
    guest.get(link[0])
    guest.post(reverse("projects:accept_invitation"))
    secrets.append(link[1])


VISITS = [
    sign_up,
    sign_in,
    second_factor,
    change_account,
    leave_for_good,
    reset,
    keys_and_members,
    projects,
    admin,
    calls,
    ends_and_pauses,
    bounds_of_a_key,
    hands,
    single_sign_on,
    invitations,
]


def test_one_visit_of_each_kind_gives_its_line_and_no_secret(world, lines, capfd):
    """T53"""
    secrets = []
    for visit in VISITS:
        cache.clear()
        visit(world, secrets)
    found = {line["event"] for line in lines.all}
    print(len(found), "of", len(Event), "events,", len(lines.all), "lines,", len(secrets), "secrets")
    assert found == set(Event), f"cause {sorted(set(Event) - found)} in one of VISITS"
    written = capfd.readouterr().err + repr(lines.all)
    assert [secret for secret in secrets if secret in written] == []
    assert all(line["outcome"] in {"done", "failed", "refused"} for line in lines.all)
    inside_requests = [line for line in lines.all if line["event"] not in OUTSIDE and "request_id" in line]
    assert {line["event"] for line in inside_requests} == set(Event) - OUTSIDE, (
        "OUTSIDE lists the events that no page causes"
    )
    assert {line["address"] for line in inside_requests} == {ADDRESS}


def test_a_failed_sign_in_is_logged_with_account_address_and_reason(world, lines):
    """T53"""
    sign_in(world, [])
    found = [(line.get("account"), line.get("typed"), line.get("reason")) for line in lines.of(Event.SIGN_IN_FAILED)]
    person, gone = world["person"].public_id, User.objects.get(email="gone@example.com").public_id
    assert found[:4] == [
        (person, None, "wrong_password"),
        (None, "nobody@example.com", "unknown_account"),
        (gone, None, "inactive"),
        (None, None, "wrong_passkey"),
    ]
    for line in lines.of(Event.SIGN_IN_FAILED):
        assert (line["address"], line["outcome"], line["level"]) == (ADDRESS, "failed", "warning")
        assert re.fullmatch(r"req_\w{16}", line["request_id"])
    [limited] = lines.of(Event.RATE_LIMITED)
    assert (limited["page"], limited["address"], limited["outcome"]) == ("account_login", ADDRESS, "refused")


def test_a_confirmed_sign_up_changes_no_address(world, lines):
    """T53: only somebody who had another address before has changed it."""
    sign_up(world, [])
    assert (len(lines.of(Event.EMAIL_CONFIRMED)), len(lines.of(Event.EMAIL_CHANGED))) == (1, 0)
    cache.clear()
    change_account(world, [])
    assert (len(lines.of(Event.EMAIL_CONFIRMED)), len(lines.of(Event.EMAIL_CHANGED))) == (2, 1)


@pytest.mark.usefixtures("world")
def test_the_log_says_why_a_reset_sends_no_code(lines):
    """T53: the log tells a deactivated account from an unknown one."""
    gone = UserFactory(email="gone@example.com", is_active=False)
    for address in ("gone@example.com", "nobody@example.com", "ada@example.com"):
        browser().post(reverse("account_reset_password"), {"email": address})
    asked = lines.of(Event.PASSWORD_RESET_ASKED)
    assert [(line.get("account"), line.get("typed"), line.get("reason")) for line in asked] == [
        (gone.public_id, None, "inactive"),
        (None, "nobody@example.com", "unknown_account"),
        (User.objects.get(email="ada@example.com").public_id, None, None),
    ]


def test_the_admin_leaves_a_line_for_each_row_and_names_the_fields(world, lines):
    """T53: this includes rows that are deleted in bulk, for which Django sends no signal."""
    admin(world, [])
    changed, deleted = lines.of(Event.ADMIN_CHANGED), lines.of(Event.ADMIN_DELETED)
    assert {line["model"] for line in changed} == {"user"}
    assert [line["fields"] for line in changed if "fields" in line] == ["First name, Staff status"]
    assert len({line["object"] for line in deleted}) == 3
    assert {line["account"] for line in changed + deleted} == {world["admin"].public_id}
    assert len(lines.of(Event.MEMBER_REMOVED)) == 3


@pytest.mark.parametrize("typed", [TYPED_BY_MISTAKE, "hunter2@", "x@y z", "", "a" * 300 + "@example.com"])
def test_text_that_is_no_address_is_not_logged(db, typed):
    """T53: the text may be a password that was typed into the address field."""
    assert whose(typed) == {"typed": None}


def test_the_documented_events_are_those_of_the_code():
    """T53"""
    section = (REPOSITORY / "docs" / "security.md").read_text().partition("\n## The security log\n")[2]
    documented = re.findall(r"^\| `(\w+)` \|", section.partition("\n## ")[0], re.MULTILINE)
    assert documented == [str(event) for event in Event], "docs/security.md has a row for each Event, in that order"


def test_every_kind_of_event_has_its_own_line_of_the_log():
    """T53"""
    events = [kind.log_event for kind in kinds.all_kinds()]
    assert len(set(events)) == len(events)
    assert set(events) <= set(Event)


def test_a_change_that_is_rolled_back_leaves_no_line(world, lines, monkeypatch):
    monkeypatch.setattr(AuditEvent, "save", None)
    with pytest.raises(TypeError):
        pausing.pause_key(key=world["key"], by=world["owner"])
    assert lines.of(Event.KEY_PAUSED) == []


def test_a_long_text_of_a_client_is_cut(lines):
    record(Event.CSRF_REFUSED, reason="x" * 5000)
    assert len(lines.all[0]["reason"]) == 200


@pytest.mark.parametrize("good", [True, False])
def test_a_call_that_passes_leaves_no_line(world, lines, good):
    """T53: the check logs nothing for a valid key."""
    secret = secret_of(world["key"]) if good else "wrong"
    environ = {"REQUEST_METHOD": "GET", "HTTP_AUTHORIZATION": f"Bearer {secret}", "wsgi.url_scheme": "http"}
    list(gateway.application({**environ, "PATH_INFO": "/api/v1/verify"}, lambda *_: None))
    assert len(lines.all) == (0 if good else 1)
