import re

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from apikeys.keys import pausing, services
from apikeys.models import ApiKey
from apikeys.secrets import secret_format
from apikeys.usage import counting
from apikeys.verify.key_lookup import _LOOKUP
from apikeys.verify.verification import Verdict, verify
from common.key_ring import VaultUnavailable
from config.environment.local_secrets import new_ring
from projects.services import delete_project
from tests.support.environment import ON_SQLITE
from tests.support.factories import ApiKeyFactory, ProjectFactory
from tests.support.stored.statements import assert_statements

pytestmark = pytest.mark.django_db


def check(secret: str) -> Verdict:
    return verify(f"Bearer {secret}")


def test_an_active_key_tells_key_project_and_user(api_key, project, owner):
    """P2"""
    identity = check(api_key.secret).identity
    assert identity is not None
    assert (identity.key_id, identity.key_name) == (api_key.public_id, "Production server")
    assert (identity.project_id, identity.project_name) == (project.public_id, "Acme Weather")
    assert (identity.user_id, identity.user_email) == (owner.public_id, "owner@example.com")


@pytest.mark.parametrize("state", ["active", "paused", "deleted", "unknown"])
def test_a_check_costs_one_query(api_key, owner, state):
    """T3"""
    secret = api_key.secret
    if state == "paused":
        pausing.pause_key(key=api_key, by=owner)
    if state == "deleted":
        services.delete_key(key=api_key, by=owner)
    if state == "unknown":
        secret = secret_format.generate("lk_")
    with assert_statements(1):
        code = check(secret).code
    assert code == (None if state == "active" else f"key_{state}")


def test_a_check_costs_one_query_with_several_peppers_and_a_thousand_keys(api_key, settings):
    """T3"""
    ApiKey.objects.bulk_create(
        ApiKeyFactory.build_batch(1000, project=api_key.project, responsible=api_key.responsible)
    )
    settings.KEY_PEPPERS += f",{new_ring().replace('k1:', 'old:')}"
    with assert_statements(1):
        assert check(api_key.secret).identity


def test_a_check_finds_its_key_by_an_index(api_key, project, owner):
    """T3"""
    explain = "EXPLAIN QUERY PLAN" if ON_SQLITE else "EXPLAIN"
    # With a single key, PostgreSQL may choose any index.
    ApiKeyFactory.create_batch(50, project=project, responsible=owner)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {ApiKey._meta.db_table}")
        if not ON_SQLITE:
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"{explain} {_LOOKUP[connection.vendor].format(placeholders='%s')}", [bytes(api_key.digest)])
        plan = str(cursor.fetchall())
    assert re.search(r"USING INDEX \S+ \(digest=" if ON_SQLITE else r"Index Scan (?:using|on) \S*digest", plan), plan


def test_pausing_and_re_enabling_hold_for_the_very_next_check(api_key, owner):
    """P9, T11"""
    for _ in range(3):
        pausing.pause_key(key=api_key, by=owner)
        assert check(api_key.secret).code == "key_paused"
        pausing.resume_key(key=api_key, by=owner)
        assert check(api_key.secret).identity


def test_deleting_holds_for_the_very_next_check(api_key, owner):
    """P10, T10"""
    services.delete_key(key=api_key, by=owner)
    assert check(api_key.secret).code == "key_deleted"


def test_the_keys_of_a_deleted_project_are_deleted(api_key, project, owner):
    delete_project(project=project, by=owner)
    assert check(api_key.secret).code == "key_deleted"


def test_old_and_new_key_work_side_by_side_until_the_old_one_is_deleted(api_key, project, owner):
    """P11"""
    new = services.create_key(project=project, name="Rolled", by=owner)
    assert check(api_key.secret).identity
    assert check(new.secret).identity
    services.delete_key(key=api_key, by=owner)
    assert check(api_key.secret).code == "key_deleted"
    assert check(new.secret).identity


def test_a_key_speaks_for_its_own_project_only(api_key):
    """P3"""
    secret = secret_format.generate("lk_")
    other = ApiKeyFactory(project=ProjectFactory(), secret=secret)
    identity = check(secret).identity
    assert identity is not None
    assert identity.project_id == other.project.public_id != api_key.project.public_id


def test_a_deactivated_creators_keys_are_refused_until_they_are_back(api_key, owner):
    owner.is_active = False
    owner.save()
    assert check(api_key.secret).code == "forbidden"
    owner.is_active = True
    owner.save()
    assert check(api_key.secret).identity


@pytest.mark.parametrize("state", ["paused", "deleted"])
def test_a_state_is_told_only_to_who_holds_the_whole_secret(api_key, owner, state):
    {"paused": pausing.pause_key, "deleted": services.delete_key}[state](key=api_key, by=owner)
    body = api_key.secret[:-7] + ("A" if api_key.secret[-7] != "A" else "B")
    assert check(body + secret_format.checksum(body)).code == "key_unknown"


def test_another_pepper_makes_every_key_unknown(api_key, settings):
    settings.KEY_PEPPERS = new_ring()
    assert check(api_key.secret).code == "key_unknown"


def test_a_key_made_under_an_older_pepper_still_verifies(api_key, owner, project, settings):
    settings.KEY_PEPPERS = f"{new_ring().replace('k1:', 'new:')},{settings.KEY_PEPPERS}"
    assert check(api_key.secret).identity
    newer = services.create_key(project=project, name="Newer", by=owner)
    assert newer.key.pepper_id == "new"
    assert check(newer.secret).identity


def test_verification_goes_on_without_the_key_ring(api_key, owner, settings):
    """T8"""
    settings.KEY_RING = ""
    assert check(api_key.secret).identity
    with pytest.raises(VaultUnavailable):
        services.reveal_secret(key=api_key, by=owner)
    assert pausing.pause_key(key=api_key, by=owner)
    assert check(api_key.secret).code == "key_paused"


def test_a_check_writes_nothing_itself_and_the_use_is_written_later(api_key):
    assert verify(f"Bearer {api_key.secret}", "203.0.113.7").identity
    api_key.refresh_from_db()
    assert api_key.last_used_at is None
    counting.flush()
    api_key.refresh_from_db()
    assert api_key.last_used_at is not None
    assert api_key.last_used_address == "203.0.113.7"


def test_refused_calls_are_no_use(api_key, owner):
    pausing.pause_key(key=api_key, by=owner)
    check(api_key.secret)
    counting.flush()
    api_key.refresh_from_db()
    assert api_key.last_used_at is None


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_read_in_any_case(api_key, scheme):
    """RFC 9110, 11.1"""
    assert verify(f"{scheme} {api_key.secret}").identity


@pytest.mark.nodb
@given(st.text())
def test_no_text_raises_or_enters(text):
    """T24: one part of the promise. The server reads the raw bytes before this code."""
    for header in (text, f"Bearer {text}", f"Bearer lk_{text}"):
        assert verify(header).code == "key_malformed"
