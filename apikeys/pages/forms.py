from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone

from apikeys.keys.end_limits import check_instant, read_local
from apikeys.lifetimes.pauses import LENGTHS
from apikeys.standing import ACTIVE, CREATOR_DEACTIVATED, DELETED, EXPIRED, PAUSED, REPORTED, Standing
from apikeys.usage.figures import Period
from common.instants import in_words
from common.names import NoteField
from projects.forms import ConfirmNameForm, ListForm, PageForm

# What the list of keys can be filtered by, each with its standings.
STANDINGS_OF: dict[str, tuple[Standing, ...]] = {
    "active": (ACTIVE,),
    "paused": (PAUSED, REPORTED),
    "expired": (EXPIRED,),
    "creator_deactivated": (CREATOR_DEACTIVATED,),
    "deleted": (DELETED,),
}
STATE_CHOICES = [("", "All but deleted"), *((code, of[0].label) for code, of in STANDINGS_OF.items())]
SORT_CHOICES = [("", "Newest first"), ("name", "By name"), ("used", "Last used first")]


class FocusedNameForm(ConfirmNameForm):
    """For a dialog, or a page, whose first field asks for the name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["confirmation"].widget.attrs["autofocus"] = True


class DeleteKeyForm(FocusedNameForm):
    id_prefix = "delete-key"


class EndOfPauseForm(PageForm):
    """When a pause ends: after a length of time, or at `until`."""

    id_prefix = "end-of-pause"
    UNTIL = "until"
    length = forms.ChoiceField(
        label="Length",
        choices=[*((code, words) for code, (_, words) in LENGTHS.items()), (UNTIL, "Until a date and time")],
        initial="5m",
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": "Choose one of these.", "required": "Choose one of these."},
    )
    until = forms.CharField(
        label="Until (UTC)",
        required=False,
        widget=forms.TextInput(attrs={"type": "datetime-local"}),
    )
    # The difference from UTC at that time, such as "+01:00". times.js fills it in.
    zone = forms.CharField(required=False, widget=forms.HiddenInput(attrs={"data-zone": True}))

    def clean(self) -> dict[str, Any]:
        """`ends_at` is the instant, and `words` say it."""
        data, now = self.cleaned_data, timezone.now()
        if data.get("length") in LENGTHS:
            length, words = LENGTHS[data["length"]]
            return data | {"ends_at": now + length, "words": f"for {words}"}
        if data.get("length") == self.UNTIL:
            try:
                ends_at = self._chosen(now)
            except forms.ValidationError as error:
                self.add_error(self.UNTIL, error)
            else:
                return data | {"ends_at": ends_at, "words": f"until {in_words(ends_at)}"}
        return data

    def _chosen(self, now: datetime) -> datetime:
        ends_at = read_local(self.cleaned_data.get("until", ""), self.cleaned_data.get("zone", ""))
        check_instant(ends_at, now)
        return ends_at


class PauseForForm(EndOfPauseForm):
    id_prefix = "pause-for"
    note = NoteField(
        label="Note (optional)",
        help_text="Why it is paused. Members of the project see it; programs never do.",
    )


class StopStoringForm(FocusedNameForm):
    """Asks for the project's name before its stored secrets are destroyed."""

    id_prefix = "stop-storing"


class KeyListForm(ListForm):
    state = forms.ChoiceField(required=False, choices=STATE_CHOICES)
    sort = forms.ChoiceField(required=False, choices=SORT_CHOICES)


class RangeForm(ListForm):
    """`range` is a Period; by default the first one."""

    range = forms.TypedChoiceField(
        required=False,
        choices=[(period.value, period.value) for period in Period],
        coerce=Period,
        empty_value=Period.DAY,
    )


class UsageForm(RangeForm):
    """`key` is a key's id, or "" for all keys."""

    key = forms.RegexField(r"\Akey_[0-9A-Za-z]{16}\Z", required=False, strip=False)
