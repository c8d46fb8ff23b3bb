"""What depends on a member who is removed, and what happens to it."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import OperationalError
from django.utils import timezone

from accounts.models import User
from apikeys.hand_over import removal, services
from apikeys.hand_over.dependents import dependents_of, secret_seen
from apikeys.hand_over.removal import Who, remove_member
from apikeys.hand_over.removal_choices import Choice, choices_of
from apikeys.keys.pausing import pause_key
from apikeys.keys.secret_storage import show_secrets_once
from apikeys.keys.services import copy_secret, create_key, delete_key, reveal_secret
from apikeys.lifetimes.ends import end_key
from apikeys.lifetimes.rolling import Overlap, roll_key
from apikeys.models import ApiKey
from apikeys.usage import counting
from apikeys.verify.verification import verify
from common.instants import in_words
from projects.permissions import Role
from tests.support.factories import MembershipFactory, ProjectFactory, UserFactory
from tests.support.people.emails import OFFICE
from tests.support.stored.rows import many_keys

pytestmark = pytest.mark.django_db


@pytest.fixture
def colleague(project) -> User:
    """A developer of the project."""
    user: User = UserFactory(email="colleague@example.com")
    MembershipFactory(project=project, user=user, role=Role.DEVELOPER)
    return user


@pytest.fixture
def who(owner) -> Who:
    return Who(owner, OFFICE)


def dependents(user, project):
    return {each.key.name: each for each in dependents_of(user, project)}


def test_what_a_person_created_copied_revealed_or_is_responsible_for_depends_on_them(project, owner, colleague):
    """Keys of nobody's concern, deleted keys and keys of other projects are not among them."""
    elsewhere = ProjectFactory()
    MembershipFactory(project=elsewhere, user=colleague)
    create_key(project=elsewhere, name="Elsewhere", by=colleague)
    mine, _, copied, revealed, taken, gone, offered = (
        create_key(project=project, name=name, by=by).key
        for name, by in (
            ("Mine", owner),
            ("Theirs", colleague),
            ("Copied", owner),
            ("Revealed", owner),
            ("Taken", colleague),
            ("Gone", colleague),
            ("Accepted", owner),
        )
    )
    copy_secret(key=copied, by=colleague)
    copy_secret(key=copied, by=colleague)
    reveal_secret(key=revealed, by=colleague)
    services.take_over(key=taken, by=owner)
    delete_key(key=gone, by=owner)
    services.hand_over(key=offered, to=colleague, by=None)
    counting.record(copied.pk, "ok", timezone.now().timestamp(), OFFICE)
    counting.flush()
    found = dependents(colleague, project)
    assert {name: (each.is_responsible, [seen.words for seen in each.seen]) for name, each in found.items()} == {
        "Copied": (False, ["copied its secret"]),
        "Accepted": (True, []),
        "Revealed": (False, ["revealed its secret"]),
        "Taken": (False, ["created it"]),
        "Theirs": (True, ["created it"]),
    }
    assert (found["Copied"].calls.all, found["Theirs"].calls.all) == (1, 0)
    assert next(iter(found)) == "Copied"
    assert [seen.words for seen in secret_seen(colleague, revealed)] == ["revealed its secret"]
    assert secret_seen(colleague, mine) == []


def test_the_default_is_to_roll_what_they_have_seen_and_to_leave_the_rest(project, owner, colleague):
    create_key(project=project, name="Theirs", by=colleague)
    handed = create_key(project=project, name="Handed over", by=owner).key
    services.hand_over(key=handed, to=colleague, by=None)
    paused, expired, rolled = (create_key(project=project, name=name, by=colleague).key for name in "PER")
    pause_key(key=paused, by=owner)
    end_key(key=expired, by=owner)
    roll_key(key=rolled, overlap=Overlap.DAY, by=owner)
    found = {each.key.pk: each for each in dependents_of(colleague, project)}
    by_name = {each.key.name: choices_of(each) for each in found.values()}
    assert by_name["Theirs"] == [Choice.ROLL, Choice.PAUSE, Choice.LEAVE]
    assert by_name["Handed over"] == [Choice.LEAVE, Choice.ROLL, Choice.PAUSE]
    assert by_name["P"] == [Choice.ROLL, Choice.LEAVE]
    assert by_name["E"] == [Choice.LEAVE]
    assert choices_of(found[rolled.pk]) == [Choice.LEAVE, Choice.PAUSE]


def test_the_person_is_removed_and_each_choice_is_carried_out(project, owner, colleague, who):
    rolled, paused, left = (create_key(project=project, name=name, by=colleague) for name in ("Roll", "Pause", "Leave"))
    choices = {rolled.key: Choice.ROLL, paused.key: Choice.PAUSE, left.key: Choice.LEAVE}
    removed = remove_member(project=project, user=colleague, choices=choices, who=who)
    assert (removed.was_member, removed.problems) == (True, [])
    assert not project.memberships.filter(user=colleague).exists()
    new = ApiKey.objects.get(replaces=rolled.key)
    assert (new.name, new.responsible) == ("Roll", owner)
    old = ApiKey.objects.get(pk=rolled.key.pk)
    assert abs(old.expires_at - new.created_at - timedelta(hours=24)) < timedelta(minutes=5)
    assert [verify(f"Bearer {secret}").code for secret in (rolled.secret, paused.secret, left.secret)] == [
        None,
        "key_paused",
        None,
    ]
    kinds = ["member_removed", "rolled", "created", "paused"]
    assert (
        list(project.audit_events.filter(by=owner, address=OFFICE).order_by("pk").values_list("kind", flat=True))
        == kinds
    )


def test_a_key_that_cannot_be_rolled_stays_as_it_was_and_the_others_go_on(project, colleague, who, settings):
    keys = [create_key(project=project, name=name, by=colleague).key for name in ("One", "Two", "Gone", "Rolled")]
    delete_key(key=ApiKey.objects.get(name="Gone"), by=who.by)
    roll_key(key=ApiKey.objects.get(name="Rolled"), overlap=Overlap.DAY, by=who.by)
    settings.MAX_KEYS_PER_PROJECT = 4
    removed = remove_member(project=project, user=colleague, choices=dict.fromkeys(keys, Choice.ROLL), who=who)
    assert [key.name.partition(" ")[0] for key in removed.done(Choice.ROLL)] == ["One"]
    assert len(removed.problems) == 3
    assert "This project has 5 keys, more than its limit of 4." in removed.problems[0]
    assert removed.problems[1] == "Gone was deleted in the meantime."
    assert "is being rolled already" in removed.problems[2]
    two = ApiKey.objects.get(name="Two")
    assert (two.expires_at, two.replaced_by.count()) == (None, 0)


def test_a_form_that_is_sent_twice_rolls_once(project, colleague, who):
    key = create_key(project=project, name="Theirs", by=colleague).key
    for was_member in (True, False):
        choices = {ApiKey.objects.get(pk=key.pk): Choice.ROLL}
        removed = remove_member(project=project, user=colleague, choices=choices, who=who, form_token="t" * 22)
        assert (removed.was_member, removed.problems) == (was_member, [])
    assert project.api_keys.count() == 2


def test_the_last_owner_is_refused_and_nothing_is_done(project, owner, who):
    key = create_key(project=project, name="Mine", by=owner).key
    with pytest.raises(ValidationError, match="The last owner of Acme Weather"):
        remove_member(project=project, user=owner, choices={key: Choice.PAUSE}, who=who)
    key.refresh_from_db()
    assert key.is_active


def test_no_secret_is_lost_where_secrets_are_shown_once(project, owner, colleague, who):
    """The switch came after the page was shown: the key is not rolled, because nobody could read the new secret."""
    key = create_key(project=project, name="Theirs", by=colleague).key
    show_secrets_once(project=project, by=owner)
    project.refresh_from_db()
    [dependent] = dependents_of(colleague, project)
    assert choices_of(dependent) == [Choice.LEAVE, Choice.PAUSE]
    removed = remove_member(project=project, user=colleague, choices={key: Choice.ROLL}, who=who)
    assert removed.problems == ["Theirs was not rolled: this project shows a secret once. Roll it on its page."]
    assert ApiKey.objects.get().name == "Theirs"


@pytest.mark.parametrize("number", [0, 1, 200])
def test_the_number_of_queries_does_not_depend_on_the_number_of_keys(
    number, project, colleague, django_assert_num_queries
):
    many_keys(project, number, responsible=colleague)
    with django_assert_num_queries(4 if number else 2):
        assert len(dependents_of(colleague, project)) == number


def test_one_email_tells_each_owner_of_the_removal_and_of_all_keys(project, owner, colleague, who, told):
    """T49: one email to each, however many keys are rolled. The removed person reads of no key."""
    second = MembershipFactory(project=project, user=UserFactory(email="second@example.com")).user
    developer = MembershipFactory(project=project, user=UserFactory(email="dev@example.com"), role=Role.DEVELOPER).user
    keys = {name: create_key(project=project, name=name, by=colleague).key for name in ("One", "Two", "CI", "Old")}
    delete_key(key=ApiKey.objects.get(name="Old"), by=owner)
    choices = dict(zip(keys.values(), [Choice.ROLL, Choice.ROLL, Choice.PAUSE, Choice.ROLL], strict=True))
    sent = told(remove_member, project=project, user=colleague, choices=choices, who=who)
    by_reader = {message.to[0]: message for message in sent}
    assert len(sent) == len(by_reader)
    assert set(by_reader) == {colleague.email, developer.email, owner.email, second.email}
    for reader in (owner, second):
        message = by_reader[reader.email]
        assert message.subject == "[Latchkey] Member removed: colleague@example.com (Acme Weather)"
        new = ApiKey.objects.get(replaces=keys["One"])
        end = in_words(ApiKey.objects.get(pk=keys["One"].pk).expires_at)
        assert f"Key rolled: One, {new.mask}. The old key expires on {end}.\n" in message.body
        assert message.body.count("Key rolled: ") == 2
        assert f"Key paused: CI, {keys['CI'].mask}\n" in message.body
        assert "Not changed: Old was deleted in the meantime.\n" in message.body
    assert by_reader[developer.email].subject == "[Latchkey] API keys rolled: colleague@example.com (Acme Weather)"
    assert by_reader[developer.email].body.count("Key rolled: ") == 2
    assert "Key" not in by_reader[colleague.email].body


def test_a_form_that_is_sent_twice_sends_its_emails_once(project, owner, colleague, who, told):
    key = create_key(project=project, name="Theirs", by=colleague).key

    def remove():
        choices = {ApiKey.objects.get(pk=key.pk): Choice.ROLL}
        remove_member(project=project, user=colleague, choices=choices, who=who, form_token="t" * 22)

    assert sorted(message.to for message in told(remove)) == [[colleague.email], [owner.email]]
    assert told(remove) == []


def test_a_key_that_is_rolled_after_the_removal_is_told_to_the_owners(project, owner, colleague, who, told):
    key = create_key(project=project, name="Theirs", by=colleague).key
    remove_member(project=project, user=colleague, choices={}, who=who)
    [message] = told(remove_member, project=project, user=colleague, choices={key: Choice.ROLL}, who=who)
    assert (message.to, message.body.count("Key rolled: Theirs")) == ([owner.email], 1)


def test_a_failure_midway_changes_nothing(project, colleague, who, monkeypatch):
    """The removal, its keys and its emails are one transaction, so "Nothing was done" is true after a failure."""
    keys = [create_key(project=project, name=name, by=colleague).key for name in ("One", "Two")]
    rolled = []

    def fails(**arguments):
        rolled.append(arguments["key"])
        if len(rolled) == 2:
            raise OperationalError("The database does not answer.")
        return roll_key(**arguments)

    monkeypatch.setattr(removal, "roll_key", fails)
    with pytest.raises(OperationalError):
        remove_member(project=project, user=colleague, choices=dict.fromkeys(keys, Choice.ROLL), who=who)
    assert project.memberships.filter(user=colleague).exists()
    assert project.api_keys.count() == 2
