"""The forms of Django admin for what a key may do, and for the limits of a project."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from apikeys.bounds import in_words
from apikeys.bounds.restrictions import Limit, LimitKind, Limits, Restrictions, written
from apikeys.bounds.rules import read_limit, read_written
from apikeys.pages.bounds.bound_forms import AccessForm, initial_of, refuse_left_out


class LimitsForm(forms.Form):
    """`seen` is what the page showed, so that nobody undoes a change that they did not see. `chosen` is what was chosen
    in a valid form.
    """

    rate = forms.CharField(required=False, max_length=60, help_text="Such as 100/minute. Empty: no rate limit.")
    quota = forms.CharField(
        required=False,
        max_length=60,
        help_text="Such as 10000/month. Empty: no quota. It counts from when you set it.",
    )
    seen = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, posted: QueryDict | None, *, had: Restrictions) -> None:
        self.had, self.posted = had, posted or QueryDict()
        limits = {kind: limit and str(limit) for kind, limit in had.limits._asdict().items()}
        super().__init__(posted, initial={**initial_of(had), **limits, "seen": written(had)})

    def clean_seen(self) -> Restrictions:
        return read_written(self.cleaned_data["seen"])

    def clean(self) -> dict[str, Any]:
        refuse_left_out(self)
        self.chosen = self.chosen_with(Limits(*map(self._limit, LimitKind)))
        return self.cleaned_data

    def chosen_with(self, limits: Limits) -> Restrictions:
        return Restrictions(limits=limits)

    def _limit(self, kind: LimitKind) -> Limit | None:
        text = self.cleaned_data.get(kind)
        try:
            return read_limit(kind, text) if text else None
        except ValidationError as error:
            self.add_error(kind, error)
            return None

    def show_change(self, now: Restrictions) -> None:
        """Somebody changed it since the page was opened. What was typed stays; Save now means what is there now."""
        self.data = given = self.posted.copy()
        given["seen"] = written(now)
        self.add_error(
            None,
            f"Somebody changed this in the meantime to: {all_in_words(now)}. Nothing was changed. "
            "Check the form, then press Save again.",
        )


class RestrictionsForm(AccessForm, LimitsForm):
    field_order = ("access", "scopes", "networks", "rate", "quota")

    def __init__(self, posted: QueryDict | None, *, had: Restrictions) -> None:
        super().__init__(posted, had=had)
        self.offer_scopes()
        scopes: Any = self.fields["scopes"]
        scopes.choices = [(name, f"{name}: {words}") for name, words in scopes.choices]


def all_in_words(restrictions: Restrictions) -> str:
    parts = in_words.access(restrictions), in_words.networks(restrictions), in_words.limits(restrictions.limits)
    return "; ".join(parts)
