"""No account and no address holds so many answers that others are refused; and the page of a refused change offers the
change again.
"""

import re
from html import unescape

import pytest
from django.urls import reverse

from accounts.models import User
from apikeys.keys.services import create_key
from apikeys.leases import held_answers
from apikeys.models import ApiKey
from common.slow_clients import transfers
from common.slow_clients.slots import Slots
from projects.models import Membership, Project
from projects.permissions import Role
from tests.apikeys.leases.test_held_answers import held_by, held_by_many

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def after_a_change_that_was_held(leased, monkeypatch):
    """A change of this process has met a registration."""
    monkeypatch.setattr(held_answers, "_was_registered", True)


@pytest.fixture
def key(project, owner):
    return create_key(project=project, name="Key", by=owner).key


@pytest.fixture
def second(project):
    user = User.objects.create_user("second@x.example")
    Membership.objects.create(project=project, user=user, role=Role.OWNER)
    return user


@pytest.fixture
def staff():
    return User.objects.create_superuser("root@x.example")


@pytest.fixture
def owner_holds_all_they_can(owner):
    give_back = held_by(held_answers.CHANGES, owner.public_id)
    yield
    give_back()


@pytest.fixture
def all_are_held():
    give_back = held_by_many(held_answers.CHANGES)
    yield
    give_back()


def path_of(key, page):
    return f"/projects/{key.project.public_id}/keys/{key.public_id}/{page}/"


def is_paused(key):
    return ApiKey.objects.get(pk=key.pk).is_paused


def test_an_account_that_changes_keys_in_a_loop_keeps_no_other_account_out(
    owner_holds_all_they_can, key, owner, second, signed_in
):
    refused = signed_in(owner).post(path_of(key, "pause"))
    assert (refused.status_code, refused["Retry-After"]) == (503, "1")
    assert not is_paused(key)
    assert signed_in(second).post(path_of(key, "pause")).status_code == 302
    assert is_paused(key)


def test_nor_does_it_keep_staff_out_of_the_admin(owner_holds_all_they_can, key, staff, signed_in):
    path, form = "/admin/apikeys/apikey/", {"action": "pause", "_selected_action": [key.pk]}
    assert signed_in(staff).post(path, form).status_code == 302
    assert is_paused(key)


def test_staff_have_a_share_too(key, second, staff, signed_in):
    """Nothing of a page with several changes is done if its answer cannot be held."""
    give_back = held_by(held_answers.CHANGES, staff.public_id)
    try:
        path, form = "/admin/apikeys/apikey/", {"action": "pause", "_selected_action": [key.pk]}
        assert signed_in(staff).post(path, form).status_code == 503
        assert signed_in(staff).post(f"/admin/accounts/user/{second.pk}/deactivate/").status_code == 503
        project = f"/admin/projects/project/{key.project.pk}/delete/"
        assert signed_in(staff).post(project, {"post": "yes"}).status_code == 503
    finally:
        give_back()
    assert not is_paused(key)
    assert User.objects.get(pk=second.pk).is_active
    assert Project.objects.get(pk=key.project.pk).deleted_at is None


def test_a_person_who_sends_a_form_twice_gets_both_answers(key, owner, signed_in):
    """Without script, a browser shows the second one."""
    held_answers.CHANGES.take(owner.public_id)
    try:
        assert signed_in(owner).post(path_of(key, "pause")).status_code == 302
    finally:
        held_answers.CHANGES.give_back(owner.public_id)


def test_an_address_that_reports_in_a_loop_keeps_no_other_address_out(key, client, project, owner):
    secrets = [create_key(project=project, name=name, by=owner).secret for name in ("Found", "Found too")]
    give_back = held_by(held_answers.REPORTS, "192.0.2.1")
    try:
        answers = [
            client.post("/api/v1/report", {"secret": secret}, content_type="application/json", REMOTE_ADDR=address)
            for secret, address in zip(secrets, ("192.0.2.1", "192.0.2.2"), strict=True)
        ]
    finally:
        give_back()
    assert [answer.status_code for answer in answers] == [503, 202]
    assert sum(key.is_reported for key in ApiKey.objects.all()) == 2


# The page of a change that was refused


def test_the_page_offers_the_change_again_with_what_was_typed(all_are_held, key, owner, signed_in):
    client = signed_in(owner)
    form = {"length": "until", "until": "2026-12-24T18:00", "note": 'For "Christmas" <3', "csrfmiddlewaretoken": "old"}
    answer = client.post(f"{path_of(key, 'pause-for')}?q=a", form, headers={"Referer": "http://testserver/activity/"})
    assert answer.status_code == 503
    assert f'action="{path_of(key, "pause-for")}?q=a"' in answer.text
    assert "Try again</button>" in answer.text
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', answer.text)
    again = {unescape(name): unescape(value) for name, value in fields}
    assert again.pop("csrfmiddlewaretoken") != "old"
    # The form leads back to the page that sent it at first.
    assert again == {name: form[name] for name in ("length", "until", "note")} | {"back": "/activity/"}


def test_the_form_of_the_page_does_what_was_refused(key, owner, signed_in):
    client, give_back = signed_in(owner), held_by_many(held_answers.CHANGES)
    try:
        answer = client.post(path_of(key, "pause"), headers={"Referer": f"http://testserver{path_of(key, '')[:-1]}"})
    finally:
        give_back()
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', answer.text))
    back = client.post(path_of(key, "pause"), fields)
    assert back["Location"] == path_of(key, "")[:-1], "as if nothing had come in between"
    assert is_paused(key)


def test_an_admin_page_keeps_every_chosen_row(all_are_held, project, owner, staff, signed_in):
    keys = [create_key(project=project, name=name, by=owner).key for name in ("One", "Two")]
    form = {"action": "pause", "_selected_action": [key.pk for key in keys]}
    answer = signed_in(staff).post("/admin/apikeys/apikey/", form)
    for key in keys:
        assert f'<input type="hidden" name="_selected_action" value="{key.pk}">' in answer.text


def test_a_form_with_a_password_or_a_secret_is_not_repeated(all_are_held, key, owner, signed_in):
    client = signed_in(owner)
    with_password = client.post(path_of(key, "pause"), {"old_Password": "correct horse"})
    with_secret = client.post(path_of(key, "pause"), {"note": "lk_" + "x" * 43})
    assert (with_password.status_code, with_secret.status_code) == (503, 503)
    assert "correct horse" not in with_password.text
    assert "Try again</button>" not in with_password.text
    assert "x" * 43 not in with_secret.text


def test_the_script_of_a_page_gets_the_words(all_are_held, key, owner, signed_in):
    """It says them and leaves the page, and what was typed, as they are."""
    answer = signed_in(owner).post(path_of(key, "pause"), headers={"HX-Request": "true"})
    assert (answer.status_code, answer["X-Busy"]) == (503, held_answers.MESSAGE)


def test_a_download_is_offered_again_too(key, owner, signed_in, monkeypatch):
    none = Slots(1)
    none.take()
    monkeypatch.setattr(transfers, "_downloads", none)
    path = reverse("apikeys:activity_csv", args=[key.project.public_id], query={"kind": "paused"})
    answer = signed_in(owner).get(path)
    assert answer.status_code == 503
    assert f'href="{path}">Try again</a>' in answer.text
