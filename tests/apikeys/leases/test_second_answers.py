"""What takes access away answers as late when nothing is left to change: the answer before it may not be out yet.

Every service, command and admin page of the tables of test_every_change.py is called twice.
"""

from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from accounts.models import User
from apikeys.hand_over.removal_choices import Choice
from apikeys.hand_over.services import OfferGone, accept, decline, offer, withdraw
from apikeys.keys import secret_storage
from apikeys.keys import services as keys
from apikeys.keys.pausing import pause_key, resume_key
from apikeys.leases import clocks, held_answers
from apikeys.lifetimes import ends, rolling
from common.gone import Gone
from projects import services
from projects.invitations import services as invitations
from projects.members import memberships
from tests.apikeys.leases.test_every_change import ADMIN, COMMANDS, OTHER_SERVICES, Kept
from tests.apikeys.leases.test_held_answers import seconds_of
from tests.product.access.test_right_asked_again import CHANGES

pytestmark = pytest.mark.django_db(transaction=True)

# Why the other services take nothing away from a key.
TAKES_NOTHING: dict[Any, str] = {
    **dict.fromkeys((keys.create_key, keys.rename_key, resume_key), "gives, or renames"),
    **dict.fromkeys((keys.copy_secret, keys.reveal_secret), "reads"),
    **dict.fromkeys((secret_storage.show_secrets_once, secret_storage.keep_secrets), "is about secrets that are shown"),
    **dict.fromkeys((offer, decline, withdraw), "the key stays whose it is"),
    **dict.fromkeys((services.rename_project, services.choose_mails), "is about no key"),
    **dict.fromkeys((invitations.invite, invitations.resend, invitations.copy_link, invitations.revoke), "invites"),
    memberships.manage_member: "keys keep working without their creator's membership",
}
TAKING = [change for change in CHANGES if change not in TAKES_NOTHING]
ONLY_ONCE = {
    "confirm_and_clear": "an account is cleared at its first confirmation alone",
    f"remove_member_{Choice.LEAVE}": "leaves the keys as they are",
}
REFUSED = (Gone, OfferGone, ValidationError, ends.HasExpired, ends.EndChanged)


@pytest.fixture
def stage(leased, project, owner) -> Kept:
    return Kept(project, owner)


def is_late(change: Any) -> bool:
    """Whether the answer comes after the lease of every row that was read before the change."""

    def answer() -> None:
        with suppress(*REFUSED), held_answers.one_answer():
            change()

    return seconds_of(answer) >= clocks.HELD_SECONDS


@pytest.mark.parametrize("change", TAKING, ids=lambda change: change.__name__)
def test_a_service(stage, change):
    _, arguments = CHANGES[change]
    call = partial(change, by=stage.developer if change is accept else stage.actor, **arguments(stage))
    # A first edit that gives another name alone takes nothing away.
    assert is_late(call) or change is ends.edit_key
    assert is_late(call)


def test_each_service_takes_something_away_or_is_known_not_to():
    assert TAKES_NOTHING.keys() <= CHANGES.keys()
    assert {rolling.roll_key, services.delete_project, ends.edit_key, pause_key, accept} <= set(TAKING)


@pytest.mark.parametrize("name", sorted(OTHER_SERVICES.keys() - ONLY_ONCE))
def test_another_service(stage, name):
    assert is_late(partial(OTHER_SERVICES[name], stage))
    assert is_late(partial(OTHER_SERVICES[name], stage))


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"removemember", "setrole", "resumekey"}))
def test_a_command(stage, name):
    def call() -> None:
        with suppress(CommandError):
            call_command(name, *COMMANDS[name](stage))

    assert seconds_of(call) >= clocks.HELD_SECONDS
    assert seconds_of(call) >= clocks.HELD_SECONDS


@pytest.fixture
def staff(client) -> Any:
    client.force_login(User.objects.create_superuser("root@x.example"))
    return client


@pytest.mark.parametrize("name", sorted(ADMIN))
def test_an_admin_page(stage, staff, name):
    """The second answer may be that nobody may change the row any more."""

    def answer() -> None:
        with suppress(AssertionError):
            ADMIN[name](stage, staff)

    assert seconds_of(answer) >= clocks.HELD_SECONDS
    assert seconds_of(answer) >= clocks.HELD_SECONDS


@pytest.mark.parametrize("page", ["delete", "roll", "edit", "end", "pause", "keep-paused", "hand-over"])
def test_a_page_of_a_key_that_was_just_deleted(stage, signed_in, page):
    client, path = signed_in(stage.actor), f"/projects/{stage.project.public_id}/keys/{stage.key.public_id}/{page}/"
    keys.delete_key(key=stage.key, by=stage.other)
    assert seconds_of(lambda: client.post(path)) >= clocks.HELD_SECONDS


def test_a_page_that_saves_what_is_so_already(stage, signed_in):
    path = f"/projects/{stage.project.public_id}/keys/{stage.key.public_id}/edit/"
    form = {"name": stage.key.name, "seen_name": stage.key.name}
    client = signed_in(stage.actor)
    assert seconds_of(lambda: client.post(path, form)) >= clocks.HELD_SECONDS


def test_a_page_of_an_offer_that_was_just_accepted(stage, signed_in):
    accept(offer=stage.offer, by=stage.developer)
    path = f"/projects/{stage.project.public_id}/keys/{stage.paused.public_id}/offer/accept/"
    client = signed_in(stage.developer)
    assert seconds_of(lambda: client.post(path)) >= clocks.HELD_SECONDS
