"""Sessions in the database: digests instead of ids, sealed data, and otherwise Django's behaviour."""

import asyncio
from datetime import timedelta
from functools import partial
from importlib import import_module

import pytest
from allauth.usersessions.models import UserSession
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.sessions.store import SessionStore, data_of, digest_of, seal
from config.environment.local_secrets import new_secret_key
from tests.support.people.accounts import NEW_PASSWORD, PASSWORD, is_signed_in, log_in, page_of
from tests.support.programs.parallel import in_parallel

SESSIONS = reverse("usersessions_list")


def cookie_of(client: Client) -> str:
    return client.cookies["sessionid"].value


def client_with(cookie: str) -> Client:
    client = Client()
    client.cookies["sessionid"] = cookie
    return client


def is_let_in(client: Client) -> bool:
    return client.get(SESSIONS).status_code == 200


def test_the_settings_name_the_store():
    assert import_module(django_settings.SESSION_ENGINE).SessionStore is SessionStore


def test_no_table_holds_the_id_and_no_data_is_readable(inside):
    """T45"""
    session = inside.session
    session["code"] = "BCDF-GHJK"
    session.save()
    [row], [listed] = Session.objects.all(), UserSession.objects.all()
    assert row.session_key == listed.session_key == digest_of(cookie_of(inside))
    assert cookie_of(inside) not in row.session_key + row.session_data
    assert data_of(row)["code"] == "BCDF-GHJK"
    assert row.get_decoded() == {}, "the data cannot be read with SECRET_KEY's signature alone"


def test_the_stored_digest_works_as_no_cookie(inside):
    """T45: neither the digest nor a part of it works as a cookie, in any case."""
    [row] = Session.objects.all()
    part = row.session_key.rpartition(".")[2]
    for cookie in (row.session_key, part, part.lower(), part[:32], "", "x", "é" * 32, "a" * 33):
        assert not is_let_in(client_with(cookie)), cookie
    assert is_let_in(client_with(cookie_of(inside)))


def test_data_that_was_moved_to_another_row_is_refused(inside, signed_in, admin):
    """T45"""
    other = signed_in(admin)
    mine, theirs = (Session.objects.get(pk=digest_of(cookie_of(client))) for client in (inside, other))
    Session.objects.filter(pk=mine.pk).update(session_data=theirs.session_data)
    assert not is_let_in(inside)
    assert is_let_in(other)


@pytest.mark.parametrize("spoilt", ["", "v1.", "v1.AAAA", "v1.%%%", "é", "A" * 60])
def test_data_that_was_changed_is_refused(inside, spoilt):
    Session.objects.update(session_data=spoilt)
    assert not is_let_in(inside)


def test_a_new_secret_key_lets_those_in_whom_the_old_one_knew(inside, settings):
    old, settings.SECRET_KEY = settings.SECRET_KEY, new_secret_key()
    assert not is_let_in(client_with(cookie_of(inside)))
    settings.SECRET_KEY_FALLBACKS = [old]
    assert is_let_in(inside)


def test_sessions_work_without_the_key_ring(client, person, settings):
    """T8"""
    settings.KEY_RING = ""
    log_in(client, person)
    assert is_let_in(client)


# As in Django


def test_a_new_id_takes_the_place_of_the_old_one(inside):
    old = cookie_of(inside)
    session = inside.session
    session.cycle_key()
    assert session.session_key != old
    assert list(Session.objects.values_list("pk", flat=True)) == [digest_of(session.session_key)]
    assert not is_let_in(client_with(old))
    assert is_let_in(client_with(session.session_key))


def test_a_flushed_session_leaves_no_row_and_no_id(inside):
    session = inside.session
    session.flush()
    assert session.session_key is None
    assert not Session.objects.exists()


def test_an_id_that_is_taken_is_not_given_twice(db):
    taken = SessionStore()
    taken["whose"] = "mine"
    taken.create()

    class Unlucky(SessionStore):
        ids = ["b" * 32, taken.session_key]

        def _get_new_session_key(self):
            return self.ids.pop()

    new = Unlucky()
    new.create()
    assert new.session_key == "b" * 32
    assert (Session.objects.count(), SessionStore(taken.session_key).get("whose")) == (2, "mine")


def test_a_session_that_was_ended_meanwhile_is_not_brought_back(inside):
    session = inside.session
    session["late"] = True
    Session.objects.all().delete()
    with pytest.raises(UpdateError):
        session.save()
    assert not Session.objects.exists()


def test_clearsessions_deletes_what_has_expired(inside, signed_in, admin):
    gone = signed_in(admin)
    Session.objects.filter(pk=digest_of(cookie_of(gone))).update(expire_date=timezone.now() - timedelta(seconds=1))
    assert not is_let_in(gone)
    call_command("clearsessions")
    assert list(Session.objects.values_list("pk", flat=True)) == [digest_of(cookie_of(inside))]


@pytest.mark.django_db(transaction=True)
def test_asynchronous_code_stores_no_id_either(transactional_db):
    async def write_and_read() -> tuple[str | None, object]:
        session = SessionStore()
        await session.aset("colour", "red")
        await session.asave()
        again = SessionStore(session.session_key)
        found = await again.aget("colour")
        assert session.session_key is not None
        assert await again.aexists(session.session_key)
        await sync_to_async(connections.close_all)()  # closes the connection of the thread that ran all this
        return session.session_key, found

    session_id, found = asyncio.run(write_and_read())
    assert found == "red"
    assert list(Session.objects.values_list("pk", flat=True)) == [digest_of(str(session_id))]


@pytest.mark.django_db(transaction=True)
def test_saves_at_once_all_succeed_and_the_last_one_stays(transactional_db):
    session = SessionStore()
    session.create()

    def save(number: int) -> None:
        mine = SessionStore(session.session_key)
        mine["number"] = number
        mine.save()

    assert in_parallel([partial(save, number) for number in range(4)]) == [None] * 4
    assert SessionStore(session.session_key)["number"] in range(4)
    assert Session.objects.count() == 1


# The list


def listed(client: Client) -> tuple[int, int]:
    """The number of sessions on the page, and the number that are marked as the reader's own."""
    page = page_of(client.get(SESSIONS))
    return page.count("Signed in "), page.count("This session")


def test_the_list_marks_the_readers_own_session_and_ends_the_others(inside, person):
    other = Client()
    log_in(other, person)
    assert listed(inside) == listed(other) == (2, 1)
    inside.post(SESSIONS)
    assert not is_let_in(other)
    assert listed(inside) == (1, 1)


def test_signing_out_takes_the_session_off_the_list(inside, person):
    other = Client()
    log_in(other, person)
    other.post(reverse("account_logout"))
    assert listed(inside) == (1, 1)
    assert UserSession.objects.count() == 1


def test_a_new_password_leaves_the_session_that_gave_it_on_the_list(inside, person):
    other = Client()
    log_in(other, person)
    fields = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    inside.post(reverse("account_change_password"), fields)
    assert listed(inside) == (1, 1)
    assert not is_signed_in(other) or not is_let_in(other)


def test_a_sealed_row_keeps_its_form(db):
    digest = digest_of("a" * 32)
    row = Session(session_key=digest, session_data=seal({"colour": "red"}, digest))
    assert (row.session_data[:3], data_of(row), len(digest) <= 40) == ("v1.", {"colour": "red"}, True)
