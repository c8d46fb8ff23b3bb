from typing import Any

from django import forms

from apikeys.standing import ACTIVE, CREATOR_DEACTIVATED, DELETED, EXPIRED, PAUSED, REPORTED, Standing
from apikeys.usage.figures import Period
from projects.forms import ConfirmNameForm, ListForm

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
