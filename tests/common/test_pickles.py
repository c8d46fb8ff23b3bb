"""Nothing in the database or the cache is loaded as a pickle, because a pickle runs code as the server."""

import pickle
from base64 import b64encode

import pytest
import redis
from allauth.mfa.models import Authenticator
from django.contrib.sessions.backends.db import SessionStore as DjangosStore
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.second_factors.secrets_at_rest import seal
from apikeys.secrets import secret_format
from apikeys.verify import failed_keys
from config.environment import cache_url
from projects.models import File
from tests.support.calls.api_client import bearer, downloaded, new_file, secret_of
from tests.support.people.accounts import LOGIN, PASSWORD, SIGN_UP, log_in, page_of, totp_code

pytestmark = pytest.mark.django_db

SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


class Touching:
    """Its pickle opens a file for writing when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.fixture
def touched(tmp_path):
    """The file that a pickle touches, after a check that the pickle does touch it."""
    path = tmp_path / "touched"
    pickle.loads(pickle.dumps(Touching(path))).close()  # noqa: S301  our own
    path.unlink()
    return path


@pytest.fixture(params=["database", pytest.param("redis", marks=pytest.mark.slow)])
def store(request, settings):
    """A function that writes these bytes to every place of the cache that the settings name, and returns the number of
    places.
    """
    if request.param == "database":
        yield plant_in_table
        return
    server = request.getfixturevalue("redis_server")
    before = settings.CACHES
    settings.CACHES = {"default": cache_url.parse(server.url)}
    yield lambda planted: plant_in_redis(server.url, planted)
    settings.CACHES = before


def plant_in_table(planted):
    with connection.cursor() as cursor:
        # As Django's own cache stores and reads it.
        cursor.execute("UPDATE cache SET value = %s", [b64encode(planted).decode()])
        return cursor.rowcount


def plant_in_redis(url, planted):
    with redis.Redis.from_url(url) as client:
        keys = client.keys()
        for key in keys:
            client.set(key, planted, keepttl=True)
        return len(keys)


def walk(person, key):
    """Fills the cache and reads it: limits of every kind, used codes, failed keys."""
    client, answers = Client(), []
    for address in (person.email, "nobody@example.com"):
        answers.append(client.post(LOGIN, {"login": address, "password": "wrong"}))
        answers.append(client.post(reverse("account_reset_password"), {"email": address}))
    answers.append(client.post(SIGN_UP, {"email": "new", "password1": "x"}))
    answers.append(log_in(client, person))
    answers.append(client.post(reverse("mfa_authenticate"), {"code": "000000"}))
    answers.append(client.post(reverse("mfa_authenticate"), {"code": totp_code(SEED)}))
    answers += [client.get(reverse(name)) for name in ("home", "account_email", "usersessions_list", "mfa_index")]
    for secret in (secret_format.generate("lk_"), secret_of(key)):
        answers += [client.get(f"/api/v1/{call}", headers=bearer(secret)) for call in ("verify", "me", "files")]
    failed_keys.share()
    return [(answer.request["PATH_INFO"], answer.status_code) for answer in answers]


@pytest.mark.parametrize("protocol", [0, pickle.HIGHEST_PROTOCOL])
def test_a_pickle_in_every_row_of_the_cache_is_never_loaded(store, touched, person, api_key, settings, protocol):
    """T47: a pickle counts as absent, so the second walk ends like the first."""
    settings.FAILED_KEYS_PER_MINUTE = 60
    Authenticator.objects.create(user=person, type=Authenticator.Type.TOTP, data={"secret": seal(SEED)})
    first = walk(person, api_key)
    assert store(pickle.dumps(Touching(touched), protocol)) >= 8, "the walk has filled the cache"
    assert cache.get("latchkey:failed:lock") is None
    second = walk(person, api_key)
    assert not touched.exists()
    assert second == first
    assert {status for _, status in first} <= {200, 204, 302, 401}


def test_a_lock_that_holds_a_pickle_is_taken(store, touched):
    """T47"""
    planted = pickle.dumps(Touching(touched))
    cache.set("lock", 1)
    store(planted)
    assert cache.get("lock", "absent") == "absent"
    assert cache.get_many(["lock"]) == {}
    assert "lock" not in cache
    assert cache.add("lock", 2)
    assert not cache.add("lock", 3)
    assert cache.get("lock") == 2
    assert not touched.exists()


NO_JSON = ["", "{", "NaN", "[Infinity]", "[" * 100_000, "9" * 5000, "\udc80".encode("utf-8", "surrogateescape")]


@pytest.mark.parametrize("planted", NO_JSON, ids=lambda text: repr(text[:10]))
def test_a_value_that_is_not_json_counts_as_absent(store, planted):
    cache.set("limit", [1.5, 2.5])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE cache SET value = %s", [planted if isinstance(planted, str) else "�"])
    if store is not plant_in_table:
        store(planted)
    assert cache.get("limit", []) == []
    cache.set("limit", [3.5])
    assert cache.get("limit") == [3.5]


def test_json_comes_back_as_it_was(store):
    values = {"number": 7, "times": [1764322234.123456, 0.1], "flag": True, "text": "ä\0", "nothing": None}
    values = values if store is not plant_in_table else {**values, "text": "ä"}
    cache.set_many(values, timeout=60)
    assert cache.get_many(values) == values
    for refused in ({1}, float("nan"), object()):
        with pytest.raises((TypeError, ValueError)):
            cache.set("refused", refused)


def test_a_pickle_in_a_sessions_row_or_a_second_factor_is_never_loaded(touched, inside, person):
    """T47: such a session is over."""
    planted = b64encode(pickle.dumps(Touching(touched))).decode()
    Authenticator.objects.create(user=person, type=Authenticator.Type.TOTP, data={"secret": planted})
    stored_id = Session.objects.get().pk
    for data in (planted, f"v1.{planted}", DjangosStore().encode({"x": 1}).replace("eyJ4Ijox", planted)):
        Session.objects.update(session_key=stored_id, session_data=data)
        assert inside.get(reverse("projects:list")).status_code == 302
    log_in(inside, person)
    inside.raise_request_exception = False
    answer = inside.post(reverse("mfa_authenticate"), {"code": "123456"})
    assert (answer.status_code, "second factor" in page_of(answer)) == (503, True)
    assert not touched.exists()


@pytest.mark.parametrize("path", ["../secrets/key_ring", "{folder}/secrets/key_ring", "x/../../secrets/key_ring"])
def test_a_files_row_that_names_the_ring_reads_and_deletes_nothing(client, api_key, data_dir, path):
    """T47: write access to the database does not give access to the ring."""
    ring = data_dir / "secrets" / "key_ring"
    text = ring.read_text().strip()
    file = new_file(project=api_key.project)
    File.objects.filter(pk=file.pk).update(blob=path.format(folder=data_dir))
    address = f"/api/v1/files/{file.public_id}"
    client.raise_request_exception = False
    with downloaded(client.get(f"{address}/content", headers=bearer(secret_of(api_key)))) as answer:
        assert answer.status_code >= 400
        assert text not in b"".join(answer).decode()
    client.delete(address, headers=bearer(secret_of(api_key)))
    assert ring.read_text().strip() == text


def test_the_walk_signs_in(person, client):
    """The walk uses the right password. A walk that is rejected everywhere would prove nothing."""
    assert log_in(client, person, PASSWORD).status_code == 302
