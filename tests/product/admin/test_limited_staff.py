"""Staff with single permissions, against every page of the admin."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group, Permission
from django.contrib.messages.storage.cookie import CookieStorage
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.http import Http404
from django.test import RequestFactory
from django.urls import resolve, reverse
from django.utils import timezone

from accounts.models import User
from accounts.sessions.store import SessionStore
from apikeys.hand_over.models import KeyOffer
from apikeys.usage.models import UnmatchedUse
from common.gone import Gone
from projects.audit_log.models import AuditEvent
from projects.invitations.models import Invitation
from projects.members.memberships import change_member
from projects.models import Membership, Project
from projects.permissions import Role
from tests.support.factories import FileFactory, MembershipFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.nodb]

# A co-owner of every project, so that one email to this person reports each change of a member.
ROBIN = "robin@example.com"
NEW_PASSWORD = "orange-lamp-42"
PASSWORDS = {"usable_password": "true", "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}


class Undone(Exception):
    """Rolls a transaction back."""


@pytest.fixture
def limited(project, api_key, owner, viewer, admin) -> User:
    """Staff without any permission, a member of a group, and a viewer of one project only.

    The fixture also makes at least one row of everything that the admin shows.
    """
    user = UserFactory(email="limited@example.com", is_staff=True)
    boss = UserFactory(email="boss@example.com", is_staff=True)
    boss.user_permissions.set(Permission.objects.all())
    user.groups.add(Group.objects.create(name="Helpers"))
    MembershipFactory(user=user, role=Role.VIEWER)
    FileFactory(project=project)
    robin = UserFactory(email=ROBIN)
    for each in Project.objects.all():
        MembershipFactory(project=each, user=robin)
    invitation = {"email": "limited@example.com", "role": Role.OWNER, "expires_at": timezone.now() + timedelta(days=1)}
    Invitation.objects.create(project=project, by=owner, **invitation)
    KeyOffer.objects.create(key=api_key, to=viewer, by=owner)
    UnmatchedUse.objects.create(starts_at=api_key.created_at, calls=1)
    for person in (user, boss, admin, owner):
        Authenticator.objects.create(user=person, type="totp", data={"secret": "x"})
        EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
    return user


def hostile(field: Any, attacker: User) -> Any:
    """The value of a form's field that would help the attacker most."""
    if field.many_to_many:
        return list(field.related_model._default_manager.values_list("pk", flat=True))
    if field.is_relation:
        return attacker.pk if field.related_model is User else field.related_model._default_manager.earliest("pk").pk
    if isinstance(field, models.BooleanField):
        return "on"
    if field.name == "name":
        return "Taken over"  # a name that reads as an address is refused, and the rest of the form with it
    return field.choices[0][0] if field.choices else "taken-over@example.com"


def fields_of(model: type[models.Model], attacker: User, prefix: str = "") -> dict[str, Any]:
    fields = [*model._meta.concrete_fields, *model._meta.many_to_many]
    editable = [field for field in fields if field.editable and not field.primary_key]
    return {f"{prefix}{field.name}": hostile(field, attacker) for field in editable}


def form_of(page: Any, row: Any, attacker: User) -> dict[str, Any]:
    """All fields that can be sent to the page of `row`, including its inlines: each existing row, and a new one."""
    sent = {**fields_of(page.model, attacker), **PASSWORDS, "post": "yes"}
    for inline in page.inlines:
        [key] = [field for field in inline.model._meta.concrete_fields if field.related_model is page.model]
        prefix = key.remote_field.get_accessor_name()
        there = list(getattr(row, prefix).all()) if row else []
        sent |= {f"{prefix}-TOTAL_FORMS": len(there) + 1, f"{prefix}-INITIAL_FORMS": len(there)}
        for number, child in enumerate([*there, None]):
            sent |= fields_of(inline.model, attacker, f"{prefix}-{number}-")
            sent |= {
                f"{prefix}-{number}-id": child.pk if child else "",
                f"{prefix}-{number}-{key.name}": row.pk if row else "",
            }
    return sent


def attacks(attacker: User) -> list[tuple[str, dict[str, Any]]]:
    """Every page and every action of the admin, for every row. New admins and new pages are included automatically."""
    found: list[tuple[str, dict[str, Any]]] = []
    for model, page in admin.site._registry.items():
        # The first five rows. For users: an owner, a viewer, a superuser, the attacker, and staff with all permissions.
        rows = list(model._default_manager.order_by("pk")[:5])
        assert rows, f"there is no row of {model} to attack"
        for pattern in page.get_urls():
            name = f"admin:{pattern.name}"
            if not pattern.name or pattern.name.endswith("_history"):
                continue
            if pattern.pattern.regex.groups:
                found += [(reverse(name, args=[quote(row.pk)]), form_of(page, row, attacker)) for row in rows]
            elif not pattern.name.endswith("_changelist"):
                found.append((reverse(name), form_of(page, None, attacker)))
            else:
                selected = {"_selected_action": [row.pk for row in rows], "post": "yes"}
                actions = {"delete_selected", *(getattr(action, "__name__", action) for action in page.actions or ())}
                found += [(reverse(name), {**selected, "action": action}) for action in actions]
    # Deletions come last, so that other attacks still find their rows.
    return sorted(found, key=lambda sent: "/delete/" in sent[0] or "action" in sent[1])


def power(people: list[int]) -> dict[str, Any]:
    """Everything that lets a person do more than before or act as another person. `people` are the accounts that
    existed before.
    """
    users = User.objects.filter(pk__in=people).values("pk", "email", "password", "is_staff", "is_superuser")
    staff = User.objects.filter(is_staff=True) | User.objects.filter(is_superuser=True)
    return {
        "users": list(users.order_by("pk")),
        "staff": [{**row, "last_login": None} for row in staff.order_by("pk").values()],
        "groups": list(Group.objects.order_by("pk").values("pk", "name", "permissions")),
        "in groups": list(User.groups.through.objects.order_by("pk").values()),
        "permissions": list(User.user_permissions.through.objects.order_by("pk").values()),
        "factors": list(Authenticator.objects.filter(user__in=staff).order_by("pk").values()),
        "addresses": list(EmailAddress.objects.order_by("pk").values()),
        "own memberships": list(Membership.objects.filter(user__email="limited@example.com").values("project", "role")),
    }


def memberships() -> dict[tuple[int, int], str]:
    return {(row.project_id, row.user_id): row.role for row in Membership.objects.all()}


def permissions() -> Iterator[list[Permission]]:
    """Each permission for something that the admin shows. Then all other permissions together, which no page uses."""
    shown = {model._meta.label_lower for model in admin.site._registry}
    others = []
    for permission in Permission.objects.select_related("content_type").order_by("pk"):
        if f"{permission.content_type.app_label}.{permission.content_type.model}" in shown:
            yield [permission]
        else:
            others.append(permission)
    yield others


def send(attacker: User, page: str, form: dict[str, Any]) -> None:
    """Bypasses the middleware, which would only slow down these thousands of requests."""
    request = RequestFactory().post(page, form)
    request.user, request.session = attacker, SessionStore()
    vars(request).update(_messages=CookieStorage(request), _dont_enforce_csrf_checks=True)
    view, args, kwargs = resolve(page)
    with suppress(PermissionDenied, Http404, Gone):
        view(request, *args, **kwargs)


def attack(attacker: User, told: Any, pages: list[tuple[str, dict[str, Any]]]) -> tuple[set[str], set[str]]:
    """The power that the attacker gained, and the mistakes in changes of members. Both must be empty."""
    attacker = User.objects.get(pk=attacker.pk)
    people, members = list(User.objects.values_list("pk", flat=True)), memberships()
    before, events = power(people), AuditEvent.objects.exclude(member=None).count()

    def send_all() -> None:
        for page, form in pages:
            send(attacker, page, form)

    sent = told(send_all)
    after, members_after = power(people), memberships()
    gained = {what for what in before if before[what] != after[what]}
    found = list(AuditEvent.objects.exclude(member=None).order_by("pk"))[events:]
    changed = {pair for pair in members | members_after if members.get(pair) != members_after.get(pair)}
    wrong = set()
    if sum("Member" in message.subject and message.to == [ROBIN] for message in sent) != len(found):
        wrong.add("an event without its email")
    if changed - {(event.project_id, event.member_id) for event in found}:
        wrong.add("a change without its event")
    return gained, wrong


def test_no_single_permission_gains_anything_in_the_admin(limited, told):
    """T48: each permission alone, at every page and action of the admin, with every row."""
    gains, pages = {}, attacks(limited)
    for held in permissions():
        try:
            with transaction.atomic():
                limited.user_permissions.set(held)
                if any(found := attack(limited, told, pages)):
                    gains[held[0].codename] = found
                raise Undone
        except Undone:
            pass
    assert gains == {}


def test_the_same_attack_by_a_superuser_changes_all_of_it(limited, told):
    """T48: proves that the attack above is effective."""
    User.objects.filter(pk=limited.pk).update(is_superuser=True)
    limited.refresh_from_db()
    gained, wrong = attack(limited, told, attacks(limited))
    assert {"users", "staff", "groups", "in groups", "permissions", "factors", "own memberships"} <= gained
    assert wrong == set()


def test_all_permissions_together_set_no_password_and_touch_no_staff(limited, told):
    """T48"""
    limited.user_permissions.set(Permission.objects.all())
    gained, wrong = attack(limited, told, attacks(limited))
    assert (gained, wrong) == (set(), set())


def test_limited_staff_are_told_why_they_cannot_let_themselves_in(limited, project, signed_in):
    """T48"""
    limited.user_permissions.set(Permission.objects.filter(codename="add_membership"))
    page = reverse("admin:projects_membership_add")
    answer = signed_in(limited).post(page, {"project": project.pk, "user": limited.pk, "role": "owner"}, follow=True)
    assert "You cannot change your own membership here. Ask a superuser" in answer.content.decode()
    assert not project.memberships.filter(user=limited).exists()


def test_limited_staff_still_change_members_and_ordinary_people(limited, project, outsider, signed_in, told):
    """T48"""
    limited.user_permissions.set(Permission.objects.filter(codename__in=["add_membership", "change_user"]))
    client = signed_in(limited)
    fields = {"project": project.pk, "user": outsider.pk, "role": "viewer"}
    assert len(told(client.post, reverse("admin:projects_membership_add"), fields)) == 3
    client.post(reverse("admin:accounts_user_change", args=[outsider.pk]), {"first_name": "Ada"})
    outsider.refresh_from_db()
    assert (outsider.first_name, outsider.is_staff) == ("Ada", False)


# The last owner


@pytest.mark.parametrize("how", ["service", "page", "action", "inline", "demoted", "inline demoted"])
def test_the_last_owner_stays_whatever_is_tried(how, project, owner, viewer, admin, signed_in):
    """T49"""
    site, row = signed_in(admin), project.memberships.get(user=owner)
    inline = {"name": project.name, "memberships-TOTAL_FORMS": 1, "memberships-INITIAL_FORMS": 1}
    inline |= {"memberships-0-id": row.pk, "memberships-0-project": project.pk, "memberships-0-role": "owner"}
    change, delete = (reverse(f"admin:projects_membership_{page}", args=[row.pk]) for page in ("change", "delete"))
    in_project = reverse("admin:projects_project_change", args=[project.pk])
    listed = reverse("admin:projects_membership_changelist")
    selected = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    ways = {
        "page": (delete, {"post": "yes"}),
        "action": (listed, selected),
        "inline": (in_project, {**inline, "memberships-0-DELETE": "on"}),
        "demoted": (change, {"role": "viewer"}),
        "inline demoted": (in_project, {**inline, "memberships-0-role": "viewer"}),
    }
    if how == "service":
        with pytest.raises(Exception, match="The last owner of Acme Weather"):
            change_member(project=project, user=owner, role=None, by=None)
    else:
        page = site.post(*ways[how], follow=True).content.decode()
        assert "The last owner of Acme Weather, owner@example.com, can neither be removed" in page
    assert project.memberships.get(user=owner).role == "owner"
    assert not AuditEvent.objects.filter(member=owner).exists()
    assert not admin.logentry_set.exists()


def test_a_deactivated_owner_does_not_stand_in_for_the_last_active_one(project, owner):
    """T49"""
    gone = MembershipFactory(project=project, user=UserFactory(is_active=False)).user
    with pytest.raises(Exception, match="The last owner"):
        change_member(project=project, user=owner, role=Role.VIEWER, by=None)
    assert change_member(project=project, user=gone, role=None, by=None)


def test_one_form_puts_another_owner_in_the_last_ones_place(project, owner, outsider, admin, signed_in, told):
    row = project.memberships.get()
    form = {"name": project.name, "memberships-TOTAL_FORMS": 2, "memberships-INITIAL_FORMS": 1}
    form |= {"memberships-0-id": row.pk, "memberships-0-role": "owner", "memberships-0-DELETE": "on"}
    form |= {"memberships-0-project": project.pk, "memberships-1-project": project.pk}
    form |= {"memberships-1-user": outsider.pk, "memberships-1-role": "owner"}
    page = reverse("admin:projects_project_change", args=[project.pk])
    found = told(signed_in(admin).post, page, form)
    assert [membership.user for membership in project.memberships.all()] == [outsider]
    assert [to for message in found for to in message.to] == [outsider.email, owner.email, owner.email, outsider.email]
