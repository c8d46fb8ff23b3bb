"""The last use of a key is noted in memory and written later, so the check does not wait for it."""

import time
from datetime import timedelta

from django.db import connection
from django.test import RequestFactory
from django.utils import timezone

from apikeys.usage import counting
from common.client_address import client_address
from tests.support.environment import ON_SQLITE
from tests.support.factories import ApiKeyFactory


def test_the_later_use_wins_whichever_is_written_last(api_key):
    now = timezone.now()
    for at in (now, now - timedelta(hours=1)):
        counting.record(api_key.pk, "ok", at.timestamp(), "203.0.113.7")
        counting.flush()
    api_key.refresh_from_db()
    assert api_key.last_used_at == now


def test_many_keys_are_written_in_one_go(api_key, project, owner, django_assert_max_num_queries):
    keys = ApiKeyFactory.create_batch(5, project=project, responsible=owner)
    for key in keys:
        counting.record(key.pk, "ok", time.time(), None)
    with django_assert_max_num_queries(7 if ON_SQLITE else 1):  # savepoints are two
        counting.flush()
    assert all(type(key).objects.get(pk=key.pk).last_used_at for key in keys)


def test_a_note_that_the_database_refuses_is_dropped_and_the_next_is_written(transactional_db, api_key, caplog):
    counting.record(api_key.pk, "ok", time.time(), "no address")
    counting.flush()
    refused = connection.vendor == "postgresql"
    assert ("usage_dropped" in caplog.text) == refused
    at = timezone.now()
    counting.record(api_key.pk, "ok", at.timestamp(), "203.0.113.7")
    counting.flush()
    api_key.refresh_from_db()
    assert (api_key.last_used_at, api_key.last_used_address) == (at, "203.0.113.7")


def test_an_addresss_zone_is_left_out(settings):
    settings.TRUSTED_PROXIES = 1
    request = RequestFactory().get("/", headers={"X-Forwarded-For": "fe80::1%eth0"})
    assert client_address(request) == "fe80::1"
