"""An email that was lost told nobody anything, and a person who left gets no email that still waits."""

import pytest
from django.core.mail import EmailMessage
from django.utils import timezone

from accounts.models import User
from accounts.services import deactivate_account, reactivate_account
from apikeys.keys import services
from apikeys.models import ApiKey
from common.outbox import claims, enqueueing, sealed_emails, senders
from common.outbox.delivery import Result
from common.outbox.enqueueing import EmailBackend
from common.outbox.models import Email, Lane
from tests.apikeys.keys.test_mail_recipients import addressees, looked
from tests.support.factories import MembershipFactory, UserFactory
from tests.support.people.emails import HOME, OFFICE

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(project, owner, told) -> ApiKey:
    """Created from HOME."""
    told(services.create_key, project=project, name="Production server", by=owner, address=HOME)
    return project.api_keys.get()


@pytest.fixture
def second(project) -> User:
    return MembershipFactory(project=project, user=UserFactory(email="second@example.com")).user


def refuse_emails_to(person: User) -> None:
    """The mail server refuses this person's address and accepts the others."""
    while email := claims.take(Lane.OWNERS, timezone.now()):
        refused = bytes(email.recipient) == sealed_emails.digest_of(person.email)
        result = Result(False, "SMTPRecipientsRefused", [550]) if refused else Result(True)
        claims.settle(email, result, timezone.now())


# Lost emails


def test_an_address_is_new_to_an_owner_whose_email_about_it_failed(key, owner, second, told):
    """Otherwise an outage of the mail server would hide a thief's address for good."""
    Email.objects.all().delete()
    looked(key, owner, OFFICE)
    assert Email.objects.count() == 2
    refuse_emails_to(second)
    assert addressees(told(looked, key=key, by=owner, address=OFFICE)) == {second.email}
    assert told(looked, key=key, by=owner, address=OFFICE) == []


def test_an_email_that_failed_at_an_earlier_address_of_its_owner_told_no_owner(key, owner, second, told):
    looked(key, owner, OFFICE)
    before, second.email = User(email=second.email), "new@example.com"
    second.save()
    refuse_emails_to(before)
    assert addressees(told(looked, key=key, by=owner, address=OFFICE)) == {owner.email, second.email}


@pytest.mark.parametrize("loss", ["no room", "no key ring", "no text"])
def test_an_address_is_new_if_the_email_about_it_was_never_written(
    loss, key, owner, told, settings, monkeypatch, django_capture_on_commit_callbacks
):
    decoy = services.create_key(project=key.project, name="Decoy", by=owner, address=HOME).key
    before = settings.KEY_RING, settings.BASE_URL
    with monkeypatch.context() as patch, django_capture_on_commit_callbacks(execute=True):
        if loss == "no room":
            patch.setattr(enqueueing, "MOST_TO_ONE", 0)
        settings.KEY_RING = "" if loss == "no key ring" else settings.KEY_RING
        settings.BASE_URL = None if loss == "no text" else settings.BASE_URL
        services.delete_key(key=decoy, by=owner, address=OFFICE)
    settings.KEY_RING, settings.BASE_URL = before
    assert len(told(looked, key=key, by=owner, address=OFFICE)) == 1
    assert told(looked, key=key, by=owner, address=OFFICE) == []


def test_an_owner_was_not_told_of_what_happened_while_the_account_was_deactivated(key, owner, second, told):
    deactivate_account(user=second, by=None)
    assert addressees(told(looked, key=key, by=owner, address=OFFICE)) == {owner.email}
    reactivate_account(user=second, by=None)
    assert addressees(told(looked, key=key, by=owner, address=OFFICE)) == {second.email}


# People who left


def test_somebody_whose_account_was_deactivated_gets_only_the_news_of_that(key, second, mailoutbox):
    services.create_key(project=key.project, name="Their own", by=second)
    EmailBackend().send_messages([EmailMessage("Code", "ABC-DEF", to=[second.email])])
    deactivate_account(user=second, by=None)
    senders.send_due()
    subjects = [str(message.subject) for message in mailoutbox if message.to == [second.email]]
    assert subjects == [f"[Latchkey] Account deactivated: {second.email}"]
