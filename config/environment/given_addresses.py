"""Host names, origins, web addresses and email addresses in the environment.

What cannot work is refused before the server starts: every function raises ImproperlyConfigured that begins with the
variable's name.
"""

import re
from email.utils import getaddresses
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.http.request import split_domain_port, validate_host

from accounts.addresses import canonical_or_none
from config.environment.variables import PRODUCTION, given, listed, refusal

# One label of a host name (RFC 1123, 2.1). Django refuses every Host header with other characters.
_LABEL = re.compile(r"(?i)(?!-)[a-z0-9-]{1,63}(?<!-)")

_LONGEST_LINK = 1000
_SENDER = re.compile(r"[^<>]*<([^<>\s]+)>|([^<>\s\"]+)")


def host_names(name: str, default: list[str]) -> list[str]:
    """What ALLOWED_HOSTS may hold: names, addresses, and ".example.com" for a name with everything below it.

    Django compares each entry with the Host header and refuses none, so that an entry that never matches would make
    every page 400. "*" is judged where production is.
    """
    entries = listed(name)
    for entry in entries:
        if entry != "*" and not _is_host(entry.removeprefix(".")):
            raise refusal(name, f"{entry!r} is no host name.{_advice(entry)}")
    return entries or default


def _advice(entry: str) -> str:
    if entry.startswith("*."):
        return f" Write {entry[1:]!r} for all names below it."
    if not entry.isascii():
        return " Write it as browsers send it, with A-labels (xn--…)."
    if entry.count(":") > 1:
        return " Write an IPv6 address in brackets, as [::1]."
    return " Write the name alone: no quotes, spaces, scheme, port or path, no underscore, no dot at the end."


def _is_host(text: str) -> bool:
    """Whether `text` is a host name in A-labels, an IPv4 address, or an IPv6 address in brackets."""
    if text.startswith("[") and text.endswith("]"):
        return _is_address(text[1:-1], IPv6Address)
    if text.replace(".", "").isdecimal():
        return _is_address(text, IPv4Address)
    return len(text) <= 253 and all(_LABEL.fullmatch(label) for label in text.split("."))


def _is_address(text: str, kind: type[IPv4Address] | type[IPv6Address]) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


def origins(name: str) -> list[str]:
    """`https://host` or `https://host:port`; "https://*.example.com" is for everything below a name."""
    entries = listed(name)
    for entry in entries:
        scheme, _, rest = entry.partition("://")
        if scheme not in {"http", "https"} or not _is_host_and_port(rest.removeprefix("*.")):
            problem = f"{entry!r} is no origin. Write scheme and host, as https://keys.example.com, without a path."
            raise refusal(name, problem)
    return entries


def _is_host_and_port(text: str) -> bool:
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port
    except ValueError:
        return False
    has_port = text.endswith(f":{port}")
    host = text.removesuffix(f":{port}") if has_port else text
    return (port is None or (has_port and port > 0)) and _is_host(host)


def is_web_address(text: str, *schemes: str) -> bool:
    """Whether `text` is an absolute address. A host in other letters than ASCII is taken as a browser takes it."""
    try:
        parts = urlsplit(text)
        netloc = parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode()
    except ValueError:  # UnicodeError is one
        return False
    return parts.scheme in schemes and text.isprintable() and " " not in text and _is_host_and_port(netloc)


def web_address(name: str) -> str:
    """The http:// or https:// address in the variable `name`, or ""."""
    address = given(name)
    if address and (set(address) & set("?#@\"'") or not is_web_address(address, "http", "https")):
        raise refusal(name, "it is not an http:// or https:// address with a host.")
    return address.rstrip("/")


def link(name: str, *, or_email: bool = False) -> str:
    """The address of a page in the variable `name`, or "". A link to an email address is `mailto:keys@example.com`."""
    address = given(name)
    if or_email and address.startswith("mailto:") and _is_email(address.removeprefix("mailto:")):
        return address
    if address and (len(address) > _LONGEST_LINK or not is_web_address(address, "http", "https")):
        raise refusal(name, f"it is not an http:// or https:// address{' or mailto: with an email' * or_email}.")
    return address


def base_url(name: str) -> str:
    """Where people find this server, for links in emails: `name`, else what HOST and PORT or ALLOWED_HOSTS say."""
    if address := web_address(name):
        if urlsplit(address).path:
            raise refusal(name, "Latchkey runs at the root of a host name, not below a path.")
        if PRODUCTION:
            refuse_foreign_host(name, address, listed("ALLOWED_HOSTS"), listed("CSRF_TRUSTED_ORIGINS"))
        return address
    if PRODUCTION:
        return f"https://{(listed('ALLOWED_HOSTS') or [''])[0].lstrip('.')}"
    # By name, as `serve` prints it: browsers refuse passkeys at an IP address.
    here = {"", "127.0.0.1", "::1", "0.0.0.0", "::"}  # noqa: S104
    host = "localhost" if given("HOST") in here else given("HOST")
    return f"http://{f'[{host}]' if ':' in host else host}:{given('PORT') or '8000'}"


def refuse_foreign_host(name: str, address: str, hosts: list[str], trusted: list[str]) -> None:
    """Refuses an address under which Latchkey would answer 400, because ALLOWED_HOSTS lacks its host.

    A proxy that sends another `Host` still works if CSRF_TRUSTED_ORIGINS names the address. A browser turns a host in
    other letters than ASCII into A-labels, which nobody can compare here as every browser does.
    """
    # "https://*.example.com" stands for what ".example.com" does.
    origin_hosts = [split_domain_port(urlsplit(origin).netloc.removeprefix("*"))[0] for origin in trusted]
    netloc = urlsplit(address).netloc
    host, _ = split_domain_port(netloc)
    if netloc.isascii() and not validate_host(host, [*hosts, *origin_hosts]):
        raise refusal(name, f"ALLOWED_HOSTS lacks {host!r}, so that links in emails would be answered 400.")


def sender(name: str, default: str) -> str:
    """One email address that emails can come from, with or without a person's name before it."""
    text = given(name) or default
    shape = _SENDER.fullmatch(text)
    address = (shape[1] or shape[2]) if shape and text.isprintable() else ""
    # A comma that is not in quotes would begin a second address.
    is_one = [found for _, found in getaddresses([text])] == [address]
    if not is_one or not _is_email(address) or not address.rpartition("@")[0].isascii():
        raise refusal(name, f"{text!r} is no email address. Write keys@example.com or Latchkey <keys@example.com>.")
    return text


def contacts(name: str) -> list[str]:
    """The entries of `name` as RFC 9116 writes contacts: mailto:, https:// or tel: addresses."""
    found = []
    for entry in listed(name):
        is_email = _is_email(entry.removeprefix("mailto:"))
        if not (is_email or is_web_address(entry, "https") or re.fullmatch(r"tel:\+[0-9-]{4,30}", entry)):
            raise refusal(name, f"{entry!r} is no email address, https:// address or tel:+ number.")
        found.append(f"mailto:{entry}" if is_email and not entry.startswith("mailto:") else entry)
    return found


def mail_domains(name: str) -> list[str]:
    """The domains of `name` as accounts store them, with A-labels. Raises ImproperlyConfigured for anything else."""
    found = []
    for entry in listed(name):
        address = canonical_or_none(f"a@{entry}")
        if address is None or "@" in entry:
            problem = f"{entry!r} is no domain of email addresses. Write what follows the @, as example.com."
            raise refusal(name, problem)
        found.append(address.removeprefix("a@"))
    if given(name) and not found:
        raise refusal(name, "it names no domain. Leave it empty to allow all.")
    return list(dict.fromkeys(found))


def _is_email(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True
