"""The forms in which people choose when a pause ends."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone

from apikeys.keys.end_limits import check_instant, read_local
from apikeys.keys.pausing import EndOfPause
from apikeys.lifetimes.pauses import LENGTHS
from apikeys.models import ApiKey
from apikeys.pages.lifetimes import seen
from common.instants import in_words
from common.names import NoteField
from projects.forms import PageForm


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
        label="Date and time",
        required=False,
        max_length=40,
        help_text="In UTC.",
        widget=forms.TextInput(attrs={"type": "datetime-local"}),
    )
    # The difference from UTC at that time, such as "+01:00". ends.js fills it in.
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


class ChangeEndForm(EndOfPauseForm):
    """Says which pause the person saw, and which end it had."""

    seen = forms.CharField(required=False, max_length=60, widget=forms.HiddenInput(attrs={"autocomplete": "off"}))
    seen_end = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput(attrs={"autocomplete": "off"}))

    def __init__(self, *args: Any, key: ApiKey, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["seen"].initial = seen.written(key.paused_at)
        self.fields["seen_end"].initial = seen.written(key.resumes_at)

    def clean_seen_end(self) -> EndOfPause | None:
        """None if the form does not say it."""
        text: str = self.cleaned_data["seen_end"]
        return EndOfPause(seen.read(text)) if text else None


class PauseForForm(EndOfPauseForm):
    id_prefix = "pause-for"
    note = NoteField(
        label="Note (optional)",
        help_text="Why it is paused. Only members of this project see it.",
    )
