"""What a restricted key is answered: from an address, by a method, with its scopes. The first refusal decides."""

import json
import logging

import pytest

from apikeys.bounds import in_words
from apikeys.bounds.asked import Asked, granted, refusal_of
from apikeys.bounds.restrictions import (
    Limit,
    Limits,
    Restrictions,
    Unreadable,
    Window,
    column_of,
    read,
    read_limits,
    read_text,
)
from apikeys.bounds.scopes import DEFAULT
from apikeys.bounds.services import limit_project, restrict_key
from apikeys.keys.pausing import pause_key
from apikeys.keys.services import create_key
from apikeys.models import ApiKey
from apikeys.verify.verification import verify
from common import outages
from projects.models import Project
from tests.support.stored.statements import assert_statements

READS = Restrictions(read_only=True)
CHOSEN = Restrictions(scopes=("files:read",))
INSIDE = Restrictions(networks=("192.0.2.0/24", "2001:db8::/32"))
WRITE = Asked("POST", ("files:write",))


def code(restrictions, asked, address=None):
    refused = refusal_of(restrictions, asked, address, DEFAULT)
    return refused and refused[0].code


@pytest.mark.nodb
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_read_only_key_may_look(method):
    assert code(READS, Asked(method, ("files:write",))) is None


@pytest.mark.nodb
@pytest.mark.parametrize(
    "method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "get", "Get", "GET ", "QUERY", "PROPFIND"]
)
def test_a_read_only_key_may_do_nothing_else(method):
    assert code(READS, Asked(method)) == "read_only"


@pytest.mark.nodb
def test_a_read_only_key_needs_a_method_that_is_told():
    for method in (None, ""):
        assert code(READS, Asked(method)) == "method_unknown"


@pytest.mark.nodb
@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        ((), None),
        (("files:read",), None),
        (("files:write",), "the scope files:write"),
        (("files:read", "files:write"), "the scope files:write"),
        (("a", "b"), "the scopes a, b"),
    ],
)
def test_a_key_needs_all_scopes_that_are_asked_for(scopes, expected):
    """A call that asks for none is open: the operator's gateway decides, and X-Latchkey-Scopes tells."""
    refused = refusal_of(CHOSEN, Asked("DELETE", scopes), None, {*DEFAULT, "a", "b"})
    assert (refused is None) == (expected is None)
    assert refused is None or f"does not have {expected}." in refused[1]


@pytest.mark.nodb
def test_only_full_access_has_a_scope_that_nobody_defined():
    asked = Asked("GET", ("orders:read",))
    assert code(Restrictions(), asked) is None
    assert code(READS, asked) == "insufficient_scope"
    assert code(Restrictions(scopes=("orders:read",)), asked) == "insufficient_scope"
    refused = refusal_of(READS, asked, None, DEFAULT)
    assert refused is not None
    assert "orders:read, which the operator of this API has not defined" in refused[1], "no member can add it"


@pytest.mark.nodb
def test_a_text_that_nests_too_deep_is_unreadable():
    with pytest.raises(Unreadable):
        read_text("[" * 5_000)


@pytest.mark.nodb
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.255", None),
        ("2001:db8:ffff::1", None),
        ("192.0.3.0", "address_refused"),
        ("2001:db9::", "address_refused"),
        ("::c000:201", "address_refused"),
        (None, "address_refused"),
    ],
)
def test_a_key_is_used_from_its_networks_alone(address, expected):
    assert code(INSIDE, Asked("GET"), address) == expected
    if expected and address:
        assert address in refusal_of(INSIDE, Asked("GET"), address, DEFAULT)[1]


@pytest.mark.nodb
def test_what_the_gateway_reads_of_a_key():
    assert [granted(each) for each in (Restrictions(), READS, CHOSEN)] == ["*", "read", "files:read"]
    assert granted(Restrictions(scopes=("a", "b"), networks=("192.0.2.1/32",))) == "a b"


@pytest.mark.django_db
def test_the_first_refusal_decides_standing_address_access_limits(api_key, owner):
    header = f"Bearer {api_key.secret}"
    limits = Limits(quota=Limit(1, Window.MONTH))
    restrict_key(key=api_key, restrictions=INSIDE._replace(scopes=("files:read",), limits=limits), by=None)
    reads, here, there = Asked("GET", ("files:read",)), "192.0.2.7", "198.51.100.7"
    assert verify(header, here, reads).code is None
    assert verify(header, here, reads).code == "quota_reached"
    assert verify(header, here, WRITE).code == "insufficient_scope"
    assert verify(header, there, WRITE).code == "address_refused"
    pause_key(key=api_key, by=owner)
    assert verify(header, there, WRITE).code == "key_paused"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "restrictions", [Restrictions(), READS, CHOSEN, INSIDE], ids=["none", "read", "scopes", "networks"]
)
def test_a_check_without_limits_costs_one_query(api_key, restrictions):
    """T3: whether the key is let in or refused."""
    restrict_key(key=api_key, restrictions=restrictions, by=None)
    for asked, address in ((Asked("GET", ("files:read",)), "192.0.2.7"), (WRITE, "198.51.100.7")):
        with assert_statements(1):
            found = verify(f"Bearer {api_key.secret}", address, asked).code
        assert (found is None) == (asked is not WRITE or restrictions == Restrictions())


# What only another release can read

UNREADABLE = [
    {"hours": [9, 17]},
    {"access": "write"},
    {"access": "full"},
    {"access": {"read": True}},
    {"access": ["files read"]},
    {"access": [1]},
    {"access": [["a"]]},
    {"access": True},
    {"networks": ["192.0.2.1/24"]},
    {"networks": ["192.0.2.1"]},
    {"networks": ["x"]},
    {"networks": [5]},
    {"networks": "192.0.2.0/24"},
    {"networks": None},
    {"networks": 5},
    {"rate": [100, "day"]},
    {"rate": [0, "minute"]},
    {"rate": ["100", "minute"]},
    {"rate": [True, "minute"]},
    {"rate": [1.5, "minute"]},
    {"rate": [10**16, "minute"]},
    {"rate": [100]},
    {"rate": [100, "minute", 2]},
    {"rate": None},
    {"rate": 100},
    {"quota": [100, "minute"]},
    {"quota": [100, ["month"]]},
    {"quota": {"month": 100}},
    ["access"],
    "read",
    5,
]


@pytest.mark.django_db
@pytest.mark.parametrize("column", UNREADABLE, ids=str)
def test_what_this_release_cannot_read_lets_nobody_in_and_is_logged(api_key, column, caplog):
    ApiKey.objects.filter(pk=api_key.pk).update(restrictions=column)
    outages._last_lines.clear()
    with caplog.at_level(logging.ERROR):
        verdicts = [verify(f"Bearer {api_key.secret}", "192.0.2.1", Asked("GET")) for _ in range(3)]
    assert {verdict.code for verdict in verdicts} == {"unavailable"}
    assert caplog.text.count("does not know the key's restrictions") == 1
    with pytest.raises(Unreadable):
        read(column)


@pytest.mark.django_db
@pytest.mark.parametrize("limits", [{"burst": 3}, {"rate": [0, "minute"]}, [1], {"quota": None}], ids=str)
def test_limits_of_a_project_that_this_release_cannot_read_let_no_key_in(api_key, limits):
    Project.objects.update(limits=limits)
    assert verify(f"Bearer {api_key.secret}").code == "unavailable"
    with pytest.raises(Unreadable):
        read_limits(limits)


@pytest.mark.nodb
def test_what_is_written_is_read_again():
    full = Restrictions(
        scopes=("a", "b"),
        networks=("192.0.2.0/24", "2001:db8::/32"),
        limits=Limits(Limit(100, Window.MINUTE), Limit(10**15, Window.MONTH)),
    )
    for each in (Restrictions(), READS, CHOSEN, INSIDE, full, Restrictions(scopes=())):
        column = column_of(each)
        assert read(column and json.loads(json.dumps(column))) == each
    assert column_of(Restrictions()) is None


@pytest.mark.django_db
def test_an_undefined_scope_is_logged_once_a_second(api_key, caplog):
    outages._last_lines.clear()
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            assert verify(f"Bearer {api_key.secret}", None, Asked("GET", ("orders:read",))).identity
    assert caplog.text.count("SCOPES does not define orders:read") == 1


@pytest.mark.django_db
def test_a_change_leaves_an_event_for_each_part_with_old_and_new_values(api_key, owner):
    after = Restrictions(read_only=True, networks=("192.0.2.1/32",), limits=Limits(Limit(1, Window.SECOND)))
    assert restrict_key(key=api_key, restrictions=after, by=owner, address="203.0.113.5")
    assert not restrict_key(key=api_key, restrictions=after, by=owner)
    assert restrict_key(key=api_key, restrictions=after._replace(networks=()), by=owner)
    found = [(event.kind, event.before, event.after) for event in api_key.events.order_by("id")][1:]
    assert found == [
        ("access_changed", "full access", "read only"),
        ("networks_changed", "any address", "192.0.2.1"),
        ("limits_changed", "no limits", "1 request a second"),
        ("networks_changed", "192.0.2.1", "any address"),
    ]


@pytest.mark.django_db
def test_a_change_of_one_key_leaves_the_others_as_they_were(api_key, project, owner):
    other = create_key(project=project, name="Other", by=owner)
    restrict_key(key=api_key, restrictions=READS, by=owner)
    assert verify(f"Bearer {other.secret}", None, WRITE).identity
    limit_project(project=project, limits=Limits(quota=Limit(2, Window.DAY)), by=None)
    assert in_words.limits(read_limits(project.limits)) == "2 requests a day"
