import secrets
from typing import Any

from django import forms
from django.core.exceptions import BadRequest, ValidationError
from django.http import QueryDict
from django.utils.html import format_html

from common.names import MAX_LENGTH, NameField, has_hidden_characters
from common.whole_numbers import read_whole
from projects.models import Membership

MOST_PAGES = 1_000_000


def new_form_token() -> str:
    return secrets.token_urlsafe(16)


class FormTokenField(forms.RegexField):
    """Names one rendering of a form, so that submitting it twice creates one thing."""

    def __init__(self) -> None:
        super().__init__(
            r"\A[0-9A-Za-z_-]{16,64}\Z", initial=new_form_token, required=False, widget=forms.HiddenInput(), strip=False
        )


class PageForm(forms.Form):
    """A form that may share its page with others: the ids of its fields begin with its own name.

    An empty field is answered by our words beside it. The attribute `required` would have the browser say its own.
    """

    use_required_attribute = False
    id_prefix: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": f"{self.id_prefix}-%s", **kwargs})
        for field in self.fields.values():
            if field.required and isinstance(field.widget, forms.TextInput | forms.Textarea):
                field.widget.attrs["aria-required"] = "true"

    def add_error(self, field: str | None, error: Any) -> None:
        """The first wrong field has the focus."""
        super().add_error(field, error)
        wrong = [name for name, shown in self.fields.items() if self.has_error(name) and not shown.widget.is_hidden]
        if wrong:
            for name, shown in self.fields.items():
                shown.widget.attrs["autofocus"] = name == wrong[0]


class SeenField(forms.CharField):
    """What the page of a form showed, so that nobody undoes a change that they did not see. A form of an older page may
    not say it.
    """

    def __init__(self, longest: int) -> None:
        widget = forms.HiddenInput(attrs={"autocomplete": "off"})
        super().__init__(required=False, max_length=longest, widget=widget)


class ProjectForm(PageForm):
    id_prefix = "project"
    name = NameField(
        label="Project name", widget=forms.TextInput(attrs={"placeholder": "Acme Weather API", "autofocus": True})
    )
    form_token = FormTokenField()


class RenameProjectForm(PageForm):
    id_prefix = "rename"
    name = NameField(label="Project name")
    seen_name = SeenField(200)

    def show_change(self, name: str) -> None:
        """Somebody gave the project this name meanwhile. What was typed stays; Rename now means what is there now."""
        self.data = {"name": self.data.get("name", ""), "seen_name": name}
        self.add_error(
            "name",
            f"Somebody renamed the project to {name} in the meantime. Nothing was changed. "
            "Check it, then press Rename again.",
        )


class MailsForm(PageForm):
    """The kinds of emails that a member gets; the fields have the names that `MembershipQuerySet.mailed` uses."""

    id_prefix = "mail"
    created = forms.BooleanField(required=False, label="A key is created")
    deleted = forms.BooleanField(required=False, label="A key, or the project, is deleted")
    revealed = forms.BooleanField(required=False, label="A key is copied or revealed from a new address")
    reported = forms.BooleanField(required=False, label="A key is reported as leaked")
    ending = forms.BooleanField(required=False, label="A key is about to expire, or has expired")
    new_address = forms.BooleanField(required=False, label="A key is used from a new address")

    @classmethod
    def of(cls, membership: Membership | None, *, prefix: str | None = None) -> "MailsForm":
        """The form with the member's current choice. `prefix` tells its fields from those of other projects."""
        initial = {name: getattr(membership, f"mail_{name}", True) for name in cls.base_fields}
        return cls(initial=initial, prefix=prefix)

    def choice(self) -> dict[str, Any]:
        """For each kind, whether its box was checked."""
        self.full_clean()
        return self.cleaned_data


class ConfirmNameForm(PageForm):
    """Asks the person to type a name before something is deleted for good."""

    id_prefix = "confirm"
    confirmation = forms.CharField(
        required=False, max_length=200, widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )

    def __init__(self, *args: Any, name: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.name = name
        self.fields["confirmation"].label = format_html("Type <code>{}</code> to confirm", name)

    def clean_confirmation(self) -> str:
        typed: str = self.cleaned_data["confirmation"]
        if " ".join(typed.split()) != self.name:
            raise ValidationError(f"Type the name exactly: {self.name}")
        return typed


class PageNumberField(forms.IntegerField):
    """Takes the digits that links have, and nothing else that int() takes."""

    def to_python(self, value: Any) -> int | None:
        if value not in self.empty_values and read_whole(str(value), MOST_PAGES) is None:
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


class ListForm(forms.Form):
    """The part of an address that selects the rows of a list: `q` searches, `page` counts from 1."""

    q = forms.CharField(required=False, max_length=MAX_LENGTH)
    page = PageNumberField(required=False, min_value=1, max_value=MOST_PAGES)

    def clean_q(self) -> str:
        if has_hidden_characters(self.cleaned_data["q"]):
            raise ValidationError("Invisible characters cannot be searched for.")
        return str(self.cleaned_data["q"])


def list_choice(query: QueryDict, form_class: type[ListForm] = ListForm) -> dict[str, Any]:
    """The choice in an address's query. Raises BadRequest for a query that no link or form of ours makes."""
    form = form_class(query)
    if not form.is_valid():
        raise BadRequest(form.errors.as_text())
    return {**form.cleaned_data, "page": form.cleaned_data["page"] or 1}
