"""The canonical form of an email address."""

import unicodedata

import pytest
from django.core.exceptions import ValidationError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.addresses import canonical, canonical_or_none, spellings
from accounts.models import User
from tests.support.factories import UserFactory

MULLER = "ada@xn--mller-kva.test"


@pytest.mark.nodb
@pytest.mark.parametrize(
    ("typed", "form"),
    [
        ("Boss@Corp.TEST", "boss@corp.test"),
        ("o'neil+keys.2@corp.test", "o'neil+keys.2@corp.test"),
        ("\u212aim@corp.test", "kim@corp.test"),
        ("boss@\uff43orp.test", "boss@corp.test"),
        ("boss@corp\u3002test", "boss@corp.test"),
        ("boss@co\u00adrp.test", "boss@corp.test"),
        ("boss@corp.te\u017ft", "boss@corp.test"),
        ("ada@m\u00fcller.test", MULLER),
        ("ada@mu\u0308ller.test", MULLER),
        ("ADA@M\u00dcLLER.TEST", MULLER),
        ("ada@XN--MLLER-KVA.test", MULLER),
        ("ada@stra\u00dfe.test", "ada@xn--strae-oqa.test"),
        ("carol@ma\u0131l.test", "carol@xn--mal-kua.test"),
        ("ada@r3---sn.test", "ada@r3---sn.test"),
        ("ada@LOCALHOST", "ada@localhost"),
        ("ada@[0:0:0:0:0:0:0:1]", "ada@[::1]"),
    ],
)
def test_spellings_of_one_address_have_one_form(typed, form):
    assert canonical(typed) == form


@pytest.mark.nodb
@pytest.mark.parametrize(
    "typed",
    [
        *(
            "bo\u017fs@corp.test",
            "k\u0131m@corp.test",
            "K\u0130M@corp.test",
            "\uff42oss@corp.test",
            "jos\u00e9@corp.test",
        ),
        *("bo\ufb00@corp.test", '"boss"@corp.test', "boss@corp.test.", "boss@corp.test\u3002", "boss@corp..test"),
        *("boss@xn--corp-.test", "boss@xn--\u00fc.test", "boss@xn--a.test", "boss@-corp.test", "boss@[::1", "boss@[x]"),
        *(
            "",
            "@",
            "boss",
            "@corp.test",
            "boss@",
            "boss@corp",
            "boss\0@corp.test",
            "boss@co\0rp.test",
            "\ud800@corp.test",
        ),
        *("boss@corp_x.test", "boss @corp.test", "bo..ss@corp.test", "b" * 255 + "@corp.test", "b@" + "\u00fc" * 5000),
        "b" * 60 + "@" + ".".join(["\u00fc\u00e4\u00f6" * 15] * 4) + ".test",  # longer as A-labels than as typed
    ],
)
def test_an_address_without_a_canonical_form_is_refused_in_words(typed):
    """T43"""
    with pytest.raises(ValidationError) as refused:
        canonical(typed)
    assert refused.value.messages[0].endswith(".")
    assert len(refused.value.messages) == 1
    assert all(form == typed.lower() for form in spellings(typed))


LETTERS = st.sampled_from(
    [*"sSkKiIaA.-1\u017f\u212a\u0131\u0130\u00df\u1e9e\uff53\ufb00\u00fc\u00dcu\u0308\u03c3\u03c2\u3002\u00ad"]
)
LOCAL, LABEL = st.text(LETTERS, min_size=1, max_size=3), st.text(LETTERS, min_size=1, max_size=4)
XN = LABEL.map(lambda label: f"XN--{label.encode('punycode').decode()}")
ADDRESSES = st.builds("{}@{}.test".format, LOCAL, LABEL | XN) | st.builds("{}@{}".format, st.text(), st.text())


@pytest.mark.nodb
@settings(max_examples=1000, deadline=None)
@given(address=ADDRESSES)
def test_a_canonical_form_is_its_own_form_and_every_system_folds_it_alike(address):
    """T43"""
    form = canonical_or_none(address)
    if form is None:
        return
    assert canonical(form) == form
    assert spellings(form)[0] == spellings(address)[0] == form
    assert form.isascii()
    assert form == form.lower() == form.upper().lower() == form.casefold() == unicodedata.normalize("NFKC", form)
    local = address.rpartition("@")[0]
    assert unicodedata.normalize("NFKC", local).casefold() == local.lower()


@pytest.mark.slow
@pytest.mark.django_db
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=ADDRESSES.filter(canonical_or_none), other=ADDRESSES)
def test_only_addresses_of_equal_form_are_one_account(db, one, other):
    """T43"""
    User.objects.all().delete()
    user = UserFactory(email=one)
    is_same = canonical_or_none(other) == user.email
    assert (User.objects.having(other) == user) is is_same
    assert User.objects.sharing(other) == ([user] if is_same else [])
