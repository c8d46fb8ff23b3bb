"""How people write networks, and which addresses lie in them."""

import pytest
from django.core.exceptions import ValidationError

from apikeys.bounds.networks import MOST, allows, in_words, read

pytestmark = pytest.mark.nodb


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        (" 192.0.2.7 ", "192.0.2.7/32"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.0/255.255.255.0", "192.0.2.0/24"),
        ("2001:DB8:0::1", "2001:db8::1/128"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("::ffff:c000:207", "192.0.2.7/32"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("128.0.0.0/1", "128.0.0.0/1"),
    ],
)
def test_a_network_has_one_spelling(written, stored):
    assert read([written, written.upper()]) == (stored,)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("192.0.2.7/24", "Write 192.0.2.0/24, or the address alone."),
        ("2001:db8::1/32", "Write 2001:db8::/32, or the address alone."),
        ("::ffff:192.0.2.7/120", "Write 192.0.2.0/24, or the address alone."),
        ("0.0.0.0/0", "0.0.0.0/0 is every address. Leave the field empty to allow any address."),
        ("::/0", "is every address"),
        ("192.0.2.7/0", "is every address"),
        ("::ffff:0.0.0.0/96", "is every address"),
        ("fe80::1%eth0", "is no address and no network"),
        ("192.0.2.7:443", "is no address and no network"),
        ("[2001:db8::1]", "is no address and no network"),
        ("[2001:db8::1]:443", "is no address and no network"),
        ("192.0.2.7-192.0.2.9", "is no address and no network"),
        ("192.0.2", "is no address and no network"),
        ("192.0.2.*", "is no address and no network"),
        ("192.0.02.7", "is no address and no network"),
        ("192.0.2.0/33", "is no address and no network"),
        ("192.0.2.0/-1", "is no address and no network"),
        ("192.0.2.0/", "is no address and no network"),
        ("١٩٢.0.2.7", "is no address and no network"),
        ("5", "is no address and no network"),
        ("example.com", "Write 198.51.100.7 or 198.51.100.0/24."),
        ("9" * 5000, "is no address and no network"),
    ],
)
def test_what_is_no_network_is_refused_with_what_to_write(written, said):
    with pytest.raises(ValidationError) as error:
        read(["192.0.2.1", written])
    [message] = error.value.messages
    assert said in message
    assert len(message) < 250


@pytest.mark.parametrize(
    ("written", "version"),
    [
        (["0.0.0.0/1", "128.0.0.0/1"], 4),
        (["128.0.0.0/2", "192.0.2.7", "0.0.0.0/1", "192.0.0.0/2"], 4),
        (["::ffff:0.0.0.0/97", "::ffff:128.0.0.0/97"], 4),
        (["2001:db8::/32", "192.0.2.7", "::/1", "8000::/1"], 6),
    ],
)
def test_networks_that_are_every_address_together_are_refused(written, version):
    with pytest.raises(ValidationError, match=f"Together, these networks are every IPv{version} address"):
        read(written)
    assert len(read(written[:-1])) == len(written) - 1


def test_empty_lines_are_no_networks_and_a_key_has_at_most_fifty():
    assert read(["", "  ", "192.0.2.1", "192.0.2.1"]) == ("192.0.2.1/32",)
    numbers = [f"192.0.2.{number}" for number in range(MOST + 1)]
    assert len(read(numbers[:MOST])) == MOST
    with pytest.raises(ValidationError, match=r"Give at most 50 networks\. These are 51"):
        read(numbers)


@pytest.mark.parametrize(
    ("networks", "inside", "outside"),
    [
        (("192.0.2.0/24",), ["192.0.2.0", "192.0.2.255"], ["192.0.1.255", "192.0.3.0", "::ffff:c000:207", None]),
        (("192.0.2.7/32",), ["192.0.2.7"], ["192.0.2.6", "192.0.2.8"]),
        (("2001:db8::/32", "192.0.2.7/32"), ["2001:db8:ffff::1", "192.0.2.7"], ["2001:db7::", "2001:db9::", None]),
        (("::1/128",), ["::1"], ["127.0.0.1", "::2", None]),
    ],
)
def test_an_address_lies_in_a_network_or_not(networks, inside, outside):
    """An address that cannot be read is None, and lies in no network."""
    assert all(allows(networks, address) for address in inside)
    assert not any(allows(networks, address) for address in outside)


def test_a_network_of_one_address_is_shown_as_that_address():
    shown = {"192.0.2.7/32": "192.0.2.7", "192.0.2.0/24": "192.0.2.0/24", "::1/128": "::1"}
    assert {network: in_words(network) for network in shown} == shown
