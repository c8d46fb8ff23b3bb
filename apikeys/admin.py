"""Keys in Django admin: staff look at them, pause and re-enable them, and say what they may do."""

import re
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from accounts.admin import ViewOnlyAdmin
from accounts.sign_in.recent_authentication import ask_who_it_is
from apikeys import audit_kinds, bounds_admin
from apikeys.hand_over.ended_offers import end_offers
from apikeys.hand_over.models import KeyOffer
from apikeys.keys.key_errors import KeyGone
from apikeys.keys.pausing import pause_key, resume_key
from apikeys.lifetimes.pauses import why_unchanged
from apikeys.models import LIVING, STANDING_ORDER, ApiKey
from apikeys.standing import KeyState
from apikeys.usage.models import UnmatchedUse
from common.client_address import client_address
from common.plurals import counted
from projects.audit_log.models import AuditEvent
from projects.audit_log.owner_emails import FOUND_AT

# Filters on these columns would reveal, guess by guess, values that the pages hide.
_HIDDEN = ("digest", "ciphertext", "pepper_id", "ring_key_id", "form_token")
# Their ids stand in an address, which servers and proxies cut off at some length.
_REPORTED_AT_ONCE = 50

_KEY_ID, _PROJECT_ID = re.compile(r"key_[0-9A-Za-z]{16}"), re.compile(r"prj_[0-9A-Za-z]{16}")
MOST_COUNTED = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # not subscriptable at runtime
    """Counts no further than a person pages, because there may be any number of deleted keys."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:MOST_COUNTED].count())


class StateFilter(admin.SimpleListFilter):
    """Living keys unless another state is chosen: an index finds them among any number of deleted keys."""

    title = parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state.value, state.label) for state in KeyState]

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        return [{**first, "display": "Living"}, *others]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        if self.value():
            return queryset.filter(state=self.value())
        # A key that is named is found in any state: by its id, or by its selection on an older page.
        is_named = request.method == "POST" and request.POST.get("select_across") != "1"
        if is_named or _KEY_ID.fullmatch(request.GET.get("q", "").strip()):
            return queryset
        return queryset.filter(state__in=LIVING)


@admin.register(ApiKey)
class ApiKeyAdmin(ViewOnlyAdmin):
    """Never shows secret, digest or ciphertext: `fields` names what is shown, so that a new column stays hidden."""

    fields = (
        "name",
        "public_id",
        "project",
        "responsible",
        "creator",
        "state",
        "pause_reason",
        "expires_at",
        "end_reason",
        "last_report",
        "found_at",
        "may",
        "mask",
        "created_at",
        "paused_at",
        "resumes_at",
        "pause_note",
        "deleted_at",
        "last_used_at",
        "last_used_address",
    )
    list_display = (
        "name",
        "public_id",
        "project",
        "standing",
        "expires_at",
        "mask",
        "responsible",
        "created_at",
        "last_used_at",
    )
    list_filter = (StateFilter, "pause_reason", ("creator", admin.EmptyFieldListFilter), "created_at", "last_used_at")
    list_select_related = ("project", "responsible")
    # A key that was never handed over has no `creator`: its creator is responsible for it.
    search_fields = (
        *("name", "public_id", "project__name", "project__public_id"),
        *("responsible__email", "creator__email"),
    )
    paginator = BoundedPaginator
    show_facets = admin.ShowFacets.NEVER
    actions = ("pause", "re_enable")

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> ApiKey | None:
        """The key with its last report."""
        key: ApiKey | None = super().get_object(request, object_id, from_field)
        return key and _with_last_report(ApiKey.objects.filter(pk=key.pk)).first()

    @admin.display(description="State", ordering=STANDING_ORDER)
    def standing(self, key: ApiKey) -> str:
        """The label of the badge that the project's pages show."""
        return key.standing.label

    @admin.display(description="Last report")
    def last_report(self, key: Any) -> str:
        if not key.reported_at:
            return str(self.get_empty_value_display())
        return f"{key.reported_at:%-d %B %Y, %H:%M} UTC{f' from {key.reported_from}' if key.reported_from else ''}"

    @admin.display(description="May do")
    def may(self, key: ApiKey) -> SafeString:
        return bounds_admin.restrictions_shown(key)

    @admin.display(description=FOUND_AT)
    def found_at(self, key: Any) -> str:
        return str(key.found_at or self.get_empty_value_display())

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return not lookup.startswith(_HIDDEN) and super().lookup_allowed(lookup, value, request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ApiKey], search_term: str
    ) -> tuple[QuerySet[ApiKey], bool]:
        """Whole ids are looked up in their indexes."""
        term = search_term.strip()
        if _KEY_ID.fullmatch(term) or _PROJECT_ID.fullmatch(term):
            return queryset.filter(Q(public_id=term) if term.startswith("key_") else Q(project__public_id=term)), False
        return super().get_search_results(request, queryset, search_term)

    def has_switch_permission(self, request: HttpRequest) -> bool:
        """Django's "change" permission means Pause, Re-enable and what a key may do: nothing else can be changed."""
        return request.user.has_perm("apikeys.change_apikey")

    @admin.action(description="Pause", permissions=["switch"])
    def pause(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        self._switch(request, queryset, pause_key, "paused")

    @admin.action(description="Re-enable", permissions=["switch"])
    def re_enable(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse | None:
        """Reported keys are first shown with their reports."""
        keys = list(queryset)
        reported = [key.public_id for key in keys if key.is_reported]
        self._switch(request, [key for key in keys if not key.is_reported], resume_key, "re-enabled")
        if not reported:
            return None
        if len(reported) > _REPORTED_AT_ONCE:
            self.message_user(
                request,
                f"Select at most {_REPORTED_AT_ONCE} reported keys. No reported key was changed.",
                messages.WARNING,
            )
            return None
        return redirect(reverse("admin:apikeys_apikey_re_enable_reported", query={"key": reported}))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.re_enable_reported)
        restrict = self.admin_site.admin_view(partial(bounds_admin.restrict_view, self))
        return [
            path("re-enable-reported/", view, name="apikeys_apikey_re_enable_reported"),
            path("<int:pk>/restrict/", restrict, name="apikeys_apikey_restrict"),
            *super().get_urls(),
        ]

    def re_enable_reported(self, request: HttpRequest) -> HttpResponse:
        """Shows the reports of the keys in the address. A POST re-enables the keys whose reports its form showed."""
        if not self.has_switch_permission(request):
            raise PermissionDenied
        if question := ask_who_it_is(request, back_to=request.get_full_path()):  # type: ignore[arg-type]
            return question
        wanted = request.POST.getlist("seen") if request.method == "POST" else request.GET.getlist("key")
        keys = [key for key in _with_reports(wanted[:_REPORTED_AT_ONCE]) if key.is_reported]
        if request.method == "POST":
            change = partial(resume_key, although_reported=True)
            self._switch(request, keys, change, "re-enabled. All owners get an email")
        elif keys:
            context = {**self.admin_site.each_context(request), "opts": self.opts, "keys": keys}
            context["title"] = "Re-enable keys that were reported as leaked?"
            return render(request, "admin/apikeys/apikey/re_enable_reported.html", context)
        if not keys:
            self.message_user(
                request, "None of these keys is reported as leaked now. Nothing was changed.", messages.INFO
            )
        return HttpResponseRedirect(reverse("admin:apikeys_apikey_changelist"))

    def _switch(self, request: HttpRequest, keys: Iterable[ApiKey], change: Callable[..., bool], done: str) -> None:
        changed = 0
        for key in keys:
            try:
                if change(key=key, by=request.user, address=client_address(request), needs_right=False):
                    changed += 1
                elif key.is_reported:
                    self.message_user(request, f"{key} was reported as leaked and stays paused.", messages.WARNING)
                else:
                    self.message_user(request, why_unchanged(key), messages.INFO)
            except KeyGone:
                self.message_user(request, f"{key} was deleted for good. Nothing was changed.", messages.WARNING)
        if changed:
            noun = "key was" if changed == 1 else "keys were"
            self.message_user(request, f"{changed} API {noun} {done}.", messages.SUCCESS)


def _with_reports(key_ids: list[str]) -> QuerySet[ApiKey]:
    return _with_last_report(ApiKey.objects.filter(public_id__in=key_ids).select_related("project"))


def _with_last_report(keys: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
    """The keys, each with `reported_at`, `reported_from` and `found_at` of its last report, if there is one."""
    reports = AuditEvent.objects.filter(key=OuterRef("pk"), kind=audit_kinds.REPORTED.code).order_by("-at", "-id")
    return keys.annotate(
        reported_at=Subquery(reports.values("at")[:1]),
        reported_from=Subquery(reports.values("address")[:1]),
        found_at=Subquery(reports.values("source")[:1]),
    )


@admin.register(KeyOffer)
class KeyOfferAdmin(ViewOnlyAdmin):
    """Keys that owners offer to members, until the members answer."""

    fields = ("key", "to", "by", "offered_at")
    list_display = ("key", "to", "by", "offered_at")
    list_select_related = ("key", "to", "by")
    search_fields = ("key__name", "key__public_id", "key__project__public_id", "to__email", "by__email")
    date_hierarchy = "offered_at"
    actions = ("withdraw",)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        hidden = tuple(f"key__{column}" for column in _HIDDEN)
        return not lookup.startswith(hidden) and super().lookup_allowed(lookup, value, request)

    def has_withdraw_permission(self, request: HttpRequest) -> bool:
        """Django's "change" permission means Withdraw here, because nothing else can be changed."""
        return request.user.has_perm("apikeys.change_keyoffer")

    @admin.action(description="Withdraw", permissions=["withdraw"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[KeyOffer]) -> None:
        pks = list(queryset.values_list("pk", flat=True))
        number = end_offers(Q(pk__in=pks), by=request.user, address=client_address(request))  # type: ignore[arg-type]
        self.message_user(request, f"{counted(number, 'offer')} withdrawn.", messages.SUCCESS)


@admin.register(UnmatchedUse)
class UnmatchedUseAdmin(ViewOnlyAdmin):
    """Many requests in an hour mean that somebody is guessing, or that a program holds a key of another server."""

    fields = ("starts_at", "calls")
    list_display = ("starts_at", "calls")
    date_hierarchy = "starts_at"
