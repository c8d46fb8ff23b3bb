"""The forms that create and edit a key: its name, when it expires, and what it may do."""

from copy import copy
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from apikeys.bounds.restrictions import NO_LIMITS, Limits, Restrictions, Unreadable, gives_more, written
from apikeys.bounds.rules import read_written
from apikeys.keys.end_limits import is_one_choice
from apikeys.lifetimes.ends import NewEnd
from apikeys.models import ApiKey
from apikeys.pages.bounds.bound_forms import OF_BOUNDS, BoundsForm, initial_of
from apikeys.pages.lifetimes import seen
from apikeys.pages.lifetimes.end_forms import KEEP, OF_AN_END, EndForm
from common.names import NameField
from projects.forms import FormTokenField, SeenField

_NAME = {"placeholder": "Production server", "data-proposed": True, "autofocus": True}
_ORDER = ("name", *OF_AN_END, *OF_BOUNDS)


class KeyForm(EndForm, BoundsForm):
    field_order = _ORDER
    name = NameField(label="Name", widget=forms.TextInput(attrs=_NAME))

    def field_of(self, error: ValidationError) -> str:
        """The field beside which an error of a service is shown."""
        return self.bounds_field_of(error) or super().field_of(error)


class CreateKeyForm(KeyForm):
    id_prefix = "create-key"
    form_token = FormTokenField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer_scopes()

    @property
    def expires_at(self) -> datetime | None:
        return self.new_end and self.new_end.expires_at

    @property
    def is_options_open(self) -> bool:
        return self.is_open or self.is_bounds_open


class EditKeyForm(KeyForm):
    """The focus is on the end if an end is given, because Change expiry… chooses one, and on `focus` if it is a field.

    A form that does not say which restrictions its page showed leaves those that the key has.
    """

    id_prefix = "edit-key"
    seen = SeenField(40)
    seen_name = SeenField(200)
    seen_bounds = SeenField(20_000)

    def __init__(self, *args: Any, key: ApiKey, focus: str = "", initial: dict[str, Any], **kwargs: Any) -> None:
        try:
            self.had = key.bounds
        except Unreadable:
            self.is_unreadable = True
        super().__init__(*args, key=key, initial=initial_of(self.had) | initial, **kwargs)
        self.offer_scopes()
        self.fields["seen_name"].initial = key.name
        self.fields["seen"].initial = seen.written(key.expires_at)
        self.fields["seen_bounds"].initial = "" if self.is_unreadable else written(self.had)
        focus = "end" if "end" in initial else focus if focus in OF_BOUNDS else ""
        if focus:
            del self.fields["name"].widget.attrs["autofocus"]
            self.fields[focus].widget.attrs["autofocus"] = True

    # Whether a newer release has written something that this one does not know.
    is_unreadable = False

    @property
    def has_bounds(self) -> bool:
        return bool(self.data.get("seen_bounds")) and not self.is_unreadable

    def clean_seen(self) -> NewEnd | None:
        """The end that the person saw; None if the form does not say it."""
        text: str = self.cleaned_data["seen"]
        return NewEnd(seen.read(text)) if text else None

    def clean_seen_bounds(self) -> Restrictions | None:
        """The restrictions that the person saw; None if the form does not say it."""
        text: str = self.cleaned_data["seen_bounds"]
        return read_written(text) if text and not self.is_unreadable else None

    @property
    def new_name(self) -> str | None:
        """The name of a valid form; None if the person left the name that they saw."""
        name: str = self.cleaned_data["name"]
        return None if name == self.cleaned_data["seen_name"] else name

    @property
    def new_restrictions(self) -> Restrictions | None:
        """The restrictions of a valid form; None if the person left those that they saw."""
        saw: Restrictions | None = self.cleaned_data["seen_bounds"]
        return None if saw is None or saw == self.restrictions else self.restrictions

    @property
    def chose_unseen_bounds(self) -> bool:
        """Whether restrictions were chosen in a form that does not say which ones its page showed.

        They are not saved, because nobody can tell what was changed.
        """
        if not (self.is_bound and any(name in self.data for name in OF_BOUNDS)):
            return False
        self.full_clean()
        # A page that shows restrictions which a newer release has written has no fields for them.
        is_unseen = self.is_unreadable or not self.data.get("seen_bounds")
        return is_unseen and (self.is_unreadable or self.restrictions != self.had)

    @property
    def saw_limits(self) -> Limits:
        """The limits that the page of a valid form showed."""
        saw: Restrictions | None = self.cleaned_data["seen_bounds"]
        return saw.limits if saw else NO_LIMITS

    @property
    def gives_more(self) -> bool:
        """Whether the key may do something new once a valid form is saved."""
        return self.new_restrictions is not None and gives_more(self.cleaned_data["seen_bounds"], self.new_restrictions)

    @property
    def chose_from_another_end(self) -> bool:
        """Whether a new end was chosen by somebody who saw another end than the key has now.

        Then the choices of this form are not those that the person had.
        """
        given, choice = self.data.get("seen", ""), self.data.get("end", "")
        if not (self.is_bound and self.key and given) or choice in ("", KEEP):
            return False
        try:
            return seen.read(given) != self.key.expires_at
        except ValidationError:
            return False


def sent_again(form: EditKeyForm) -> EditKeyForm | None:
    """The form as the person saw it, if the end that they chose there is the one that the key has by now.

    They pressed Save twice, or somebody else chose the same. None if it is another end.
    """
    if form.key is None:
        return None
    was = copy(form.key)
    was.expires_at = seen.read(form.data["seen"])
    before = EditKeyForm(form.data, initial={}, key=was)
    if not before.is_valid() or before.new_end is None or form.key.is_expired:
        return None
    return before if is_one_choice(before.new_end.expires_at, form.key.expires_at) else None
