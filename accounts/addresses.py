"""When two email addresses are the same: one canonical form, which everything stores, compares and looks up exactly.

Databases and Python fold letters in different ways: ſ (U+017F) is an S to PostgreSQL's UPPER() and to Python's
casefold(), but not to lower() or SQLite. A canonical form is ASCII in small letters, about which all of them agree.
"""

import ipaddress
import re
import unicodedata

import idna
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from common.names import refuse_secret

MAX_LENGTH = 254  # of the columns, and of an address in SMTP (RFC 5321, 4.5.3.1.3)

# Our own domains, which no person can have: deleted accounts get an address of the first, and accounts whose addresses
# are swapped (address_clashes.py) have one of the second in the meantime. Nobody may take such an address in advance.
DELETED, MOVING = RESERVED = ("deleted.invalid", "moving.invalid")

_PLAIN = re.compile(r"[-!#$%&'*+/=?^_`{|}~0-9a-z]+(\.[-!#$%&'*+/=?^_`{|}~0-9a-z]+)*")


def canonical(address: str) -> str:
    """The canonical form: the local part in small letters, the domain as A-labels (RFC 5890).

    Raises ValidationError, in words for the person who typed it, for an address that has no such form.
    """
    refuse_secret(address, "Enter an email address.")
    local, at, domain = address.rpartition("@")
    if not at or len(address) > MAX_LENGTH:
        raise ValidationError("Enter a valid email address.", code="invalid")
    domain = _canonical_domain(domain)
    if domain in RESERVED:
        raise ValidationError(f"Addresses of {domain} are reserved. Use another one.", code="reserved")
    form = f"{_canonical_local_part(local)}@{domain}"
    if len(form) > MAX_LENGTH:
        raise ValidationError(f"This address is longer than {MAX_LENGTH} characters.", code="max_length")
    validate_email(form)
    return form


def validate(address: str) -> None:
    """For the model's field. Raises ValidationError as `canonical` does.

    It stays silent where the field's own validator already says "Enter a valid email address.".
    """
    try:
        canonical(address)
    except ValidationError as error:
        if error.code != "invalid":
            raise
        try:
            validate_email(address)
        except ValidationError:
            return
        raise


def canonical_or_none(address: str) -> str | None:
    try:
        return canonical(address)
    except ValidationError:
        return None


def spellings(address: str) -> list[str]:
    """Every form in which an account may have the address, the canonical one first.

    New accounts have the canonical form. The other forms are for accounts that the previous release wrote: as typed,
    and with the domain in its own script. An address without a canonical form is looked up as typed.
    """
    typed = address.lower()
    form = canonical_or_none(address)
    forms = [typed] if form is None else [form, typed, _in_own_script(form)]
    return [form for form in dict.fromkeys(forms) if _can_be_looked_up(form)]


def look_of(address: str) -> str:
    """A form that is equal for addresses which look alike. Such addresses are easily mistaken for each other, but are
    not the same.
    """
    local, _, domain = unicodedata.normalize("NFKC", address).rpartition("@")
    try:
        domain = _canonical_domain(domain)
    except ValidationError:
        domain = domain.casefold()
    return f"{local.casefold()}@{domain}"


def _canonical_local_part(local: str) -> str:
    lowered = local.lower()
    if not lowered.isascii() or unicodedata.normalize("NFKC", local).casefold() != lowered:
        raise ValidationError(
            "The part before the @ has a letter that is easily taken for another one. Type it with the letters a to z.",
            code="lookalike",
        )
    if not _PLAIN.fullmatch(lowered):  # a quoted part would be a second spelling of the plain one
        raise ValidationError("Enter a valid email address.", code="invalid")
    return lowered


def _canonical_domain(domain: str) -> str:
    if domain.startswith("[") and domain.endswith("]"):
        return _canonical_literal(domain)
    try:
        # UTS 46 maps capitals, full-width letters and other dots. The rules of IDNA 2008 then apply only to labels that
        # need them, because they would reject existing plain labels, such as r3---sn.
        labels = idna.uts46_remap(domain, std3_rules=True).split(".")
        return ".".join(_a_label(label) for label in labels)
    except idna.IDNAError as error:
        raise ValidationError("The part after the @ is not a domain name.", code="invalid") from error


def _a_label(label: str) -> str:
    if label.isascii() and not label.startswith("xn--"):
        return label
    return idna.alabel(idna.ulabel(label)).decode("ascii")


def _canonical_literal(domain: str) -> str:
    try:
        return f"[{ipaddress.ip_address(domain[1:-1])}]"
    except ValueError as error:
        raise ValidationError("The part after the @ is not an IP address.", code="invalid") from error


def _can_be_looked_up(text: str) -> bool:
    """Databases raise errors of their own for NUL and for lone surrogates."""
    return not any(char == "\0" or "\ud800" <= char <= "\udfff" for char in text)


def _in_own_script(form: str) -> str:
    local, _, domain = form.rpartition("@")
    return f"{local}@{'.'.join(idna.ulabel(x) if x.startswith('xn--') else x for x in domain.split('.'))}"
