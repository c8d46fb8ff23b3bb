"""The name that other people see beside the address."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.models import User
from accounts.requests import PageRequest
from common.names import MAX_LENGTH, clean_persons_name


class ProfileForm(forms.Form):
    """The name may be empty. `clean_persons_name` decides about any other."""

    name = forms.CharField(
        required=False,
        strip=False,
        label="Name",
        help_text="Optional. Members of your projects see it beside your email.",
        widget=forms.TextInput(attrs={"maxlength": MAX_LENGTH, "autocomplete": "name"}),
    )

    def clean_name(self) -> str:
        typed: str = self.cleaned_data["name"]
        return clean_persons_name(typed)


def rename_account(*, user: User, name: str) -> bool:
    """Whether that changed anything. The name comes from `clean_persons_name`."""
    changed = User.objects.filter(pk=user.pk, deleted_at=None).exclude(name=name).update(name=name)
    user.name = name
    return bool(changed)


@require_http_methods(["GET", "HEAD", "POST"])
def edit_profile(request: PageRequest) -> HttpResponse:
    data = request.POST if request.method == "POST" else None
    form = ProfileForm(data, initial={"name": request.user.name}, auto_id="profile-%s")
    if form.is_valid():
        rename_account(user=request.user, name=form.cleaned_data["name"])
        messages.success(request, "Your name is saved." if form.cleaned_data["name"] else "Your name is removed.")
        return redirect("account_profile")
    return render(request, "account/profile.html", {"form": form}, status=422 if form.is_bound else 200)
