"""One table holds the rights. Code, queries and the sentences on pages follow from it."""

import re
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from projects import permissions
from projects.access import get_project
from projects.models import Membership, Project
from projects.permissions import Permission, Role, permissions_of, reason, rights_of_roles, roles_that

pytestmark = pytest.mark.django_db


def test_queries_and_reasons_follow_from_the_table(monkeypatch, project, owner, viewer):
    """If the table gives a right to a role, every query finds the right and the reason names the role."""
    assert [member.user for member in Membership.objects.mailed()] == [owner]
    assert not Project.objects.of(viewer, can=Permission.MANAGE_KEYS)
    given = {Permission.VIEW_PROJECT, Permission.GET_MAILS, Permission.MANAGE_KEYS}
    monkeypatch.setitem(permissions._ALLOWED, Role.VIEWER, frozenset(given))
    assert {member.user for member in Membership.objects.mailed("created")} == {owner, viewer}
    assert [member.user for member in Membership.objects.mailed()] == [owner], "others can switch each email off"
    assert list(Project.objects.of(viewer, can=Permission.MANAGE_KEYS)) == [project]
    assert get_project(viewer, project.public_id, can=Permission.MANAGE_KEYS) == project
    who = "Only owners and developers and viewers of the project"
    assert reason(Permission.MANAGE_KEYS) == f"{who} can create, edit, pause, re-enable, roll and delete keys."


@pytest.mark.parametrize("can", Permission)
def test_a_person_without_a_right_reads_which_roles_have_it(project, viewer, can):
    assert all(can in permissions_of(role) for role in roles_that(can))
    assert roles_that(can), "at least one role has the right"
    if Role.VIEWER in roles_that(can):
        return
    with pytest.raises(PermissionDenied, match=re.escape(reason(can))):
        get_project(viewer, project.public_id, can=can)
    assert reason(can).startswith("Only owners ")


def test_a_reason_names_all_that_the_table_of_the_help_page_names():
    """Both are made of the same words, so a reason leaves nothing out, such as editing and rolling."""
    words = [words for words, _ in rights_of_roles()]
    assert len(words) == len(Permission) - 1, "owning a project is no thing that a person does on a page"
    reasons = [reason(can).partition(" of the project can ")[2].rstrip(".") for can in Permission]
    assert [each for each in words if each[0].lower() + each[1:] not in reasons] == []
    assert "create, edit, pause, re-enable, roll and delete keys" in reasons


def test_a_role_that_nobody_knows_allows_nothing():
    assert permissions_of("admin") == permissions_of("") == frozenset()


# A project that is deleted meanwhile


def delete_first(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    """Deletes every project just before a service locks it. The view has already found the project through the
    membership.
    """
    if re.search(r'FROM "projects_project" WHERE \("projects_project"."deleted_at" IS NULL', sql):
        Project.objects.update(deleted_at=timezone.now())
    return execute(sql, params, many, context)


def test_a_project_that_is_deleted_while_a_form_arrives_is_answered_404(signed_in, owner, project):
    """The service decides last, and raises an error that knows nothing of HTTP."""
    client = signed_in(owner)
    with connection.execute_wrapper(delete_first):
        answer = client.post(reverse("apikeys:create", args=[project.public_id]), {"name": "Late"})
    assert answer.status_code == 404
    assert "errors/404.html" in [template.name for template in answer.templates]
    assert not project.api_keys.exists()
