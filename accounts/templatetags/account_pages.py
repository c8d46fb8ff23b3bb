import re
import time
from math import ceil
from typing import Any

from allauth.mfa import app_settings
from django import template
from django.conf import settings
from django.forms import BoundField, CheckboxInput, PasswordInput
from django.template import Context

from accounts import allauth_internals, ways
from accounts.invited import opened
from accounts.sign_up import sign_up_policy
from accounts.sign_up.sign_up_policy import SignUpPage
from common.plurals import counted

register = template.Library()

FORM_ERRORS = "form-errors"  # the id in account/form_errors.html

# The first that matches names it: most browsers also claim to be those further down.
BROWSERS = {
    "Edge": r"Edg(e|A|iOS)?/",
    "Opera": r"OPR/|Opera",
    "Samsung Internet": r"SamsungBrowser/",
    "Firefox": r"Firefox/|FxiOS/",
    "Chrome": r"Chrom(e|ium)/|CriOS/",
    "Safari": r"Version/.* Safari/",
    "curl": r"^curl/",
}
SYSTEMS = {
    "iPhone": r"iPhone",
    "iPad": r"iPad",
    "Android": r"Android",
    "Windows": r"Windows",
    "ChromeOS": r"CrOS",
    "macOS": r"Mac OS X|Macintosh",
    "Linux": r"Linux|X11",
}


@register.simple_tag
def sign_up_page() -> SignUpPage:
    """What the pages say about signing up."""
    return sign_up_policy.page()


@register.simple_tag(takes_context=True)
def comes_back_to_invitation(context: Context) -> bool:
    return opened.page_to_come_back_to(context.get("request")) is not None


@register.simple_tag(takes_context=True)
def time_for_code(context: Context) -> str:
    """How long the emailed code that a page waits for still works, in words: "15 minutes"."""
    request = context["request"]
    pending = allauth_internals.pending_code(request) or allauth_internals.pending_reset(request) or {}
    ends = pending.get("at", time.time()) + settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT
    return counted(max(1, ceil((ends - time.time()) / 60)), "minute")


@register.simple_tag(takes_context=True)
def address_that_waits(context: Context) -> str:
    """The new address whose code this session waits for; "" if it waits for none, or the time for it is over."""
    pending = allauth_internals.pending_code(context["request"]) or {}
    ends = pending.get("at", 0) + settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT
    return str(pending["email"]) if ends > time.time() else ""


@register.simple_tag(takes_context=True)
def ways_in(context: Context) -> dict[str, Any]:
    """`passwords`: whether this page may speak of passwords. `can_reset`: whether an email resets a forgotten one.
    `first_factor`: what a second factor comes after. `provider`: the name of single sign-on, or "".
    """
    user = context.get("user")
    return {
        "passwords": ways.has_passwords() if user is None else ways.keeps_password(user),
        "can_reset": ways.has_passwords(),
        "first_factor": ways.first_factor(user),
        "provider": settings.OIDC_NAME if ways.has_single_sign_on() else "",
    }


@register.filter
def codes_left(recovery_codes: Any) -> int:
    """How many of somebody's recovery codes are not used yet.

    allauth's own count decrypts them all. The page about second factors has to open without the key ring too.
    """
    if not recovery_codes:
        return 0
    data = recovery_codes.instance.data
    if data.get("migrated_codes") is not None:
        return len(data["migrated_codes"])
    return int(app_settings.RECOVERY_CODE_COUNT) - int(data["used_mask"]).bit_count()


@register.filter
def in_section(url_name: str, words: str) -> bool:
    """Whether a page belongs to a section of the account: its URL's name has one of the `words` in it."""
    return any(word in url_name for word in words.split())


@register.inclusion_tag("account/field.html")
def account_field(
    field: BoundField, label: str = "", hint: str = "", missing: str = "", **attrs: Any
) -> dict[str, Any]:
    """A field of one of allauth's forms in our words, without the placeholders that repeat their labels.

    `attrs` become attributes of the control: `inputmode="numeric"`, `autofocus=True`. Once something is wrong, the
    first wrong field has the focus instead. `missing` is what stands beside a field that was left empty. The browser
    must not say it first, in a bubble of its own, so the form has `novalidate`.
    """
    widget = field.field.widget
    widget.attrs.pop("placeholder", None)
    field.form.use_required_attribute = False
    label = label or str(field.label)
    if field.field.required:
        attrs["aria-required"] = "true"
    # On the bound field: Django joins its own copy to the control by aria-describedby.
    field.help_text = hint
    wrong = [other.auto_id for other in field.form.visible_fields() if _is_wrong(other)]
    if wrong:
        attrs["autofocus"] = field.auto_id == wrong[0]
    if _is_wrong(field) and not field.errors:
        hint_id = f"{field.auto_id}_helptext " if hint else ""
        attrs |= {"aria-invalid": "true", "aria-describedby": f"{hint_id}{FORM_ERRORS}"}
    return {
        "field": field,
        "control": field.as_widget(attrs=attrs),
        "label": label,
        "hint": hint,
        "errors": _errors(field, missing or f"Enter your {label[:1].lower()}{label[1:]}."),
        "is_checkbox": isinstance(widget, CheckboxInput),
    }


def _errors(field: BoundField, missing: str) -> list[str]:
    errors = field.errors.as_data()
    return [words for error in errors for words in ([missing] if error.code == "required" else error.messages)]


def _is_wrong(field: BoundField) -> bool:
    """An error of the whole form, such as a wrong email or password, is put right in its password, which is empty."""
    is_password = isinstance(field.field.widget, PasswordInput)
    return bool(field.errors or (is_password and field.form.non_field_errors()))


@register.inclusion_tag("account/field.html")
def code_field(field: BoundField, label: str = "", hint: str = "", **attrs: Any) -> dict[str, Any]:
    """The same for a code that somebody copies from an email or an app."""
    look = {"class": "one-time-code", "spellcheck": "false"}
    return account_field(field, label, hint, "Enter the code.", **look, **attrs)


@register.filter
def agent_in_words(user_agent: str) -> str:
    """`Firefox on Linux`, for a User-Agent header."""
    browser = _first(BROWSERS, user_agent)
    system = _first(SYSTEMS, user_agent)
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or "Unknown browser"


def _first(patterns: dict[str, str], text: str) -> str:
    return next((name for name, pattern in patterns.items() if re.search(pattern, text)), "")
