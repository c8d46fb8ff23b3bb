"""The outbox: its rows, claims, retries, bounds, seals and admin page."""

import os
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings as product
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core import mail
from django.core.mail import EmailMessage
from django.core.management import call_command
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from apikeys.keys import services
from common.outbox import claims, clearing, enqueueing, sealed_emails, senders
from common.outbox.enqueueing import EmailBackend, enqueue
from common.outbox.models import Email, Lane, State
from config.environment.local_secrets import new_ring
from tests.support.environment import REPOSITORY
from tests.support.factories import PASSWORD, UserFactory
from tests.support.people.accounts import CODE, SIGN_UP
from tests.support.programs.mail_server import MailServer
from tests.support.programs.servers import database_url

pytestmark = pytest.mark.django_db

RESET = reverse("account_reset_password")
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def outbox(settings) -> None:
    """Django's emails go to the outbox, as on a server. pytest-django would replace the backend."""
    settings.EMAIL_BACKEND = "common.outbox.enqueueing.EmailBackend"


@pytest.fixture
def refusing(settings):
    """A mail server that defers every email. Its own error text, which names a recipient, is in the backend's error."""
    with MailServer(replies=("451 <person0@example.com>: try again",) * 99).running() as server:
        settings.MAIL_SENT_BY = "common.outbox.smtp_backend.EmailBackend"
        settings.EMAIL_PORT = server.port
        settings.EMAIL_HOST = "127.0.0.1"
        settings.MAIL_RETRY_SECONDS = 10.0
        yield server


def emails(number: int, to: str = "person") -> list[EmailMessage]:
    return [EmailMessage(f"Subject {n}", "Text", to=[f"{to}{n}@example.com"]) for n in range(number)]


def states() -> list[str]:
    return list(Email.objects.order_by("pk").values_list("state", flat=True))


def subjects_sent() -> list[str]:
    senders.send_due()
    return [str(message.subject) for message in mail.outbox]


# Rows


def test_an_email_is_written_with_its_change_and_taken_back_with_it(api_key, owner):
    Email.objects.all().delete()
    with transaction.atomic():
        services.delete_key(key=api_key, by=owner)
        assert (Email.objects.count(), len(mail.outbox)) == (1, 0), "no email is sent before the commit"
        transaction.set_rollback(True)
    assert not Email.objects.exists()
    services.delete_key(key=api_key, by=owner)
    assert [(row.lane, row.about, row.state) for row in Email.objects.all()] == [
        ("owners", api_key.project.public_id, "waiting")
    ]


def test_an_emails_cause_is_the_network_that_asked_for_it(client, outbox):
    UserFactory(email="ada@example.com", password=PASSWORD)
    client.post(RESET, {"email": "ada@example.com"}, REMOTE_ADDR="2001:db8::7")
    assert [(row.about, row.cause) for row in Email.objects.all()] == [("account", "2001:db8::")]


def test_a_row_alone_tells_neither_words_nor_recipient(client, outbox):
    """T45: a row is sealed until its email is sent. Then its text is deleted."""
    UserFactory(email="ada@example.com", password=PASSWORD)
    client.post(RESET, {"email": "ada@example.com"})
    row = Email.objects.get()
    text = sealed_emails.unseal(row).body
    columns = " ".join(str(bytes(v) if isinstance(v, memoryview | bytes) else v) for v in vars(row).values())
    words = {"ada@example.com", *(word for word in text.split() if len(word) > 5)}
    assert not [word for word in words if word in columns]
    senders.send_due()
    assert [message.to for message in mail.outbox] == [["ada@example.com"]]
    row.refresh_from_db()
    assert (row.state, row.ciphertext, row.ring_key_id) == ("sent", None, "")


def test_a_row_that_took_anothers_words_is_given_up(caplog):
    enqueue(emails(2), about="prj_x")
    first, second = Email.objects.order_by("pk")
    Email.objects.filter(pk=first.pk).update(ciphertext=second.ciphertext)
    assert subjects_sent() == ["Subject 1"]
    assert states() == ["failed", "sent"]
    assert "CiphertextRefused" in caplog.text


def test_a_ring_key_that_is_missing_for_a_while_loses_no_email(settings):
    enqueue(emails(1), about="prj_x")
    ring, settings.KEY_RING = settings.KEY_RING, new_ring().replace("k1:", "k9:")
    settings.MAIL_RETRY_SECONDS = 10.0
    now = timezone.now()
    senders.send_due(now)
    assert (states(), Email.objects.get().last_error) == (["waiting"], "VaultUnavailable")
    settings.KEY_RING = ring
    senders.send_due(now + timedelta(seconds=10))
    assert states() == ["sent"]


def test_rotation_moves_every_email_that_can_be_sent_and_checkkeys_reads_it(settings, capsys):
    enqueue(emails(2), about="prj_x")
    settings.KEY_RING = new_ring().replace("k1:", "k2:") + "," + settings.KEY_RING
    call_command("checkkeys")
    assert "2 emails proven: each can be read." in capsys.readouterr().out
    call_command("rotate_encryption")
    report = capsys.readouterr().out
    assert "Moved 2 emails to ring key k2." in report
    assert "k2  in use: 2 emails" in report
    settings.KEY_RING = settings.KEY_RING.partition(",")[0]
    assert subjects_sent() == ["Subject 0", "Subject 1"]


# Tries


def test_the_gaps_between_tries_grow_to_four_hours_and_then_the_email_is_given_up(refusing, caplog):
    enqueue(emails(1), about="prj_x")
    Email.objects.update(due_at=NOON)
    now, gaps = NOON, []
    while Email.objects.filter(state="waiting").exists():
        senders.send_due(now)
        due = Email.objects.get().due_at
        gaps.append((due - now).total_seconds())
        now = due
    assert gaps[:5] == [10, 60, 360, 2160, 12960]
    assert set(gaps[5:-1]) == {4 * 60 * 60}
    assert len(refusing.asked) == claims.TRIES == 10
    row = Email.objects.get()
    assert (row.state, row.tries, row.last_error) == ("failed", 10, "SMTPRecipientsRefused 451")
    assert caplog.text.count("mail_lost") == 1
    ours = [str(record.msg) for record in caplog.records if record.name.startswith("common.")]
    assert len(ours) == 10
    assert "example.com" not in " ".join([*ours, row.last_error])
    assert row.ciphertext, "an admin can send it again"


def test_nothing_is_tried_before_its_time(refusing):
    enqueue(emails(1), about="prj_x")
    Email.objects.update(due_at=NOON)
    senders.send_due(NOON)
    senders.send_due(NOON + timedelta(seconds=9))
    assert len(refusing.asked) == 1


def test_a_mail_that_is_wrong_is_given_up_and_the_next_one_sent(caplog):
    wrong = emails(1)[0]
    wrong.subject = "one\ntwo"
    enqueue([wrong, *emails(1)], about="prj_x")
    assert subjects_sent() == ["Subject 0"]
    assert states() == ["failed", "sent"]
    assert "BadHeaderError" in caplog.text


def test_a_code_that_has_expired_is_not_sent_late(client, outbox, confirmed_by_code):
    client.post(SIGN_UP, {"email": "grace@example.com", "password1": PASSWORD})
    row = Email.objects.get()
    life = timedelta(seconds=product.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT)
    assert (row.useless_at - row.created_at) == life
    senders.send_due(row.created_at + life)
    row.refresh_from_db()
    assert (row.state, row.ciphertext, row.tries, mail.outbox) == ("expired", None, 0, [])
    assert client.get(CODE).status_code == 200


def test_news_of_an_account_is_sent_however_late(client, outbox):
    """An email without a code, here that the address already has an account."""
    EmailBackend().send_messages(emails(1))
    assert Email.objects.get().useless_at is None


# Claims


def test_a_claimed_email_is_not_taken_again_until_the_claim_expires():
    enqueue(emails(1), about="prj_x")
    now = timezone.now()
    first = claims.take(Lane.OWNERS, now)
    assert first
    assert claims.take(Lane.OWNERS, now + claims.claim_length() - timedelta(seconds=1)) is None
    second = claims.take(Lane.OWNERS, now + claims.claim_length())
    assert second
    assert second.pk == first.pk
    # After its claim has expired, a sender can only report that it did send the email.
    claims.settle(first, claims.Result(sent=False), now)
    assert states() == ["waiting"]
    claims.settle(first, claims.Result(sent=True), now)
    assert states() == ["sent"]


def test_a_try_that_is_killed_with_its_process_is_not_counted():
    """The people get the email, however often the server was killed while it sent the email."""
    enqueue(emails(1), about="prj_x")
    Email.objects.update(tries=claims.TRIES - 1)
    now = timezone.now()
    for _ in range(claims.TRIES + 1):
        assert claims.take(Lane.OWNERS, now), "no process settles the email"
        now += claims.claim_length()
    senders.send_due(now)
    assert (states(), Email.objects.get().tries) == (["sent"], claims.TRIES)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_processes_send_each_of_fifty_emails_once():
    enqueue(emails(50), about="prj_x")
    words = "import django; django.setup(); from common.outbox import senders; senders.send_due()"
    with MailServer().running() as server:
        environment = {**os.environ, "DATABASE_URL": database_url(), "EMAIL_URL": server.url}
        environment |= {"DJANGO_SETTINGS_MODULE": "config.settings"}
        command = [sys.executable, "-c", words]
        processes = [subprocess.Popen(command, cwd=REPOSITORY, env=environment) for _ in range(2)]
        assert [process.wait(110) for process in processes] == [0, 0]
    assert Counter(server.recipients) == dict.fromkeys([f"person{n}@example.com" for n in range(50)], 1)
    assert len({message["Message-ID"] for message in server.mails}) == 50
    assert set(states()) == {"sent"}


def test_a_message_has_the_same_id_at_each_try(refusing):
    enqueue(emails(1), about="prj_x")
    row = Email.objects.get()
    ids = [sealed_emails.unseal(row).message()["Message-ID"] for _ in range(2)]
    assert ids[0] == ids[1]
    assert ids[0].endswith("@localhost>")


@pytest.mark.slow
def test_a_forked_process_has_no_threads_of_its_parents():
    child = os.fork()
    if child == 0:
        os._exit(1 if any(lane.threads for lane in senders._senders.values()) else 0)
    assert os.waitpid(child, 0)[1] == 0


# Fair shares and bounds


def test_a_flood_of_account_emails_neither_crowds_out_nor_delays_owners_notices(monkeypatch):
    monkeypatch.setattr(enqueueing, "MOST_WAITING", 3)
    EmailBackend().send_messages(emails(9))
    enqueue(emails(3, to="owner"), about="prj_x")
    senders.send_due()
    assert [message.to[0] for message in mail.outbox[:3]] == [f"owner{n}@example.com" for n in range(3)]
    assert len(mail.outbox) == 6


def test_the_outbox_is_bounded_and_the_log_says_what_is_dropped(monkeypatch, caplog):
    monkeypatch.setattr(enqueueing, "MOST_WAITING", 2)
    enqueue(emails(4), about="prj_x")
    enqueue(emails(1, to="other"), about="prj_x")
    assert "'mails': 2" in caplog.text
    assert "'mails': 1" in caplog.text
    assert subjects_sent() == ["Subject 0", "Subject 1"]


def test_in_a_full_lane_the_largest_share_makes_room_for_others(monkeypatch, caplog):
    monkeypatch.setattr(enqueueing, "MOST_WAITING", 4)
    assert enqueueing.add(Lane.ACCOUNTS, emails(6), about="account", cause="203.0.113.7") == 4
    assert enqueueing.add(Lane.ACCOUNTS, emails(1, to="ada"), about="account", cause="198.51.100.1") == 1
    assert Counter(Email.objects.values_list("cause", flat=True)) == {"203.0.113.7": 3, "198.51.100.1": 1}
    assert caplog.text.count("mails_dropped") == 2
    assert caplog.text.count("'cause': '203.0.113.7'") == 2, "both times this address lost emails"


def test_one_person_cannot_crowd_out_the_others(monkeypatch, caplog):
    """One person creates and deletes keys without end, while the mail server is slow."""
    monkeypatch.setattr(enqueueing, "MOST_TO_ONE", 2)
    person, other = emails(2)
    for _ in range(4):
        enqueue([person], about="prj_x")
    enqueue([person, other], about="prj_y")
    assert caplog.text.count("mails_dropped") == 3
    assert sorted(subjects_sent()) == ["Subject 0", "Subject 0", "Subject 1"]


def test_a_project_with_many_emails_to_a_person_gives_way_to_others_that_tell_the_same_person(monkeypatch, caplog):
    """Otherwise an owner of one project could silence what another project tells the same people."""
    monkeypatch.setattr(enqueueing, "MOST_TO_ONE", 4)
    [person] = emails(1)
    for number in range(3):
        person.subject = f"Flood {number}"
        enqueue([person], about="prj_flood")
    person.subject = "Small"
    enqueue([person], about="prj_small")
    for number in range(2):
        person.subject = f"Late {number}"
        enqueue([person], about="prj_late")
    assert subjects_sent() == ["Flood 0", "Small", "Late 0", "Flood 1"]
    dropped = re.findall(r"'about': '(prj_\w+)', 'cause': '(prj_\w+)', 'mails': 1", caplog.text)
    assert dropped == [("prj_flood", "prj_flood"), ("prj_late", "prj_late")]


def test_the_one_who_asks_for_many_emails_is_served_in_turn_with_others():
    enqueueing.add(Lane.ACCOUNTS, emails(3), about="account", cause="203.0.113.7")
    enqueueing.add(Lane.ACCOUNTS, emails(1, to="ada"), about="account", cause="198.51.100.1")
    senders.send_due()
    assert [message.to[0] for message in mail.outbox].index("ada0@example.com") == 1


def settled(number: int, state: State, at: datetime) -> None:
    enqueue(emails(number), about="prj_x")
    words = {} if state == State.FAILED else claims.WIPED
    Email.objects.filter(state="waiting").update(state=state, settled_at=at, **words)


def test_rows_that_were_sent_or_given_up_are_deleted_after_a_day_or_a_week(monkeypatch):
    monkeypatch.setattr(clearing, "ROWS_A_STATEMENT", 2)
    settled(5, State.SENT, NOON)
    settled(1, State.FAILED, NOON)
    enqueue(emails(1), about="prj_x")
    assert clearing.clear(NOON + DAY) == 0
    assert clearing.clear(NOON + DAY + timedelta(seconds=1)) == 5
    assert clearing.clear(NOON + 7 * DAY + timedelta(seconds=1)) == 1
    assert states() == ["waiting"], "a waiting email is kept, however old"


def test_a_flood_of_sent_rows_is_deleted_before_its_time(monkeypatch):
    monkeypatch.setattr(clearing, "MOST_KEPT", 2)
    settled(2, State.SENT, NOON)
    settled(3, State.SENT, NOON + timedelta(seconds=1))
    assert clearing.clear(NOON) == 3
    assert set(Email.objects.values_list("settled_at", flat=True)) == {NOON + timedelta(seconds=1)}


# The admin

LIST = reverse("admin:outbox_email_changelist")


def failed_email() -> Email:
    enqueue([EmailMessage("The subject", "The words", to=["ada@example.com"])], about="prj_x")
    Email.objects.update(state="failed", settled_at=timezone.now(), tries=10, last_error="SMTPRecipientsRefused 550")
    return Email.objects.get()


def test_the_admin_shows_what_became_of_an_email_and_neither_words_nor_recipient(admin, signed_in):
    email, site = failed_email(), signed_in(admin)
    for page in (LIST, reverse("admin:outbox_email_change", args=[email.pk])):
        text = site.get(page).content.decode()
        assert all(word in text for word in (email.public_id, "prj_x", "Failed", "SMTPRecipientsRefused 550"))
        assert not [word for word in ("The subject", "The words", "ada@example.com") if word in text]
        assert bytes(email.ciphertext).hex() not in text
    assert site.get(LIST, {"recipient__startswith": "a"}).status_code in {302, 400}
    assert site.post(reverse("admin:outbox_email_delete", args=[email.pk]), {"post": "yes"}).status_code == 403


def test_an_admin_sends_a_failed_email_again_and_leaves_a_trace(admin, signed_in):
    email, site = failed_email(), signed_in(admin)
    fields = {"action": "send_again", "_selected_action": [email.pk]}
    assert "1 email waits to be sent again." in site.post(LIST, fields, follow=True).content.decode()
    assert LogEntry.objects.get().object_id == str(email.pk)
    assert subjects_sent() == ["The subject"]
    # A sent email is not sent again.
    assert "Nothing was changed" in site.post(LIST, fields, follow=True).content.decode()
    assert states() == ["sent"]


def test_a_code_that_has_expired_is_not_sent_again():
    email = failed_email()
    Email.objects.update(useless_at=NOON)
    assert claims.send_again(Email.objects.all(), NOON) == []
    assert claims.send_again(Email.objects.all(), NOON - DAY) == [email]


def test_staff_who_may_only_look_cannot_send_again(signed_in):
    email = failed_email()
    user: User = UserFactory(email="staff@example.com", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_email"))
    site = signed_in(user)
    assert email.public_id in site.get(LIST).content.decode()
    site.post(LIST, {"action": "send_again", "_selected_action": [email.pk]})
    assert states() == ["failed"]
