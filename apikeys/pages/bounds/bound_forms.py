"""The fields in which people choose what a key may do. Create and Edit have the same fields."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.datastructures import MultiValueDict

from apikeys.bounds import networks as of_networks
from apikeys.bounds import rules, scopes
from apikeys.bounds.in_words import a_window
from apikeys.bounds.restrictions import (
    READ,
    UNRESTRICTED,
    WINDOWS_OF,
    Limit,
    LimitKind,
    Limits,
    Restrictions,
    Window,
)
from common.names import refuse_secret
from projects.forms import PageForm

FULL, CHOSEN = "full", "scopes"
# The most that a limit's field takes. More digits are no limit either.
_DIGITS = 40
CHOOSE = "Choose one of these."
# Room for a hundred scopes or networks, so that the answer can say how many are too many.
_LONGEST = 20_000

OF_BOUNDS = ("access", "scopes", "networks", "rate", "rate_window", "quota", "quota_window")
# A browser sends each of these, also if it is empty.
_ALWAYS_SENT = ("networks", "rate", "quota")
_LEFT_OUT = "The form came without this field. Nothing was changed. Reload the page and try again."
_FIELD_OF_CODE = {code: field for field, codes in rules.OF_FIELDS.items() for code in codes}


class ScopesField(forms.MultipleChoiceField):
    """The rules judge the scopes, because a scope that the key has may stay after the operator removed it."""

    widget = forms.CheckboxSelectMultiple
    default_error_messages = {"invalid_choice": CHOOSE}

    def validate(self, value: list[str]) -> None:
        pass


def _amount_field(label: str, help_text: str = "") -> forms.CharField:
    attributes = {"inputmode": "numeric", "autocomplete": "off", "placeholder": "No limit"}
    widget = forms.TextInput(attrs=attributes)
    return forms.CharField(required=False, max_length=_DIGITS, label=label, help_text=help_text, widget=widget)


def _window_field(kind: LimitKind, label: str, initial: Window) -> forms.ChoiceField:
    return forms.ChoiceField(
        required=False,
        label=label,
        choices=[(window.value, f"requests {a_window(window)}") for window in WINDOWS_OF[kind]],
        initial=initial.value,
        widget=forms.Select(attrs={"aria-label": label}),
        error_messages={"invalid_choice": CHOOSE},
    )


def refuse_left_out(form: forms.Form) -> None:
    """A field that is left out must not mean "no restriction", nor must no choice mean full access."""
    for name in _ALWAYS_SENT:
        if name in form.fields and name not in form.data:
            form.add_error(name, _LEFT_OUT)
    if "access" in form.fields and not form.data.get("access"):
        form.add_error("access", CHOOSE)


class AccessForm(forms.Form):
    """Access and addresses, on the pages and in the admin. `had` is what the key has now; nothing for a new key."""

    had = UNRESTRICTED

    access = forms.ChoiceField(
        required=False,
        label="Access",
        widget=forms.RadioSelect,
        initial=FULL,
        error_messages={"invalid_choice": CHOOSE},
    )
    scopes = ScopesField(required=False, label="Scopes")
    networks = forms.CharField(
        required=False,
        max_length=_LONGEST,
        label="Addresses",
        help_text="One IP address or network a line. Leave it empty to allow any address.",
        widget=forms.Textarea(
            attrs={"rows": 2, "class": "code", "spellcheck": "false", "placeholder": "198.51.100.7\n203.0.113.0/24"}
        ),
    )

    def offer_scopes(self) -> None:
        """Called by the constructor, once `had` is known. A scope that the key has is offered in any case."""
        found = {scope: scopes.described(scope) for scope in self.had.scopes or ()} | offered_scopes()
        access = [(FULL, "Full access"), (READ, "Read only: it can change nothing")]
        if found:
            access.append((CHOSEN, "Chosen scopes"))
        self.fields["access"].choices = access  # type: ignore[attr-defined]
        self.fields["scopes"].choices = list(found.items())  # type: ignore[attr-defined]

    # The rules repeat what they reject, and nobody may read a secret there.
    def clean_networks(self) -> str:
        refuse_secret(self.cleaned_data["networks"], "Write IP addresses and networks.")
        return str(self.cleaned_data["networks"])

    def clean_scopes(self) -> list[str]:
        refuse_secret(" ".join(self.cleaned_data["scopes"]), "Choose from the list.")
        return list(self.cleaned_data["scopes"])

    def chosen_with(self, limits: Limits) -> Restrictions:
        """What was chosen, with these limits. An error is beside its field."""
        access = self.cleaned_data.get("access") or FULL
        networks = self.judged(
            "networks", lambda: of_networks.read(of_networks.lines_of(self.cleaned_data.get("networks", "")))
        )
        chosen = tuple(sorted(set(self.cleaned_data.get("scopes", ())))) if access == CHOSEN else None
        found = Restrictions(access == READ, chosen, networks or (), limits)
        self.judged("access", lambda: rules.check_restrictions(found, had=self.had))
        return found

    def judged(self, field: str, judge: Any) -> Any:
        """What `judge` returns; None if it raises, and then the error is beside the field."""
        try:
            return None if self.has_error(field) else judge()
        except ValidationError as error:
            self.add_error(field, error)


class BoundsForm(AccessForm, PageForm):
    """`restrictions` is what was chosen in a valid form."""

    rate = _amount_field("Rate limit")
    rate_window = _window_field(LimitKind.RATE, "Rate limit: time", Window.MINUTE)
    quota = _amount_field("Quota", "It counts from when you set it, and begins again each day or month.")
    quota_window = _window_field(LimitKind.QUOTA, "Quota: time", Window.MONTH)

    def clean(self) -> None:
        super().clean()
        if self.has_bounds:
            refuse_left_out(self)
        rate, quota = (self.judged(kind.value, lambda kind=kind: self._limit(kind)) for kind in LimitKind)
        self.restrictions = self.chosen_with(Limits(rate, quota))

    @property
    def has_bounds(self) -> bool:
        """Whether the page that sent the form has these fields. An older one may not."""
        return any(name in self.data for name in OF_BOUNDS)

    def _limit(self, kind: LimitKind) -> Limit | None:
        number, window = self.cleaned_data.get(kind, ""), self.cleaned_data.get(f"{kind}_window")
        if not number or self.has_error(f"{kind}_window"):
            return None
        if not window:
            self.add_error(f"{kind}_window", CHOOSE)
            return None
        return rules.limit_of(kind, number, window)

    def bounds_field_of(self, error: ValidationError) -> str | None:
        """The field of these beside which an error of a service is shown, if it is about one of them."""
        field = _FIELD_OF_CODE.get(getattr(error, "code", ""))
        return "rate" if field == "limits" else field

    @property
    def is_bounds_open(self) -> bool:
        """Whether the fields are shown at once: there is an error or a choice in them, or one has the focus."""
        fields = [self[name] for name in OF_BOUNDS if not name.endswith("_window")]
        focused = any(field.field.widget.attrs.get("autofocus") for field in fields)
        return focused or any(field.errors or field.value() not in (None, "", [], FULL) for field in fields)


def offered_scopes() -> dict[str, str]:
    """The operator's scopes. The default ones are about the built-in files, and mean nothing where these are hidden."""
    defined = dict(scopes.vocabulary())
    return {} if defined == scopes.DEFAULT and not settings.BRAND.shows_files else defined


def initial_of(restrictions: Restrictions) -> dict[str, Any]:
    """The values of the fields for these restrictions."""
    access = READ if restrictions.read_only else FULL if restrictions.scopes is None else CHOSEN
    networks = "\n".join(map(of_networks.in_words, restrictions.networks))
    values = {"access": access, "scopes": list(restrictions.scopes or ()), "networks": networks}
    for kind, limit in restrictions.limits._asdict().items():
        values |= {kind: f"{limit.amount:,}", f"{kind}_window": limit.window.value} if limit else {kind: ""}
    return values


def typed_values(given: MultiValueDict[str, str]) -> list[tuple[str, str]]:
    """The values of the fields as they were sent, for a form that hands them on."""
    return [(name, value) for name in OF_BOUNDS for value in given.getlist(name)]
