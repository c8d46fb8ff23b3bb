"""Who becomes responsible for a key, and what follows from that."""

import json
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from accounts.models import User
from accounts.own_account.deletion import delete_account
from accounts.services import deactivate_account, reactivate_account
from apikeys.hand_over import services
from apikeys.hand_over.models import KeyOffer
from apikeys.hand_over.services import OfferGone
from apikeys.keys.key_errors import KeyGone
from apikeys.keys.pausing import pause_key
from apikeys.keys.services import create_key, delete_key
from apikeys.lifetimes.ends import end_key
from apikeys.models import ApiKey
from projects.locks import NoLongerAllowed, ProjectGone
from projects.members.memberships import change_member
from projects.models import Project
from projects.permissions import Role
from projects.services import delete_project
from tests.support.calls.api_client import bearer
from tests.support.factories import MembershipFactory, UserFactory
from tests.support.people.emails import OFFICE

pytestmark = pytest.mark.django_db


@pytest.fixture
def colleague(project) -> User:
    """A developer of the project."""
    user: User = UserFactory(email="colleague@example.com")
    MembershipFactory(project=project, user=user, role=Role.DEVELOPER)
    return user


@pytest.fixture
def theirs(project, colleague) -> Any:
    """A key that the colleague created, with its secret."""
    return create_key(project=project, name="Theirs", by=colleague)


def offered(key: ApiKey, to: User, by: User) -> KeyOffer:
    assert services.offer(key=key, to=to, by=by)
    return KeyOffer.objects.get()


def people_of(key: ApiKey) -> tuple[str, str]:
    """The person responsible, and the creator."""
    found = ApiKey.objects.get(pk=key.pk)
    return found.responsible.email, found.created_by.email


def kinds(key: ApiKey) -> list[str]:
    return [event.kind for event in key.events.order_by("pk")]


def test_the_next_check_of_a_key_follows_the_new_person(client, theirs, owner, colleague):
    """The account of its creator is deactivated, so the key is rejected until somebody takes it over."""
    deactivate_account(user=colleague, by=None)
    key, headers = theirs.key, bearer(theirs.secret)
    assert client.get("/api/v1/verify", headers=headers).status_code == 403
    assert client.get("/api/v1/me", headers=headers).json()["error"]["code"] == "forbidden"
    assert services.take_over(key=key, by=owner, address=OFFICE)
    verified = client.get("/api/v1/verify", headers=headers)
    assert (verified.status_code, verified.headers["X-Latchkey-User"]) == (204, owner.public_id)
    me = client.get("/api/v1/me", headers=headers).json()["data"]
    assert me["user"] == {"id": owner.public_id, "email": owner.email}
    assert people_of(key) == (owner.email, colleague.email)
    event = key.events.latest("pk")
    assert (event.kind, event.by, event.address) == ("key_handed_over", owner, OFFICE)
    assert (event.before, event.after) == (colleague.email, owner.email)


def test_taking_a_key_over_twice_changes_nothing(theirs, owner):
    assert services.take_over(key=theirs.key, by=owner)
    assert not services.take_over(key=theirs.key, by=owner)
    assert kinds(theirs.key) == ["created", "key_handed_over"]


def test_a_key_keeps_its_creator_through_many_hands(project, theirs, owner, colleague):
    third = MembershipFactory(project=project, user=UserFactory(), role=Role.OWNER).user
    for person in (owner, third):
        services.take_over(key=theirs.key, by=person)
    assert people_of(theirs.key) == (third.email, colleague.email)
    services.accept(offer=offered(theirs.key, colleague, owner), by=colleague)
    assert people_of(theirs.key) == (colleague.email, colleague.email)


def test_a_paused_and_an_expired_key_are_handed_over_and_stay_so(project, owner, colleague):
    paused, expired = (create_key(project=project, name=name, by=colleague).key for name in ("Paused", "Expired"))
    pause_key(key=paused, by=owner)
    end_key(key=expired, by=owner)
    for key in (paused, expired):
        assert services.take_over(key=key, by=owner)
        assert people_of(key)[0] == owner.email
    assert (paused.is_paused, expired.is_expired) == (True, True)


def test_a_deleted_key_is_handed_over_to_nobody(theirs, owner, colleague):
    delete_key(key=theirs.key, by=owner)
    for act in (
        lambda: services.take_over(key=theirs.key, by=owner),
        lambda: services.hand_over(key=theirs.key, to=owner, by=None),
        lambda: services.offer(key=theirs.key, to=colleague, by=owner),
    ):
        with pytest.raises(KeyGone):
            act()
    assert people_of(theirs.key)[0] == colleague.email


# Offers


def test_an_offer_changes_nothing_until_it_is_accepted(client, api_key, owner, colleague):
    offer = offered(api_key, colleague, owner)
    headers = bearer(api_key.secret)
    assert client.get("/api/v1/verify", headers=headers).headers["X-Latchkey-User"] == owner.public_id
    services.accept(offer=offer, by=colleague)
    assert client.get("/api/v1/verify", headers=headers).headers["X-Latchkey-User"] == colleague.public_id
    assert not KeyOffer.objects.exists()
    assert kinds(api_key) == ["created", "key_offered", "key_handed_over"]


def test_a_declined_and_a_withdrawn_offer_leave_the_key_as_it_is(api_key, owner, colleague):
    services.decline(offer=offered(api_key, colleague, owner), by=colleague)
    services.withdraw(offer=offered(api_key, colleague, owner), by=owner)
    assert people_of(api_key) == (owner.email, owner.email)
    events = [(event.kind, event.by, event.before) for event in api_key.events.order_by("pk")][1:]
    assert events == [
        ("key_offered", owner, colleague.email),
        ("key_offer_declined", colleague, ""),
        ("key_offered", owner, colleague.email),
        ("key_offer_withdrawn", owner, colleague.email),
    ]


def test_a_key_is_offered_to_one_person_at_a_time(project, api_key, owner, colleague):
    first = offered(api_key, colleague, owner)
    assert not services.offer(key=api_key, to=colleague, by=owner)
    second = MembershipFactory(project=project, user=UserFactory(), role=Role.DEVELOPER).user
    assert services.offer(key=api_key, to=second, by=owner)
    with pytest.raises(OfferGone):
        services.accept(offer=first, by=colleague)
    assert KeyOffer.objects.get().to == second
    assert kinds(api_key)[1:] == ["key_offered", "key_offer_withdrawn", "key_offered"]


def test_nobody_but_the_person_who_was_asked_answers_an_offer(project, api_key, owner, colleague):
    second = MembershipFactory(project=project, user=UserFactory(), role=Role.DEVELOPER).user
    offer = offered(api_key, colleague, owner)
    for person in (owner, second):
        with pytest.raises(OfferGone):
            services.accept(offer=offer, by=person)
        with pytest.raises(OfferGone):
            services.decline(offer=offer, by=person)
    with pytest.raises(NoLongerAllowed):
        services.withdraw(offer=offer, by=second)
    assert KeyOffer.objects.get() == offer


def test_nobody_without_the_right_gets_a_key_or_offers_one(api_key, owner, viewer, outsider, colleague):
    away = UserFactory(is_active=False)
    MembershipFactory(project=api_key.project, user=away)
    for person in (viewer, outsider, away):
        for act in (
            lambda who: services.hand_over(key=api_key, to=who, by=None),
            lambda who: services.offer(key=api_key, to=who, by=owner),
        ):
            with pytest.raises(ValidationError, match="may not be responsible for this key"):
                act(person)
        for act in (
            lambda who: services.take_over(key=api_key, by=who),
            lambda who: services.offer(key=api_key, to=colleague, by=who),
        ):
            with pytest.raises(NoLongerAllowed):
                act(person)
    with pytest.raises(NoLongerAllowed, match="Only owners"):
        services.take_over(key=api_key, by=colleague)
    with pytest.raises(ValidationError, match="without an offer"):
        services.offer(key=api_key, to=owner, by=owner)
    assert people_of(api_key)[0] == owner.email


def deleted(key: ApiKey, owner: User, colleague: User) -> None:
    delete_key(key=key, by=owner)


def project_deleted(key: ApiKey, owner: User, colleague: User) -> None:
    delete_project(project=key.project, by=owner)


def removed(key: ApiKey, owner: User, colleague: User) -> None:
    change_member(project=key.project, user=colleague, role=None, by=owner)


def became_viewer(key: ApiKey, owner: User, colleague: User) -> None:
    change_member(project=key.project, user=colleague, role=Role.VIEWER, by=owner)


def deactivated(key: ApiKey, owner: User, colleague: User) -> None:
    deactivate_account(user=colleague, by=None)


def taken_over(key: ApiKey, owner: User, colleague: User) -> None:
    second = MembershipFactory(project=key.project, user=UserFactory()).user
    services.take_over(key=key, by=second)


@pytest.mark.parametrize("end", [deleted, project_deleted, removed, became_viewer, deactivated, taken_over])
def test_an_offer_ends_with_its_reason(end, api_key, owner, colleague):
    offer = offered(api_key, colleague, owner)
    other = create_key(project=api_key.project, name="Another", by=owner).key
    end(api_key, owner, colleague)
    assert not KeyOffer.objects.filter(key=api_key).exists()
    with pytest.raises((OfferGone, KeyGone, ProjectGone, NoLongerAllowed)):
        services.accept(offer=offer, by=colleague)
    assert people_of(other)[0] == owner.email


def maker_became_developer(project: Project, maker: User) -> None:
    change_member(project=project, user=maker, role=Role.DEVELOPER, by=None, address=OFFICE)


def maker_was_removed(project: Project, maker: User) -> None:
    change_member(project=project, user=maker, role=None, by=None, address=OFFICE)


def maker_left(project: Project, maker: User) -> None:
    change_member(project=project, user=maker, role=None, by=maker, address=OFFICE)


def maker_was_deactivated(project: Project, maker: User) -> None:
    deactivate_account(user=maker, by=None, address=OFFICE)


def maker_deleted_the_account(project: Project, maker: User) -> None:
    delete_account(user=maker, address=OFFICE)


MAKER_LOSES = [
    maker_became_developer,
    maker_was_removed,
    maker_left,
    maker_was_deactivated,
    maker_deleted_the_account,
]


@pytest.mark.parametrize("lose", MAKER_LOSES)
def test_an_offer_ends_when_its_maker_may_not_make_it_any_more(lose, project, api_key, colleague):
    """The maker gets the right again, and the offer stays ended."""
    maker = MembershipFactory(project=project, user=UserFactory()).user
    offer = offered(api_key, colleague, maker)
    lose(project, maker)
    assert not KeyOffer.objects.exists()
    event = api_key.events.latest("pk")
    by = maker if lose in (maker_left, maker_deleted_the_account) else None
    assert (event.kind, event.by, event.address) == ("key_offer_withdrawn", by, OFFICE)
    assert event.before == colleague.email
    if lose is not maker_deleted_the_account:
        reactivate_account(user=maker, by=None)
        change_member(project=project, user=maker, role=Role.OWNER, by=None)
    with pytest.raises(OfferGone):
        services.accept(offer=offer, by=colleague)


@pytest.mark.parametrize("end", [removed, became_viewer, deactivated])
def test_an_offer_that_ends_with_its_receiver_leaves_an_event(end, api_key, owner, colleague):
    offered(api_key, colleague, owner)
    end(api_key, owner, colleague)
    event = api_key.events.latest("pk")
    assert (event.kind, event.before) == ("key_offer_withdrawn", colleague.email)


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER, None])
def test_nobody_accepts_the_offer_of_a_person_who_may_not_make_it(role, project, api_key, colleague):
    """Also if the offer is still there: another release, which does not end it, may have changed the member."""
    membership = MembershipFactory(project=project, user=UserFactory())
    offer = offered(api_key, colleague, membership.user)
    if role is None:
        membership.delete()
    else:
        project.memberships.filter(pk=membership.pk).update(role=role)
    with pytest.raises(OfferGone):
        services.accept(offer=offer, by=colleague)
    assert people_of(api_key)[0] != colleague.email


def test_a_member_who_becomes_an_owner_keeps_the_offer(api_key, owner, colleague):
    offer = offered(api_key, colleague, owner)
    change_member(project=api_key.project, user=colleague, role=Role.OWNER, by=owner)
    services.accept(offer=offer, by=colleague)
    assert people_of(api_key)[0] == colleague.email


# Emails


def test_owners_and_both_people_are_told_and_nobody_can_switch_that_off(project, theirs, owner, colleague, told):
    project.memberships.update(mail_created=False, mail_revealed=False)
    found = told(services.take_over, key=theirs.key, by=owner, address=OFFICE)
    assert sorted(email.to[0] for email in found) == [colleague.email, owner.email]
    for email in found:
        assert "API key handed over: Theirs (Acme Weather)" in email.subject
        assert f"Before: {colleague.email}\nAfter: {owner.email}" in email.body


def test_a_deactivated_person_is_not_told(theirs, owner, colleague, told):
    deactivate_account(user=colleague, by=None)
    assert [email.to for email in told(services.take_over, key=theirs.key, by=owner)] == [[owner.email]]


def test_the_person_who_is_asked_gets_an_email_with_a_link(api_key, owner, colleague, told, settings):
    [email] = told(services.offer, key=api_key, to=colleague, by=owner, address=OFFICE)
    assert email.to == [colleague.email]
    link = f"{settings.BASE_URL}/projects/{api_key.project.public_id}/keys/{api_key.public_id}/"
    assert f"Accept or decline: {link}\n" in email.body
    assert f"By: {owner.email}" in email.body
    assert "API key offered to you: Production server (Acme Weather)" in email.subject


# By command


def test_an_operator_hands_a_key_over_at_once(theirs, owner, colleague, told, capsys):
    found = told(call_command, "handover", theirs.key.public_id, "--to", owner.email, "--json")
    answer = json.loads(capsys.readouterr().out)
    assert (answer["changed"], answer["responsible"], answer["created_by"]) == (True, owner.email, colleague.email)
    assert sorted(email.to[0] for email in found) == [colleague.email, owner.email]
    assert "By: an operator of this server" in found[0].body
    call_command("handover", theirs.key.public_id, "--to", owner.public_id)
    assert f"{owner.email} ({owner.public_id}) is already responsible for Theirs" in capsys.readouterr().out


def test_the_command_refuses_in_words(theirs, owner, viewer):
    with pytest.raises(CommandError, match=r"viewer@example\.com may not be responsible"):
        call_command("handover", theirs.key.public_id, "--to", viewer.email)
    with pytest.raises(CommandError, match="No active user"):
        call_command("handover", theirs.key.public_id, "--to", "nobody@example.com")
    delete_key(key=theirs.key, by=owner)
    with pytest.raises(CommandError, match="was deleted for good"):
        call_command("handover", theirs.key.public_id, "--to", owner.email)


def test_listkeys_names_the_person_responsible(theirs, owner, colleague, capsys):
    services.take_over(key=theirs.key, by=owner)
    call_command("listkeys", theirs.key.project.public_id, "--json")
    [key] = json.loads(capsys.readouterr().out)["keys"]
    assert (key["responsible_id"], key["created_by_id"]) == (owner.public_id, colleague.public_id)
    call_command("listkeys", theirs.key.project.public_id)
    assert f"responsible: {owner.email})" in capsys.readouterr().out
