"""T25 in the admin, whose pages are Django's: a value that cannot be an id is rejected and changes nothing."""

import pytest
from django.contrib import admin as django_admin
from django.contrib.contenttypes.models import ContentType
from django.urls import reverse

from tests.support.stored.tables import everything

pytestmark = pytest.mark.django_db

registry = django_admin.site._registry
NO_IDS = ["x", "\x00", "9" * 30, "-" * 3, "lk_7Hq2", "٣" * 20]
INLINE = {"name": "x", "memberships-TOTAL_FORMS": "1", "memberships-INITIAL_FORMS": "0", "memberships-0-role": "owner"}
# Pages and forms. "?" stands for the invalid id. Each of these cases once was a 500.
FORMS = {
    "a row selected": ("apikeys_apikey_changelist", {"action": "pause", "_selected_action": "?"}),
    "one to be deleted": ("projects_membership_changelist", {"action": "delete_selected", "_selected_action": "?"}),
    "a choice with search": ("projects_membership_add", {"project": "?", "user": "1", "role": "owner"}),
    "one in a row of a table": ("projects_project_change", {**INLINE, "memberships-0-user": "?"}),
    "a choice of many": ("auth_group_add", {"name": "Helpers", "permissions": "?"}),
}


@pytest.fixture
def site(admin, signed_in):
    client = signed_in(admin)
    client.raise_request_exception = False
    return client


@pytest.mark.parametrize("no_id", NO_IDS, ids=ascii)
@pytest.mark.parametrize("form", FORMS)
def test_an_invalid_id_is_refused_in_the_admin(form, no_id, site, project, api_key):
    """T25: an error beside the field of a form is fine, too."""
    page, fields = FORMS[form]
    before = everything()
    url = reverse(f"admin:{page}", args=[project.pk] if page.endswith("change") else [])
    answer = site.post(url, {name: value.replace("?", no_id) for name, value in fields.items()})
    assert answer.status_code in {200, 302, 400}
    assert everything() == before


def test_an_invalid_id_as_a_default_in_the_address_is_refused(site):
    """T25: the error is raised while the page is rendered, after its view has returned."""
    answer = site.get(reverse("admin:projects_membership_add"), {"project": "x"})
    assert answer.status_code == 400
    assert "<h1>This link doesn't work</h1>" in answer.content.decode()


def test_a_full_page_of_every_list_may_be_ticked(site, rf, admin):
    """With "Show all", a list shows more rows than on a page. Every row that is ticked is a field of the form."""
    request = rf.get("/")
    request.user = admin
    sent = 0
    for model, page in registry.items():
        for action in page.get_actions(request):
            ticked = range(10**9, 10**9 + max(page.list_per_page, page.list_max_show_all))
            form = {"action": action, "_selected_action": ticked, "select_across": "1", "index": "0"}
            # The page on which a deletion is confirmed sends the rows once more.
            for more in ({}, {"post": "yes"}):
                url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
                assert site.post(url, {**form, **more, "csrfmiddlewaretoken": "x"}).status_code in {200, 302}, url
                sent += 1
    assert sent >= 10


def test_the_admin_has_no_way_to_pages_outside_it(site):
    """No model has a page of its own. Some models' ids are times, about which Django's view raises an error."""
    kinds = ContentType.objects.get_for_models(*registry)
    assert {site.get(f"/admin/r/{kind.pk}/{pk}/").status_code for kind in kinds.values() for pk in ("1", "x")} == {404}


@pytest.mark.parametrize("query", ["recipient=x", "ciphertext__isnull=1", "_to_field=recipient"])
def test_a_refused_parameter_is_one_line_without_a_traceback(query, site, lines):
    assert site.get(f"{reverse('admin:outbox_email_changelist')}?{query}").status_code == 400
    written = lines.getvalue()
    assert len([line for line in written.splitlines() if "event='request_refused'" in line]) == 1
    assert "level='error'" not in written
    assert "Traceback" not in written


def test_too_many_fields_are_one_line_without_a_traceback(site, lines, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 5
    fields = {f"field{number}": "x" for number in range(6)}
    assert site.post(reverse("admin:outbox_email_changelist"), fields).status_code == 400
    assert "cause='TooManyFieldsSent'" in lines.getvalue()
    assert "Traceback" not in lines.getvalue()


def test_an_error_outside_the_admin_stays_an_error(client, project, api_key, owner, signed_in, settings):
    """Only errors of the admin's pages count as bad input."""
    settings.KEY_PEPPERS = "no ring"
    client = signed_in(owner)
    client.raise_request_exception = False
    assert client.post(reverse("apikeys:create", args=[project.public_id]), {"name": "x"}).status_code == 500
