"""A person's name, which other people see beside the address."""

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse

from accounts.admin import UserEditForm
from accounts.models import User
from accounts.sign_up.first_password import prepare_account
from tests.support.places.pages import page, text

pytestmark = pytest.mark.nodb

PAGE = reverse("account_profile")


def test_a_person_says_and_takes_back_their_name(inside, person):
    assert "Your name is saved." in text(inside.post(PAGE, {"name": "  Ada   Lovelace "}, follow=True))
    person.refresh_from_db()
    assert person.name == "Ada Lovelace"
    assert 'value="Ada Lovelace"' in inside.get(PAGE).content.decode()
    assert "Your name is removed." in text(inside.post(PAGE, {"name": " "}, follow=True))
    person.refresh_from_db()
    assert person.name == ""


@pytest.mark.parametrize(("name", "words"), [("x" * 65, "Use at most 64"), ("Eve\u200b", "invisible characters")])
def test_a_name_keeps_the_rule_of_names(inside, person, name, words):
    answer = inside.post(PAGE, {"name": name})
    assert (answer.status_code, words in text(answer)) == (422, True)
    person.refresh_from_db()
    assert person.name == ""


def test_the_name_is_shown_where_people_are_listed(signed_in, owner, project, api_key):
    owner.name = "Grace <Hopper>"
    owner.save()
    client = signed_in(owner)
    content = client.get(page("apikeys:activity", project)).content.decode()
    assert "<strong>Grace &lt;Hopper&gt; (owner@example.com)</strong>" in content
    assert 'class="truncate">Grace &lt;Hopper&gt;</span>' in content
    assert "by Grace <Hopper> (owner@example.com)" in text(client.get(page("apikeys:key", project, api_key)))
    assert "Grace <Hopper>" in text(client.get(page("projects:members", project)))


def test_an_admin_changes_the_name_by_the_same_rule(signed_in, admin, person):
    client, change = signed_in(admin), reverse("admin:accounts_user_change", args=[person.pk])
    client.post(change, {"name": "Eve\u200b"})
    person.refresh_from_db()
    assert person.name == ""
    client.post(change, {"name": " Ada  L. "})
    person.refresh_from_db()
    assert person.name == "Ada L."


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("grace@example.com", "A name cannot contain @."),
        ("ada@x,", "A name cannot contain @."),
        ("grace\uff20example.com", "A name cannot contain @."),
        ("An operator of this server", "This name means somebody else on this server."),
        ("AN OPERATOR OF THIS SERVER.", "This name means somebody else on this server."),
        ("A deleted account", "This name means somebody else on this server."),
    ],
)
def test_no_name_reads_as_an_address_or_as_nobody(inside, person, name, words):
    """On the page, in the admin and by a command."""
    answer = inside.post(reverse("account_profile"), {"name": name})
    assert (answer.status_code, words in text(answer)) == (422, True)
    assert not User.objects.filter(name=name).exists()
    assert UserEditForm({"name": name}, instance=person).errors["name"]
    with pytest.raises(ValidationError, match=words):
        prepare_account(email="new@example.com", name=name)
