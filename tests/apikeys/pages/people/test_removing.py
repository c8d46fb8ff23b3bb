"""The page that removes a member: what depends on them, the choices, and what was done."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from apikeys.keys.secret_storage import show_secrets_once
from apikeys.keys.services import copy_secret, create_key
from apikeys.models import ApiKey
from projects.models import Membership, Project
from projects.permissions import Role
from tests.support.factories import MembershipFactory, UserFactory
from tests.support.people.confirmation import asks
from tests.support.people.sessions import age
from tests.support.places.pages import text
from tests.support.stored.rows import many_keys

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


@pytest.fixture
def colleague(project) -> User:
    """A developer of the project."""
    user: User = UserFactory(email="colleague@example.com")
    MembershipFactory(project=project, user=user, role=Role.DEVELOPER)
    return user


@pytest.fixture
def theirs(project, colleague) -> ApiKey:
    key: ApiKey = create_key(project=project, name="Theirs", by=colleague).key
    return key


def page_of(project: Project, user: User) -> str:
    return reverse("apikeys:remove_member", args=[project.public_id, user.public_id])


def chosen(content: str) -> dict[str, str]:
    """The value that each select of the page has."""
    found = re.findall(r'<select name="(key_\w+)".*?<option value="(\w+)" selected', content, re.DOTALL)
    return dict(found)


def test_the_page_shows_what_depends_on_the_person_before_it_removes_them(client, project, api_key, theirs, colleague):
    copy_secret(key=api_key, by=colleague)
    shown = client.get(page_of(project, colleague))
    assert "Remove colleague@example.com?" in text(shown)
    assert "2 API keys depend on them" in text(shown)
    for choice in ("Roll now creates a new key", "Pause now rejects all requests", "Leave as it is changes nothing"):
        assert choice in text(shown)
    assert re.search(
        r"Theirs They are responsible for it\. They created it .* 0 requests in the last 24 hours", text(shown)
    )
    assert re.search(r"Production server They copied its secret just now ?\. 0 requests", text(shown))
    assert chosen(shown.content.decode()) == {api_key.public_id: "roll", theirs.public_id: "roll"}
    assert project.memberships.filter(user=colleague).exists()


def test_one_press_removes_the_person_and_rolls_what_they_know(client, project, theirs, owner, colleague):
    shown = client.get(page_of(project, colleague)).content.decode()
    answer = client.post(page_of(project, colleague), chosen(shown))
    assert answer.headers["Location"] == page_of(project, colleague)
    done = client.get(answer.headers["Location"])
    assert "Removed colleague@example.com from Acme Weather. Rolled 1 key: copy the new key below." in text(done)
    new = ApiKey.objects.get(replaces=theirs)
    assert new.responsible == owner
    assert f'href="{reverse("apikeys:key", args=[project.public_id, new.public_id])}"' in done.content.decode()
    assert "They are no longer a member." in text(done)
    # The page has results and one way on, and asks nothing a second time.
    content = done.content.decode()
    assert "<title>Removed colleague@example.com" in content
    assert chosen(content) == {}
    assert re.findall(r">(Remove member|Apply|Done|Cancel)<", content) == []
    assert ">Back to members</a>" in content
    assert not project.memberships.filter(user=colleague).exists()


def test_the_pages_name_the_person_and_say_what_was_left_and_paused(client, project, theirs, colleague):
    User.objects.filter(pk=colleague.pk).update(name="Dev Eloper")
    paused = create_key(project=project, name="Another", by=colleague).key
    assert "Remove Dev Eloper (colleague@example.com)?" in text(client.get(page_of(project, colleague)))
    choices = {theirs.public_id: "leave", paused.public_id: "pause"}
    done = text(client.post(page_of(project, colleague), choices, follow=True))
    assert "Removed Dev Eloper (colleague@example.com)" in done
    assert re.search(r"Theirs Left as it is\. They are responsible for it", done)
    assert re.search(r"Another .*Paused\. They are responsible for it", done)


def test_keys_are_left_where_nothing_is_chosen(client, project, theirs, colleague):
    """The key came to the person after the page was shown, or its field was left out."""
    answer = client.post(page_of(project, colleague), {"key_0000000000000000": "roll"}, follow=True)
    assert "Removed colleague@example.com from Acme Weather." in text(answer)
    assert ApiKey.objects.get().is_active


def test_a_choice_that_does_not_exist_removes_nobody(client, project, theirs, colleague):
    answer = client.post(page_of(project, colleague), {theirs.public_id: "delete"})
    assert answer.status_code == 422
    assert "Choose one of these." in text(answer)
    assert project.memberships.filter(user=colleague).exists()


def test_a_key_that_cannot_be_rolled_is_answered_in_words(client, project, colleague, settings):
    for name in ("One", "Two"):
        create_key(project=project, name=name, by=colleague)
    settings.MAX_KEYS_PER_PROJECT = 2
    shown = client.get(page_of(project, colleague)).content.decode()
    answer = client.post(page_of(project, colleague), chosen(shown), follow=True)
    assert "Removed colleague@example.com from Acme Weather. Rolled 1 key" in text(answer)
    assert "more than its limit of 2" in text(answer)


def test_where_secrets_are_shown_once_the_roll_follows_afterwards(client, project, theirs, owner, colleague):
    show_secrets_once(project=project, by=owner)
    shown = client.get(page_of(project, colleague))
    assert chosen(shown.content.decode()) == {theirs.public_id: "leave"}
    assert "Roll now" not in text(shown)
    done = client.post(page_of(project, colleague), {theirs.public_id: "leave"}, follow=True)
    roll = reverse("apikeys:roll", args=[project.public_id, theirs.public_id])
    assert f'href="{roll}">Roll…</a>' in done.content.decode()


@pytest.mark.parametrize("number", [0, 1, 200])
def test_the_page_of_any_number_of_keys_has_one_number_of_queries(
    number, client, project, colleague, django_assert_num_queries
):
    many_keys(project, number, responsible=colleague)
    with django_assert_num_queries(10 if number else 8):
        shown = client.get(page_of(project, colleague))
    assert len(chosen(shown.content.decode())) == number
    choices = dict.fromkeys(chosen(shown.content.decode()), "pause")
    done = text(client.post(page_of(project, colleague), choices, follow=True))
    assert ("Paused 200 keys." in done) == (number == 200)
    assert ("Paused 1 key." in done) == (number == 1)
    assert "Removed colleague@example.com from Acme Weather." in done


def test_owners_do_not_remove_themselves_here(client, project, owner):
    for answer in (client.get(page_of(project, owner)), client.post(page_of(project, owner))):
        assert answer.headers["Location"] == reverse("projects:leave", args=[project.public_id])
    assert Membership.objects.filter(project=project, user=owner).exists()


def test_only_owners_remove_and_nobody_learns_of_strangers(project, owner, colleague, viewer, outsider, signed_in):
    """A developer gets 403. Somebody who never was a member is as unknown as an id that never existed."""
    for person, status in ((colleague, 403), (viewer, 403), (outsider, 404)):
        for answer in (
            signed_in(person).get(page_of(project, viewer)),
            signed_in(person).post(page_of(project, viewer)),
        ):
            assert answer.status_code == status
    assert signed_in(owner).get(page_of(project, outsider)).status_code == 404
    never = page_of(project, outsider).replace(outsider.public_id, "usr_0000000000000000")
    assert signed_in(owner).post(never).status_code == 404


def test_an_old_session_is_asked_before_anything_is_shown_or_done(client, project, theirs, colleague):
    """T52"""
    age(client)
    assert asks(client.get(page_of(project, colleague)))
    assert asks(client.post(page_of(project, colleague), {theirs.public_id: "roll"}))
    assert project.memberships.filter(user=colleague).exists()
    assert ApiKey.objects.count() == 1


def test_who_leaves_reads_for_which_keys_they_are_responsible(project, theirs, api_key, colleague, signed_in):
    asked = text(signed_in(colleague).get(reverse("projects:leave", args=[project.public_id])))
    said = "You are responsible for 1 API key. It stays as it is, in your name."
    assert said in asked
    assert "An owner can take it over." in asked
    assert api_key.name not in asked
