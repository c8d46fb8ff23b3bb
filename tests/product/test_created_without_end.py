"""The number of objects that one account, project or address can create is limited, also for concurrent requests."""

from datetime import timedelta
from functools import partial

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings as product
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from apikeys.keys.services import create_key, delete_key
from apikeys.models import ApiKey
from apikeys.secrets import secret_format
from apikeys.standing import KeyState
from projects.acceptance import acceptance
from projects.files import storage
from projects.invitations.services import copy_link
from projects.invitations.tokens import digest_of
from projects.members.memberships import change_member, manage_member
from projects.models import File, Project
from projects.permissions import Permission, Role
from projects.services import create_project, delete_project
from tests.support.calls.api_helpers import assert_error
from tests.support.calls.uploads import form
from tests.support.factories import ApiKeyFactory, FileFactory, MembershipFactory, ProjectFactory
from tests.support.people.invitations import ACCEPT, invited, open_link, path_of
from tests.support.programs.parallel import in_parallel

pytestmark = pytest.mark.django_db

AT_ONCE = 10


def owned_by(user, **fields):
    return MembershipFactory(user=user, project=ProjectFactory(created_by=user, **fields)).project


def test_everything_that_can_be_created_has_a_limit(
    signed_in, client, upload, project, owner, api_key, settings, tmp_path
):
    """T50: a loop reaches each limit, and the next try is answered 4xx with a sentence."""
    settings.MEDIA_ROOT = tmp_path
    settings.MAX_PROJECTS_PER_USER, settings.MAX_DELETED_PROJECTS_PER_USER = 3, 2
    settings.MAX_NEW_KEYS_PER_DAY, settings.MAX_FILES_PER_PROJECT, settings.REPORTS_PER_MINUTE = 4, 2, 3
    site = signed_in(owner)
    answers = [site.post(reverse("projects:create"), {"name": f"Project {number}"}) for number in range(4)]
    assert [answer.status_code for answer in answers] == [302, 302, 422, 422]
    assert "has reached its limit of 3 projects that it can own. Delete one" in answers[-1].content.decode()
    for _ in range(2):
        delete_project(project=Project.objects.alive().exclude(pk=project.pk).first(), by=owner)
    answer = site.post(reverse("projects:create"), {"name": "One more"})
    assert answer.status_code == 422
    assert "This account has reached its limit of 2 deleted projects" in answer.content.decode()
    new_key = reverse("apikeys:create", args=[project.public_id])
    answers = [site.post(new_key, {"name": f"Key {number}"}) for number in range(5)]
    assert [answer.status_code for answer in answers] == [302, 302, 302, 422, 422]
    assert "This project has reached its limit of 4 new keys in 24 hours" in answers[-1].content.decode()
    assert [upload(form()).status_code for _ in range(2)] == [201, 201]
    assert "2 files. Delete some" in assert_error(upload(form()), 409, "too_many_files")
    report = {"secret": secret_format.generate("lk_")}
    answers = [client.post("/api/v1/report", report, content_type="application/json") for _ in range(7)]
    assert "Wait a minute" in assert_error(answers[-1], 429, "too_many_reports")
    assert 1 <= int(answers[-1]["Retry-After"]) <= 60
    assert [answer.status_code for answer in answers].count(202) in range(3, 7)  # more if a minute ended


def test_the_limits_are_safe_where_nothing_is_set():
    assert (product.MAX_PROJECTS_PER_USER, product.MAX_DELETED_PROJECTS_PER_USER) == (50, 1_000)
    assert (product.MAX_NEW_KEYS_PER_DAY, product.MAX_DELETED_KEYS_PER_PROJECT) == (500, 100_000)
    assert (product.MAX_FILES_PER_PROJECT, product.USER_QUOTA) == (10_000, 10 * 1024**3)


def test_projects_that_others_own_and_deleted_ones_do_not_count(owner, project, settings):
    settings.MAX_PROJECTS_PER_USER = 2
    MembershipFactory(user=owner, role=Role.VIEWER)
    delete_project(project=owned_by(owner), by=owner)
    create_project(name="Second", owner=owner, by=owner)
    with pytest.raises(ValidationError, match="its limit of 2 projects"):
        create_project(name="Third", owner=owner, by=owner)


def becomes_owner(how, project, owner, user):
    """`user` gets to own the project of `owner`, in one of the ways in which that happens."""
    match how:
        case "accepts an invitation":
            _, link = copy_link(invitation=invited(project, owner, user.email, Role.OWNER), by=owner)
            acceptance.accept(digest=digest_of(link.split("/")[-2]), by=user)
        case "is made an owner by an owner":
            change_member(project=project, user=user, role=Role.VIEWER, by=owner)
            manage_member(project=project, user=user, role=Role.OWNER, by=owner)
        case "is made an owner by a command":
            call_command("setrole", project.public_id, user.email, "owner")


WAYS = ("accepts an invitation", "is made an owner by an owner", "is made an owner by a command")


@pytest.mark.parametrize("how", WAYS)
def test_the_limit_counts_in_every_way_to_become_an_owner(how, project, owner, settings):
    """T50: otherwise two accounts could give each other projects without end."""
    settings.MAX_PROJECTS_PER_USER = 1
    person = MembershipFactory().user
    with pytest.raises((ValidationError, CommandError), match=f"{person.email} has reached its limit of 1 project"):
        becomes_owner(how, project, owner, person)
    assert not project.memberships.that(Permission.OWN_PROJECT).filter(user=person).exists()
    settings.MAX_PROJECTS_PER_USER = 2
    # What was refused changed nothing, so that it can be done now.
    project.invitations.all().delete()
    project.memberships.filter(user=person).delete()
    becomes_owner(how, project, owner, person)
    assert project.memberships.that(Permission.OWN_PROJECT).filter(user=person).exists()


def test_the_page_of_an_invitation_says_so_and_keeps_the_invitation(project, owner, signed_in, settings):
    """T50"""
    person = MembershipFactory().user
    _, link = copy_link(invitation=invited(project, owner, person.email, Role.OWNER), by=owner)
    EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
    settings.MAX_PROJECTS_PER_USER = 1
    site = signed_in(person)
    open_link(site, path_of(link))
    answer = site.post(ACCEPT, follow=True)
    assert "has reached its limit of 1 project that it can own." in answer.content.decode()
    settings.MAX_PROJECTS_PER_USER = 2
    site.post(ACCEPT)
    assert project.memberships.get(user=person).role == Role.OWNER


@pytest.mark.django_db(transaction=True)
def test_an_account_that_becomes_an_owner_twice_at_once_keeps_to_the_limit(transactional_db, settings):
    """T50"""
    settings.MAX_PROJECTS_PER_USER = 2
    person = MembershipFactory().user
    projects = [MembershipFactory().project for _ in range(AT_ONCE)]
    make = [partial(change_member, project=each, user=person, role=Role.OWNER, by=None) for each in projects]
    answers = in_parallel(make)
    assert sum(isinstance(answer, ValidationError) for answer in answers) == AT_ONCE - 1
    assert Project.objects.of(person, can=Permission.OWN_PROJECT).count() == 2


def test_a_project_that_nobody_can_manage_gets_an_owner_beyond_the_limit(project, owner, settings):
    settings.MAX_PROJECTS_PER_USER = 1
    person = MembershipFactory().user
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert change_member(project=project, user=person, role=Role.OWNER, by=None)


def test_a_form_that_is_sent_twice_at_the_limit_leads_to_its_project(owner, settings):
    settings.MAX_PROJECTS_PER_USER = 1
    first = create_project(name="One", owner=owner, by=owner, form_token="t" * 22)
    assert create_project(name="One", owner=owner, by=owner, form_token="t" * 22) == first


def test_a_command_is_refused_in_words_and_an_operator_raises_the_limit(owner, project, settings):
    settings.MAX_PROJECTS_PER_USER = 1
    with pytest.raises(CommandError, match="has reached its limit of 1 project that it can own"):
        call_command("createproject", "Tides", "--owner", owner.email)
    settings.MAX_PROJECTS_PER_USER = 2
    call_command("createproject", "Tides", "--owner", owner.email)


def test_yesterdays_keys_do_not_count_and_deleted_ones_do(owner, project, settings):
    settings.MAX_NEW_KEYS_PER_DAY = 2
    ApiKeyFactory(project=project, created_at=timezone.now() - timedelta(days=1, minutes=1))
    for name in ("One", "Two"):
        delete_key(key=create_key(project=project, name=name, by=owner).key, by=owner)
    settings.MAX_NEW_KEYS_PER_DAY = 1  # the words name the limit, also where there are more keys
    with pytest.raises(ValidationError, match="its limit of 1 new key in 24 hours"):
        create_key(project=project, name="Three", by=owner)
    assert create_key(project=owned_by(owner), name="Elsewhere", by=owner)


def test_deleted_keys_are_kept_and_creation_is_refused_in_words(owner, project, settings):
    settings.MAX_DELETED_KEYS_PER_PROJECT = 2
    for name in ("One", "Two"):
        delete_key(key=create_key(project=project, name=name, by=owner).key, by=owner)
    with pytest.raises(ValidationError, match="its limit of 2 deleted keys"):
        create_key(project=project, name="Three", by=owner)
    assert ApiKey.objects.filter(state=KeyState.DELETED).count() == 2


def test_all_projects_of_an_owner_share_a_quota(client, upload, authorization, project, owner, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    settings.USER_QUOTA = 20
    FileFactory(project=owned_by(owner), content=b"x" * 6)
    FileFactory(project=owned_by(owner), content=b"x" * 6)
    FileFactory(project=MembershipFactory(user=owner, role=Role.VIEWER).project, content=b"x" * 20)
    first = upload(form(content=b"12345678")).json()["data"]
    message = assert_error(upload(form(content=b"1")), 413, "storage_exceeded")
    assert "All projects of an owner of this project can have at most 20\xa0bytes together." in message
    assert len(list(tmp_path.rglob("*/*"))) == 4  # nothing of the refused one
    assert client.delete(first["links"]["self"], headers=authorization).status_code == 204
    assert upload(form(content=b"12345678")).status_code == 201


def test_the_quota_holds_for_each_owner(upload, project, owner, outsider, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    settings.USER_QUOTA = 20
    FileFactory(project=outsider.memberships.get().project, content=b"x" * 20)
    assert upload(form(content=b"1")).status_code == 201
    change_member(project=project, user=outsider, role=Role.OWNER, by=owner)
    assert_error(upload(form(content=b"1")), 413, "storage_exceeded")


# At once


@pytest.mark.django_db(transaction=True)
def test_projects_that_are_created_at_once_stay_within_the_limit(transactional_db, owner, settings):
    """T50"""
    settings.MAX_PROJECTS_PER_USER = 4
    in_parallel([partial(create_project, name=f"P {n}", owner=owner, by=owner) for n in range(AT_ONCE)])
    assert Project.objects.count() == 4


@pytest.mark.django_db(transaction=True)
def test_keys_that_are_created_at_once_stay_within_the_days_limit(transactional_db, owner, project, settings):
    """T50"""
    settings.MAX_NEW_KEYS_PER_DAY = 4
    in_parallel([partial(create_key, project=project, name=f"Key {n}", by=owner) for n in range(AT_ONCE)])
    assert project.api_keys.count() == 4


def add(project, owner):
    return storage.add_file(project=project, upload=SimpleUploadedFile("a", b"x" * 10, "text/plain"), by=owner)


@pytest.mark.django_db(transaction=True)
def test_files_that_come_at_once_stay_within_the_number(transactional_db, project, owner, settings, tmp_path):
    """T50"""
    settings.MAX_FILES_PER_PROJECT, settings.MEDIA_ROOT = 4, tmp_path
    answers = in_parallel([partial(add, project, owner)] * AT_ONCE)
    assert project.files.count() == [type(answer) for answer in answers].count(File) == 4
    assert len(list(tmp_path.rglob("*/*"))) == 4


@pytest.mark.django_db(transaction=True)
def test_files_that_come_at_once_into_many_projects_stay_within_the_owners_quota(
    transactional_db, owner, settings, tmp_path
):
    """T50"""
    settings.USER_QUOTA, settings.MEDIA_ROOT = 20, tmp_path
    answers = in_parallel([partial(add, owned_by(owner), owner) for _ in range(AT_ONCE)])
    assert File.objects.count() == [type(answer) for answer in answers].count(File) == 2


@pytest.mark.django_db(transaction=True)
def test_reports_that_come_at_once_stay_within_the_limit(transactional_db, client, settings):
    """T50"""
    settings.REPORTS_PER_MINUTE = 3
    body = {"secret": secret_format.generate("lk_")}
    send = partial(client.post, "/api/v1/report", body, content_type="application/json")
    answers = in_parallel([send] * AT_ONCE)
    assert 0 < [answer.status_code for answer in answers].count(202) <= 6  # twice the limit if a minute ends
