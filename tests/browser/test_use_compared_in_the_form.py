"""P25: the form that edits a key suggests addresses, and says what they would have rejected, before it is saved."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from apikeys.models import ApiKey
from apikeys.usage import caller_bounds, counting
from tests.browser.places import button, key_page


def use(key):
    caller_bounds.begin_anew()
    for address in ("198.51.100.7", "198.51.100.7", "203.0.113.9"):
        counting.record(key.pk, "ok", timezone.now().timestamp(), address)
    counting.flush()


@pytest.mark.parametrize("java_script_enabled", [True, False], ids=["with script", "without script"])
def test_p25_suggested_compared_and_saved_by_enter(new_page, sign_in, owner, api_key, java_script_enabled):
    """P25"""
    use(api_key)
    page = new_page(java_script_enabled=java_script_enabled)
    sign_in(page, owner)
    page.goto(key_page(api_key, "key"))
    button(page, "Edit").click()
    form = page.get_by_role("dialog") if java_script_enabled else page.get_by_role("main")
    form.get_by_text("Options", exact=True).click()
    form.get_by_label("Name").fill("Bound")
    button(form, "Suggest from use").press("Enter")
    expect(form.get_by_text("These are the addresses of the last 30 days.")).to_be_visible()
    expect(form.get_by_label("Addresses")).to_have_value("198.51.100.7\n203.0.113.9")
    form.get_by_label("Addresses").fill("198.51.100.0/24")
    button(form, "Check against use").press("Enter")
    said = form.get_by_role("status").filter(has_text="Would have rejected")
    expect(said).to_contain_text("Would have rejected 1 of 3 requests of the last 30 days, from 1 of 2 addresses.")
    assert ApiKey.objects.get(pk=api_key.pk).restrictions is None
    form.get_by_label("Name").press("Enter")
    expect(page.get_by_role("heading", name="Bound")).to_be_visible()
    assert ApiKey.objects.get(pk=api_key.pk).bounds.networks == ("198.51.100.0/24",)
