"""Try it: what the check would say to a request. It needs no secret, and everybody who sees the key may try."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from accounts.requests import PageRequest
from apikeys.bounds import networks
from apikeys.bounds.asked import Asked
from apikeys.bounds.scopes import vocabulary
from apikeys.dry_run.trial import limits_in_words, try_request
from apikeys.pages.answers import find_key
from common.client_address import client_address
from common.names import refuse_secret
from projects.access import get_project, rights
from projects.forms import PageForm
from projects.permissions import Permission

NO_METHOD = "none"
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
_CHOOSE = {"invalid_choice": "Choose one of these."}
# An IPv4 address inside an IPv6 one has 45 characters.
_LONGEST = 100


class TryForm(PageForm):
    """A request to try. An empty address is the person's own."""

    id_prefix = "try"
    method = forms.ChoiceField(
        label="Method",
        choices=[*((method, method) for method in METHODS), (NO_METHOD, "Not passed on by the gateway")],
        error_messages=_CHOOSE,
    )
    scope = forms.MultipleChoiceField(
        required=False,
        label="Scopes that the request needs",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": "Choose scopes of the list."},
    )
    address = forms.CharField(
        required=False,
        max_length=_LONGEST,
        label="From the address",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "inputmode": "url"}),
    )

    def __init__(self, *args: Any, own: str | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.own = own
        self.fields["scope"].choices = list(vocabulary().items())  # type: ignore[attr-defined]
        self.fields["address"].initial = own

    def clean_address(self) -> str | None:
        text: str = self.cleaned_data["address"]
        refuse_secret(text, "Enter the address of the program that uses it.")
        if not text:
            return self.own
        try:
            [network] = networks.read([text])
        except ValidationError:
            raise ValidationError("This is no IP address. Write one such as 198.51.100.7 or 2001:db8::7.") from None
        address = networks.in_words(network)
        if "/" in address:
            raise ValidationError("This is a network. Write one address of it.")
        return address

    @property
    def asked(self) -> Asked:
        """What a valid form asks."""
        method, scopes = self.cleaned_data["method"], self.cleaned_data["scope"]
        return Asked(None if method == NO_METHOD else method, tuple(scopes))


@require_safe
def try_it(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    """The form, and the verdict if a request is given: in the dialog for htmx, otherwise as a page."""
    project = get_project(request.user, project_id, can=Permission.VIEW_PROJECT)
    key = find_key(project, key_id)
    given = request.GET if "method" in request.GET else None
    form = TryForm(given, own=client_address(request))
    context = rights(project) | {"key": key, "form": form}
    if form.is_valid():
        address = form.cleaned_data["address"]
        key.project = project
        context |= {
            "tried": try_request(key, form.asked, address),
            "address": address,
            "limits": limits_in_words(key),
        }
    template = "apikeys/try_form.html" if request.htmx else "apikeys/try.html"
    response = render(request, template, context, status=422 if form.errors else 200)
    patch_vary_headers(response, ["HX-Request"])
    return response
