import pytest
from django.core.exceptions import ImproperlyConfigured
from django.views.debug import ExceptionReporter
from hypothesis import given
from hypothesis import strategies as st

from apikeys.keys import services
from apikeys.models import ApiKey
from apikeys.secrets import vault
from apikeys.verify.verification import verify
from common.encryption import NONCE_BYTES
from config.environment.local_secrets import new_ring
from projects.audit_log.models import AuditEvent
from tests.support.factories import ApiKeyFactory

SECRET = "lk_7Hq2WdZ5tB0mYc9XrKfVj3LsNe8GaP3dol9X"
ROW = {"key_id": "key_0123456789abcdef", "project_id": "prj_0123456789abcdef"}


def ring(name: str) -> str:
    return new_ring().replace("k1:", f"{name}:")


@pytest.mark.django_db
def test_ciphertexts_that_were_swapped_do_not_decrypt(project, owner):
    """T5"""
    one, other = ApiKeyFactory.create_batch(2, project=project)
    ApiKey.objects.filter(pk=one.pk).update(ciphertext=other.ciphertext)
    ApiKey.objects.filter(pk=other.pk).update(ciphertext=one.ciphertext)
    for key in (one, other):
        with pytest.raises(vault.CiphertextRefused):
            services.reveal_secret(key=key, by=owner)
    assert not AuditEvent.objects.exists()


@pytest.mark.nodb
@pytest.mark.parametrize("moved", [{"key_id": "key_fedcba9876543210"}, {"project_id": "prj_fedcba9876543210"}])
def test_a_ciphertext_is_bound_to_its_key_and_its_project(moved):
    """T5"""
    ring_key_id, ciphertext = vault.encrypt(SECRET, **ROW)
    assert vault.decrypt(ciphertext, ring_key_id=ring_key_id, **ROW) == SECRET
    with pytest.raises(vault.CiphertextRefused):
        vault.decrypt(ciphertext, ring_key_id=ring_key_id, **{**ROW, **moved})


@pytest.mark.nodb
def test_every_single_flipped_bit_is_noticed():
    """T6: nonce, ciphertext and tag, one bit after the other."""
    ring_key_id, ciphertext = vault.encrypt(SECRET, **ROW)
    for bit in range(8 * len(ciphertext)):
        flipped = bytearray(ciphertext)
        flipped[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(vault.CiphertextRefused):
            vault.decrypt(bytes(flipped), ring_key_id=ring_key_id, **ROW)


@pytest.mark.nodb
@given(
    secret=st.text(st.characters(max_codepoint=126, min_codepoint=32), max_size=80),
    flips=st.sets(st.integers(min_value=0), min_size=1, max_size=8),
    cut=st.integers(min_value=0, max_value=20),
)
def test_flipped_bits_and_truncations_of_any_secret_are_noticed(secret, flips, cut):
    """T6"""
    ring_key_id, ciphertext = vault.encrypt(secret, **ROW)
    changed = bytearray(ciphertext)
    for bit in {flip % (8 * len(ciphertext)) for flip in flips}:
        changed[bit // 8] ^= 1 << (bit % 8)
    for altered in (bytes(changed), bytes(changed[: len(changed) - cut]), ciphertext[: -cut - 1], ciphertext + b"\0"):
        with pytest.raises(vault.CiphertextRefused):
            vault.decrypt(altered, ring_key_id=ring_key_id, **ROW)


@pytest.mark.nodb
def test_no_nonce_comes_twice():
    nonces = {vault.encrypt(SECRET, **ROW)[1][:NONCE_BYTES] for _ in range(10_000)}
    assert len(nonces) == 10_000


@pytest.mark.nodb
def test_the_first_key_of_the_ring_encrypts_and_all_decrypt(settings):
    old, new = ring("k1"), ring("k2")
    settings.KEY_RING = old
    ring_key_id, ciphertext = vault.encrypt(SECRET, **ROW)
    settings.KEY_RING = f"{new},{old}"
    assert vault.decrypt(ciphertext, ring_key_id=ring_key_id, **ROW) == SECRET
    assert vault.encrypt(SECRET, **ROW)[0] == "k2"
    settings.KEY_RING = new
    with pytest.raises(vault.VaultUnavailable):
        vault.decrypt(ciphertext, ring_key_id=ring_key_id, **ROW)


@pytest.mark.nodb
def test_a_ring_key_of_the_same_id_with_other_bytes_is_refused(settings):
    ring_key_id, ciphertext = vault.encrypt(SECRET, **ROW)
    settings.KEY_RING = ring(ring_key_id)
    with pytest.raises(vault.CiphertextRefused):
        vault.decrypt(ciphertext, ring_key_id=ring_key_id, **ROW)


@pytest.mark.nodb
def test_without_a_ring_nothing_is_encrypted(settings):
    settings.KEY_RING = ""
    with pytest.raises(vault.VaultUnavailable):
        vault.encrypt(SECRET, **ROW)


@pytest.mark.nodb
def test_the_digest_depends_on_the_pepper(settings):
    settings.KEY_PEPPERS = f"{ring('p1')},{ring('p2')}"
    first, second = vault.digests(SECRET)
    assert first != second
    assert vault.new_digest(SECRET) == ("p1", first)
    assert len(first) == 32


@pytest.mark.nodb
def test_the_digest_is_hmac_sha256():
    # RFC 4231, test case 2.
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert vault._digest(b"Jefe", "what do ya want for nothing?").hex() == expected


WRONG_RINGS = {
    "no id": "AAAA",
    "not base64": "k1:!!!!",
    "as the documentation shows it": "k1:…",
    "key too short": "k1:c2hvcnQ=",
    "the same id twice": f"{ring('k1')},{ring('k1')}",
    "id too long": ring("k" * 17),
    "id with a separator": ring("k|1"),
    "one good, one not": f"{ring('k1')},k2:c2hvcnQ=",
}


@pytest.mark.nodb
@pytest.mark.parametrize("notation", WRONG_RINGS.values(), ids=WRONG_RINGS.keys())
def test_a_wrong_ring_is_refused_without_repeating_a_key(notation):
    with pytest.raises(ImproperlyConfigured) as refusal:
        vault.parse_ring(notation)
    keys = [entry.partition(":")[2] for entry in notation.split(",")]
    assert not any(key and key in str(refusal.value) for key in keys)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "ask", [lambda: verify(f"Bearer {SECRET}"), lambda: services.report_leak(secret=SECRET)], ids=["check", "report"]
)
def test_an_error_while_a_secret_is_digested_is_reported_without_it(ask, settings):
    """Each function that asks for digests marks its own variables, and with them those of `vault.digests`."""
    settings.KEY_PEPPERS = "no ring"
    with pytest.raises(ImproperlyConfigured) as raised:
        ask()
    reporter = ExceptionReporter(None, raised.type, raised.value, raised.tb)
    frames = {frame["function"]: frame["vars"] for frame in reporter.get_traceback_data()["frames"]}
    assert dict(frames["digests"])["secret"]
    assert SECRET not in str(frames["digests"])
