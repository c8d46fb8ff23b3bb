from django import forms

from apikeys.models import KeyState
from projects.forms import FormTokenField, ListForm, PageForm
from projects.names import NameField

STATE_CHOICES = [("", "All keys"), *((state.value, state.label) for state in KeyState)]


class CreateKeyForm(PageForm):
    id_prefix = "create-key"
    name = NameField(label="Name", widget=forms.TextInput(attrs={"placeholder": "Production server"}))
    form_token = FormTokenField()


class KeyListForm(ListForm):
    state = forms.ChoiceField(required=False, choices=STATE_CHOICES)
