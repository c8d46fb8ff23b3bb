"""The form that invites people: one or several addresses, and a role."""

import re
from typing import Any

from django import forms

from projects.forms import PageForm
from projects.permissions import INVITED_ROLE, Role

_BETWEEN = re.compile(r"[\s,;]+")


class AddressesField(forms.CharField):
    """Addresses with commas, semicolons, spaces or lines between them. The service decides about each."""

    def clean(self, value: Any) -> list[str]:
        return [one for one in _BETWEEN.split(str(super().clean(value))) if one]


class InviteForm(PageForm):
    id_prefix = "invite"
    emails = AddressesField(
        label="Email addresses",
        help_text="One or several, with commas or lines between them.",
        error_messages={"required": "Enter an email address."},
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false", "inputmode": "email"}),
    )
    role = forms.TypedChoiceField(
        label="Role",
        choices=Role.choices,
        coerce=Role,
        initial=INVITED_ROLE,
        error_messages={"required": "Choose a role.", "invalid_choice": "There is no such role. Choose one."},
        widget=forms.Select(attrs={"autocomplete": "off"}),
    )
