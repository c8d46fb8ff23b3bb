"""The forms of Django admin for what a key may do, and for the limits of a project."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from apikeys.bounds import in_words, networks
from apikeys.bounds.restrictions import READ, LimitKind, Limits, Restrictions, Unreadable, read_text, written
from apikeys.bounds.rules import check_restrictions, read_limit
from apikeys.bounds.scopes import vocabulary

FULL, CHOSEN = "full", "scopes"


_OURS = {"invalid_choice": "Choose one of these."}


class LimitsForm(forms.Form):
    """`seen` is what the page showed, so that nobody undoes a change that they did not see."""

    rate = forms.CharField(required=False, max_length=60, help_text="Such as 100/minute. Empty: no rate limit.")
    quota = forms.CharField(required=False, max_length=60, help_text="Such as 10000/month. Empty: no quota.")
    seen = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, posted: QueryDict | None, *, had: Restrictions) -> None:
        self.had, self.posted = had, posted or QueryDict()
        super().__init__(posted, initial=self._initial())

    def _initial(self) -> dict[str, Any]:
        limits = {kind: limit and str(limit) for kind, limit in self.had.limits._asdict().items()}
        return {**limits, "seen": written(self.had)}

    def clean_seen(self) -> Restrictions:
        try:
            return read_text(self.cleaned_data["seen"])
        except Unreadable as error:
            raise ValidationError("This form is out of date. Reload the page and try again.") from error

    def clean(self) -> dict[str, Any]:
        found = [self._limit(kind) for kind in LimitKind]
        self.chosen = Restrictions(limits=Limits(*found))
        return self.cleaned_data

    def _limit(self, kind: LimitKind) -> Any:
        text = self.cleaned_data.get(kind)
        try:
            return read_limit(kind, text) if text else None
        except ValidationError as error:
            self.add_error(kind, error)

    def show_change(self, now: Restrictions) -> None:
        """Somebody changed it since the page was opened. What was typed stays; Save now means what is there now."""
        self.data = given = self.posted.copy()
        given["seen"] = written(now)
        self.add_error(
            None,
            f"Somebody changed this in the meantime to: {all_in_words(now)}. Nothing was changed. "
            "Check the form, then press Save again.",
        )


class RestrictionsForm(LimitsForm):
    access = forms.ChoiceField(
        choices=[(FULL, "Full access"), (READ, "Read only: GET, HEAD and OPTIONS"), (CHOSEN, "Chosen scopes")],
        widget=forms.RadioSelect,
        error_messages=_OURS,
    )
    scopes = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple, error_messages=_OURS)
    networks = forms.CharField(
        required=False,
        max_length=20_000,
        label="Addresses",
        help_text="One address or network a line, such as 198.51.100.0/24. Empty: any address.",
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
    )
    field_order = ("access", "scopes", "networks", "rate", "quota")

    def __init__(self, posted: QueryDict | None, *, had: Restrictions) -> None:
        super().__init__(posted, had=had)
        gone = {scope: "no longer defined" for scope in had.scopes or () if scope not in vocabulary()}
        offered = {**vocabulary(), **gone}
        self.fields["scopes"].choices = [(name, f"{name}: {words}") for name, words in offered.items()]  # type: ignore[attr-defined]

    def _initial(self) -> dict[str, Any]:
        access = READ if self.had.read_only else FULL if self.had.scopes is None else CHOSEN
        lines = "\n".join(map(networks.in_words, self.had.networks))
        return {**super()._initial(), "access": access, "scopes": self.had.scopes or (), "networks": lines}

    def clean(self) -> dict[str, Any]:
        super().clean()
        access, limits = self.cleaned_data.get("access"), self.chosen.limits
        chosen = tuple(sorted(self.cleaned_data.get("scopes", ()))) if access == CHOSEN else None
        self.chosen = Restrictions(access == READ, chosen, (), limits)
        if not self.errors:
            self._judge("access", lambda: check_restrictions(self.chosen, had=self.had))
        self._judge("networks", self._read_networks)
        return self.cleaned_data

    def _read_networks(self) -> None:
        lines = networks.lines_of(self.cleaned_data.get("networks", ""))
        self.chosen = self.chosen._replace(networks=networks.read(lines))

    def _judge(self, field: str, judge: Any) -> None:
        try:
            judge()
        except ValidationError as error:
            self.add_error(field, error)


def all_in_words(restrictions: Restrictions) -> str:
    parts = in_words.access(restrictions), in_words.networks(restrictions), in_words.limits(restrictions.limits)
    return "; ".join(parts)
