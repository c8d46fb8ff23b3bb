"""The forms in which people choose when a key expires."""

from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone

from apikeys.keys.end_limits import ABOUT_THE_END, check_end, in_days, read_local
from apikeys.lifetimes.ends import NewEnd
from apikeys.models import ApiKey
from apikeys.pages.lifetimes import seen
from common.instants import expires_on, in_words
from common.plurals import counted
from projects.forms import PageForm

_AT = {"type": "datetime-local", "data-end-at": True}
_DAYS = (7, 30, 90, 365)
_MORE_DAYS = (30, 90)
NEVER, KEEP, ON_A_DATE = seen.NEVER, "keep", "at"
WITHOUT_END = "Works until somebody pauses or deletes it"

# The fields that say when a key expires.
OF_AN_END = ("end", "end_at", "end_zone")

Choice = tuple[str, str]


def _day_choices() -> list[Choice]:
    """7, 30, 90 and 365 days, up to MAX_KEY_DAYS, which is a choice itself."""
    most = settings.MAX_KEY_DAYS
    days = [*(number for number in _DAYS if number < most), most] if most else _DAYS
    return [(str(number), f"In {counted(number, 'day')}") for number in days]


class EndForm(PageForm):
    """Takes `key`, the key whose end is chosen, or None for a new one.

    `new_end` is the chosen end of a valid form; None if the key keeps what it has. Without script a date is in UTC. A
    script writes the reader's own offset into `end_zone`.
    """

    end = forms.ChoiceField(
        required=False,
        label="Expires",
        widget=forms.Select(attrs={"data-end": True}),
        error_messages={"invalid_choice": "Choose one of these."},
    )
    end_at = forms.CharField(
        required=False, max_length=40, label="Date and time", help_text="In UTC.", widget=forms.TextInput(attrs=_AT)
    )
    end_zone = forms.CharField(
        required=False, widget=forms.HiddenInput(attrs={"data-end-zone": True, "autocomplete": "off"})
    )

    def __init__(self, *args: Any, key: ApiKey | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.key, self.new_end = key, None if key else NewEnd(None)
        choices = _choices_of(key) if key else _choices_of_a_new_key()
        self.fields["end"].choices = choices  # type: ignore[attr-defined]
        self.default = KEEP if KEEP in dict(choices) else choices[-2][0] if settings.MAX_KEY_DAYS else NEVER
        self.fields["end"].initial = self.default
        if key and key.expires_at:
            self.fields["end"].widget.attrs["data-end"] = key.expires_at.isoformat()

    def clean(self) -> None:
        super().clean()
        if self.cleaned_data.get("end") != ON_A_DATE:
            self.cleaned_data |= {"end_at": "", "end_zone": ""}
        try:
            self.new_end = self._chosen()
            if self.new_end:
                created_at = self.key.created_at if self.key else timezone.now()
                had_end = self.key is None or self.key.expires_at is not None
                check_end(self.new_end.expires_at, created_at=created_at, had_end=had_end)
        except ValidationError as error:
            self.add_error(self.field_of(error), error)

    def _chosen(self) -> NewEnd | None:
        if self.has_error("end") or self.has_error("end_at"):
            return None
        choice = self.cleaned_data["end"] or self.default
        if choice == KEEP:
            return None
        if choice == NEVER:
            return NewEnd(None)
        if choice == ON_A_DATE:
            return NewEnd(read_local(self.cleaned_data["end_at"], self.cleaned_data.get("end_zone", "unreadable")))
        since = self.key.expires_at if self.key and choice.startswith("+") else None
        return NewEnd(in_days(int(choice), since))

    def field_of(self, error: ValidationError) -> str:
        """The field beside which an error of a service is shown."""
        if getattr(error, "code", "") not in ABOUT_THE_END:
            return "name"
        return "end_at" if self.data.get("end") == ON_A_DATE else "end"

    @property
    def is_open(self) -> bool:
        """Whether a disclosure with the end is open: there is an error or a choice in it, or an end is needed."""
        chosen = self["end"].value() or self.default
        return bool(settings.MAX_KEY_DAYS or chosen != NEVER or self.errors.keys() & {"end", "end_at"})

    @property
    def words(self) -> str:
        """What the default means. ends.js says what another choice means, and the answer says it without script."""
        if (self["end"].value() or self.default) != self.default:
            return ""
        if self.key:
            if self.key.is_expired or self.default != KEEP:
                return ""
            return words_of_end(self.key.expires_at) + self.key.or_when_quiet
        return words_of_end(None if self.default == NEVER else in_days(int(self.default)))


def words_of_end(at: datetime | None) -> str:
    return expires_on(at, timezone.now()) if at else WITHOUT_END


def _choices_of_a_new_key() -> list[Choice]:
    never = [] if settings.MAX_KEY_DAYS else [(NEVER, "Never")]
    return [*never, *_day_choices(), (ON_A_DATE, "On a date…")]


def _choices_of(key: ApiKey) -> list[Choice]:
    end, date = key.expires_at, (ON_A_DATE, "On a date…")
    if end is None:
        kept = [] if settings.MAX_KEY_DAYS else [(KEEP, "Never")]
        return [*kept, *_day_choices(), date]
    kept = [(KEEP, f"Expired on {in_words(end)}" if key.is_expired else f"On {in_words(end)}{key.or_when_quiet}")]
    since = None if key.is_expired else end
    more = [
        (f"+{days}", f"In {days} days" if key.is_expired else f"{days} days later, on {in_words(in_days(days, since))}")
        for days in _MORE_DAYS
    ]
    return [*kept, *more, *([] if settings.MAX_KEY_DAYS else [(NEVER, "Never")]), date]
