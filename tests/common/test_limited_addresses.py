"""T22: the address that a limit counts, behind proxies and with IPv6."""

from http import HTTPStatus

import pytest
from allauth.usersessions.models import UserSession

from common.client_address import address_of, network_of, site_of
from tests.support.people.accounts import LOGIN, PASSWORD

pytestmark = pytest.mark.django_db

TOO_MANY = HTTPStatus.TOO_MANY_REQUESTS


def log_in(client, email="ada@example.com", password=PASSWORD, address="192.0.2.1", **headers):
    return client.post(LOGIN, {"login": email, "password": password}, REMOTE_ADDR=address, headers=headers)


def test_without_trusted_proxies_a_forged_header_neither_escapes_nor_blames(client, person):
    """T22"""
    for number in range(10):
        log_in(client, f"p{number}@example.com", "wrong", **{"X-Forwarded-For": f"203.0.113.{number}"})
    assert log_in(client, "q@example.com", "wrong", **{"X-Forwarded-For": "203.0.113.77"}).status_code == TOO_MANY
    assert log_in(client, "q@example.com", "wrong", address="203.0.113.5").status_code == 200


def test_behind_one_proxy_its_own_entry_counts(client, person, settings):
    """T22"""
    settings.TRUSTED_PROXIES = 1
    for number in range(10):
        claimed = {"X-Forwarded-For": f"203.0.113.{number}, 198.51.100.1"}
        log_in(client, f"p{number}@example.com", "wrong", **claimed)
    assert log_in(client, "q@example.com", "wrong", **{"X-Forwarded-For": "9.9.9.9, 198.51.100.1"}).status_code == 429
    for other in ("198.51.100.2", "198.51.100.1, 203.0.113.1"):
        assert log_in(client, "q@example.com", "wrong", **{"X-Forwarded-For": other}).status_code == 200


def test_no_other_header_says_where_a_request_came_from(client, person, settings):
    """T22, T44"""
    settings.TRUSTED_PROXIES = 1
    names = ("Forwarded", "X-Real-IP", "X-Client-IP", "True-Client-IP", "X-Forwarded-Host", "X-Forwarded")
    for number in range(10):
        claimed = dict.fromkeys(names, f"203.0.113.{number}")
        log_in(client, f"p{number}@example.com", "wrong", **{"X-Forwarded-For": "198.51.100.1", **claimed})
    assert log_in(client, "q@example.com", "wrong", **{"X-Forwarded-For": "198.51.100.1"}).status_code == TOO_MANY
    assert log_in(client, "q@example.com", "wrong", **{"X-Forwarded-For": "203.0.113.1"}).status_code == 200


def test_a_whole_ipv6_network_is_one_address_but_a_session_shows_its_own(client, person):
    """T22"""
    for number in range(10):
        log_in(client, f"p{number}@example.com", "wrong", address=f"2001:db8:1:2:{number}::1")
    assert log_in(client, "q@example.com", "wrong", address="2001:db8:1:2:ffff::").status_code == TOO_MANY
    log_in(client, address="2001:db8:1:3::7")
    assert UserSession.objects.get().ip == "2001:db8:1:3::7"


@pytest.mark.nodb
@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("::1", "::"),
        (None, ""),
    ],
)
def test_networks(address, network):
    assert network_of(address) == network


@pytest.mark.nodb
@pytest.mark.parametrize(
    ("address", "site"),
    [("192.0.2.1", "192.0.2.1"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"), ("::1", "::"), (None, "")],
)
def test_sites(address, site):
    assert site_of(address) == site


@pytest.mark.nodb
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("192.0.2.1:5678", "192.0.2.1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[fe80::1%eth0]:443", "fe80::1"),
        ("[::ffff:192.0.2.1]:5678", "192.0.2.1"),
        ("2001:db8::1:443", "2001:db8::1:443"),
        ("unknown", None),
        ("unknown:5678", None),
        ("[192.0.2.1", "192.0.2.1"),
        ("[]", None),
        ("[", None),
        (":", None),
        ("", None),
    ],
)
def test_ports_and_brackets_that_a_proxy_writes_are_left_out(settings, written, meant):
    """T22: clients whose addresses cannot be parsed would share one limit."""
    settings.TRUSTED_PROXIES = 1
    assert address_of({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": f"203.0.113.1, {written}"}) == meant


def test_clients_of_a_proxy_that_writes_ports_are_told_apart(client, settings):
    """T22"""
    settings.TRUSTED_PROXIES = 1
    for number in range(10):
        log_in(client, f"p{number}@example.com", "wrong", **{"X-Forwarded-For": f"198.51.100.1:{5000 + number}"})
    for held_up, free in (("198.51.100.1:80", "198.51.100.2:80"), ("198.51.100.1", "[2001:db8::1]:80")):
        assert log_in(client, "q@example.com", "wrong", **{"X-Forwarded-For": held_up}).status_code == TOO_MANY
        assert log_in(client, "q@example.com", "wrong", **{"X-Forwarded-For": free}).status_code == 200


def test_ipv4_clients_of_a_socket_for_both_are_told_apart(client):
    """T22: all IPv4 clients of such a socket lie in ::/64."""
    for number in range(10):
        log_in(client, f"p{number}@example.com", "wrong", address="::ffff:192.0.2.1")
    assert log_in(client, "q@example.com", "wrong", address="192.0.2.1").status_code == TOO_MANY
    assert log_in(client, "q@example.com", "wrong", address="::ffff:192.0.2.2").status_code == 200
