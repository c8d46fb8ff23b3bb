"""Hand over… on a key's page, and the notice of an offer with its two buttons."""

import re

import pytest
from django.db.models.functions import Now
from django.test import Client

from accounts.models import User
from accounts.services import deactivate_account
from apikeys.hand_over import services
from apikeys.hand_over.models import KeyOffer
from apikeys.keys.services import copy_secret, create_key, delete_key
from apikeys.models import ApiKey
from projects.members.memberships import change_member
from projects.permissions import Permission, Role, reason
from tests.support.factories import PASSWORD, MembershipFactory, UserFactory
from tests.support.people.confirmation import asks, confirm
from tests.support.people.sessions import age
from tests.support.places.pages import HTMX, action, page, text
from tests.support.stored.tables import everything

pytestmark = pytest.mark.django_db

NOW = Now()


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


@pytest.fixture
def colleague(project) -> User:
    """A developer of the project."""
    user: User = UserFactory(email="colleague@example.com", password=PASSWORD)
    MembershipFactory(project=project, user=user, role=Role.DEVELOPER)
    return user


@pytest.fixture
def theirs(project, colleague) -> ApiKey:
    key: ApiKey = create_key(project=project, name="Theirs", by=colleague).key
    return key


def responsible_for(key: ApiKey) -> User:
    return ApiKey.objects.get(pk=key.pk).responsible


def test_the_keys_page_says_who_is_responsible_and_who_created_it(client, theirs, owner, colleague):
    shown = text(client.get(action("key", theirs)))
    assert f"Responsible {colleague.email} Hand over…" in shown
    client.post(action("hand_over", theirs), {"how": "take"})
    shown = text(client.get(action("key", theirs)))
    assert f"Responsible {owner.email} Hand over…" in shown
    assert f"by {colleague.email}" in shown


def test_the_form_says_how_the_former_person_came_to_know_the_secret(client, api_key, owner, colleague):
    services.hand_over(key=api_key, to=colleague, by=None)
    assert "knows the secret" not in text(client.get(action("hand_over", api_key)))
    copy_secret(key=api_key, by=colleague)
    shown = client.get(action("hand_over", api_key))
    assert "colleague@example.com knows the secret: they copied its secret" in text(shown)
    assert ">Roll instead…</button>" in shown.content.decode()


def test_who_comes_back_from_roll_instead_finds_what_they_chose(client, theirs, owner, viewer):
    """Nothing that somebody typed gets into an address."""
    other = MembershipFactory(project=theirs.project, user=UserFactory(), role=Role.DEVELOPER).user
    chosen = {"how": "offer", "to": other.public_id}
    asked = client.post(action("hand_over", theirs), chosen | {"ask": "roll"})
    assert asked.headers["Location"] == f"{action('roll', theirs)}?how=offer&to={other.public_id}"
    way_back = f'"{action("hand_over", theirs)}?how=offer&amp;to={other.public_id}"'
    refused = {"overlap": "never"} | chosen
    for answer in (client.get(asked.headers["Location"]), client.post(action("roll", theirs), refused)):
        assert way_back in answer.content.decode()
    shown = client.get(action("hand_over", theirs), chosen).content.decode()
    assert re.search(r'<input type="radio" name="how" value="offer"[^>]* checked', shown)
    assert f'<option value="{other.public_id}" selected>' in shown
    assert responsible_for(theirs) != owner
    for given in ({"how": "lend", "to": theirs.mask}, {"how": "", "to": f"{other.public_id}x"}):
        asked = client.post(action("hand_over", theirs), given | {"ask": "roll"})
        assert asked.headers["Location"] == action("roll", theirs)
    unable = client.get(action("hand_over", theirs), {"how": "offer", "to": viewer.public_id})
    assert viewer.public_id not in unable.content.decode()


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["without script", "with script"])
def test_an_owner_takes_a_key_over(headers, client, theirs, owner):
    asked = headers | ({"HX-Current-URL": f"http://testserver{action('key', theirs)}"} if headers else {})
    asks_for = client.get(action("hand_over", theirs), headers=asked)
    assert "You become responsible for it." in text(asks_for)
    assert ">Take over</button>" in asks_for.content.decode()
    assert 'type="radio"' not in asks_for.content.decode(), "there is nothing to choose"
    answer = client.post(action("hand_over", theirs), {"how": "take"}, headers=asked)
    assert answer.headers["Location"] == action("key", theirs)
    said = "You are now responsible for Theirs. colleague@example.com knows its secret. To replace it, roll the key."
    assert said in text(client.get(action("key", theirs)))
    assert responsible_for(theirs) == owner


def test_an_offer_is_shown_to_the_member_who_accepts_it(client, api_key, owner, colleague, signed_in):
    client.post(action("hand_over", api_key), {"how": "offer", "to": colleague.public_id})
    assert "Offered Production server to colleague@example.com." in text(client.get(action("key", api_key)))
    theirs = signed_in(colleague)
    for shown in (theirs.get(action("key", api_key)), theirs.get(page("apikeys:dashboard", api_key.project))):
        assert "owner@example.com offers you" in text(shown)
        assert "Accept Decline" in text(shown)
    answer = theirs.post(action("accept_offer", api_key), {"next": "dashboard"})
    assert answer.headers["Location"] == page("apikeys:dashboard", api_key.project)
    shown = text(theirs.get(answer.headers["Location"]))
    assert "You are now responsible for Production server." in shown
    assert "offers you" not in shown
    assert responsible_for(api_key) == colleague


def test_the_form_of_the_own_key_speaks_to_the_person_and_names_members(client, api_key, theirs, owner, colleague):
    User.objects.filter(pk=colleague.pk).update(name="Dev Eloper")
    own = client.get(action("hand_over", api_key))
    for words in (
        "You are responsible for this key.",
        "You know the secret: you created it",
        "You offer it to a member, who can accept or decline.",
        "Dev Eloper (colleague@example.com)",
    ):
        assert words in text(own)
    assert ">Offer</button>" in own.content.decode()
    assert 'type="radio"' not in own.content.decode()
    MembershipFactory(project=theirs.project, user=UserFactory(), role=Role.DEVELOPER)
    of_two = client.get(action("hand_over", theirs)).content.decode()
    assert of_two.count('type="radio"') == 2
    assert ">Hand over</button>" in of_two


def test_the_activity_says_in_one_name_who_took_a_key_over(client, theirs, api_key, owner, colleague):
    services.take_over(key=theirs, by=owner)
    services.hand_over(key=api_key, to=colleague, by=None)
    shown = text(client.get(page("apikeys:activity", theirs.project)))
    assert "owner@example.com took Theirs over from colleague@example.com" in shown
    assert "handed Production server over from owner@example.com to colleague@example.com" in shown


def test_who_may_not_hand_over_reads_why_in_the_place_of_the_control(theirs, colleague, signed_in):
    shown = text(signed_in(colleague).get(action("key", theirs)))
    assert f"Responsible {colleague.email} {reason(Permission.HAND_OVER_KEYS)}" in shown


def test_nobody_else_sees_the_buttons_of_an_offer(client, api_key, owner, colleague):
    services.offer(key=api_key, to=colleague, by=owner)
    shown = text(client.get(action("key", api_key)))
    assert "Offered to colleague@example.com" in shown
    assert "Withdraw offer" in shown
    assert "Accept" not in shown
    assert "offers you" not in text(client.get(page("apikeys:dashboard", api_key.project)))


def test_an_offer_is_declined_and_withdrawn(client, api_key, owner, colleague, signed_in):
    theirs = signed_in(colleague)
    services.offer(key=api_key, to=colleague, by=owner)
    theirs.post(action("decline_offer", api_key), {"next": "dashboard"})
    declined = text(theirs.get(page("apikeys:dashboard", api_key.project)))
    assert "Declined Production server. owner@example.com stays responsible for it." in declined
    services.offer(key=api_key, to=colleague, by=owner)
    client.post(action("withdraw_offer", api_key))
    assert "Withdrew the offer of Production server." in text(client.get(action("key", api_key)))
    assert not KeyOffer.objects.exists()


@pytest.mark.parametrize("name", ["accept_offer", "decline_offer", "withdraw_offer"])
def test_an_offer_that_ended_in_the_meantime_is_answered_in_words(name, client, api_key, owner):
    answer = client.post(action(name, api_key), follow=True)
    assert "The offer of Production server ended in the meantime. Nothing was changed." in text(answer)
    assert responsible_for(api_key) == owner


def test_an_offer_to_somebody_else_is_not_accepted(client, api_key, owner, colleague):
    services.offer(key=api_key, to=colleague, by=owner)
    answer = client.post(action("accept_offer", api_key), follow=True)
    assert "ended in the meantime" in text(answer)
    assert responsible_for(api_key) == owner


def test_what_the_form_refuses_is_said_in_it(client, theirs, owner, colleague, viewer):
    """A viewer cannot get the key."""
    MembershipFactory(project=theirs.project, user=UserFactory(), role=Role.DEVELOPER)
    for form, words in (
        ({}, "Choose one of these."),
        ({"how": "offer"}, "Choose a member."),
        ({"how": "offer", "to": viewer.public_id}, "Choose a member."),
        ({"how": "emperor"}, "Choose one of these."),
    ):
        answer = client.post(action("hand_over", theirs), form)
        assert answer.status_code == 422
        assert words in text(answer)
    assert not KeyOffer.objects.exists()


def test_a_form_without_anybody_to_hand_the_key_to_says_so(client, api_key):
    shown = client.get(action("hand_over", api_key))
    assert "no other member of the project can manage keys" in text(shown)
    assert "Hand over</button>" not in shown.content.decode()
    assert client.post(action("hand_over", api_key), {"how": "take"}).status_code == 422


def test_a_deleted_key_is_answered_in_words(client, theirs, owner):
    delete_key(key=theirs, by=owner)
    answer = client.post(action("hand_over", theirs), {"how": "take"}, follow=True)
    assert "Theirs was deleted in the meantime." in text(answer)
    assert "Hand over…" not in text(client.get(action("key", theirs)))


def test_the_advice_of_a_key_of_a_deactivated_account_leads_to_the_form(client, theirs, colleague, viewer, signed_in):
    deactivate_account(user=colleague, by=None)
    link = f'<a href="{action("hand_over", theirs)}">Take this key over</a>'
    for shown in (client.get(action("key", theirs)), client.get(page("apikeys:settings", theirs.project))):
        assert link in shown.content.decode()
    assert link not in signed_in(viewer).get(action("key", theirs)).content.decode()


def test_only_owners_hand_over_and_only_members_with_the_right_answer(theirs, colleague, viewer, outsider, signed_in):
    """A developer gets 403 with the reason, and does not see the button."""
    statuses = {
        person.email: [
            signed_in(person).get(action("hand_over", theirs)).status_code,
            *(signed_in(person).post(action(f"{name}_offer", theirs)).status_code for name in ("withdraw", "accept")),
        ]
        for person in (colleague, viewer, outsider)
    }
    assert statuses == {colleague.email: [403, 403, 302], viewer.email: [403] * 3, outsider.email: [404] * 3}
    assert "Hand over…" not in text(signed_in(colleague).get(action("key", theirs)))


def test_taking_over_and_accepting_ask_for_a_recent_sign_in(client, theirs, api_key, owner, colleague, signed_in):
    """T52: nothing is changed before the confirmation, and the page says what to press again."""
    services.offer(key=api_key, to=colleague, by=owner)
    developer = signed_in(colleague)
    for browser in (client, developer):
        age(browser)
    before = everything()
    assert asks(client.get(action("hand_over", theirs)))
    assert asks(client.post(action("hand_over", theirs), {"how": "take"}))
    asked = developer.post(action("accept_offer", api_key))
    assert asks(asked)
    assert {table for table, rows in everything().items() if rows != before[table]} <= {"django_session"}
    back = confirm(developer, asked.headers["Location"], follow=True)
    assert "Nothing has been done yet: press Accept again." in text(back)
    assert "offers you this key" in text(back)


def test_a_member_who_is_removed_sees_no_offer_any_more(api_key, owner, colleague, signed_in):
    services.offer(key=api_key, to=colleague, by=owner)
    browser = signed_in(colleague)
    change_member(project=api_key.project, user=colleague, role=None, by=owner)
    assert browser.post(action("accept_offer", api_key)).status_code == 404
    MembershipFactory(project=api_key.project, user=colleague, role=Role.DEVELOPER)
    assert "offers you" not in text(browser.get(page("apikeys:dashboard", api_key.project)))


def test_rows_of_keys_that_were_handed_over_cost_no_more_queries(
    client, project, owner, colleague, django_assert_max_num_queries
):
    for number in range(4):
        key = create_key(project=project, name=f"Key {number}", by=colleague).key
        services.take_over(key=key, by=owner)
    with django_assert_max_num_queries(8):
        shown = client.get(page("apikeys:settings", project)).content.decode()
    assert shown.count(f"by {colleague.email}, responsible: {owner.email}") == 4


@pytest.mark.parametrize(
    ("become", "says"),
    [
        ({}, "If you accept, it works in your name."),
        ({"state": "paused", "paused_at": NOW}, "If you accept, you are responsible for it. It stays paused."),
        ({"expires_at": NOW}, "If you accept, you are responsible for it. It stays expired."),
    ],
    ids=["active", "paused", "expired"],
)
def test_an_offer_says_what_is_true_of_the_key(become, says, api_key, owner, colleague, signed_in):
    services.offer(key=api_key, to=colleague, by=owner)
    ApiKey.objects.filter(pk=api_key.pk).update(**become)
    for shown in (action("key", api_key), page("apikeys:dashboard", api_key.project)):
        assert says in text(signed_in(colleague).get(shown))
