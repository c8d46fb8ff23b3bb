from django import forms

from apikeys.standing import KeyState
from apikeys.usage.figures import Period
from common.names import NameField
from projects.forms import FormTokenField, ListForm, PageForm

STATE_CHOICES = [("", "All keys"), *((state.value, state.label) for state in KeyState)]


class CreateKeyForm(PageForm):
    id_prefix = "create-key"
    name = NameField(
        label="Name", widget=forms.TextInput(attrs={"placeholder": "Production server", "data-proposed": True})
    )
    form_token = FormTokenField()


class KeyListForm(ListForm):
    state = forms.ChoiceField(required=False, choices=STATE_CHOICES)


class UsageForm(ListForm):
    """`range` is a Period, the first one unless another is chosen; `key` a key's id, or "" for all keys."""

    range = forms.TypedChoiceField(
        required=False,
        choices=[(period.value, period.value) for period in Period],
        coerce=Period,
        empty_value=Period.DAY,
    )
    key = forms.RegexField(r"\Akey_[0-9A-Za-z]{16}\Z", required=False, strip=False)
