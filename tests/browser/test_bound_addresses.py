"""P25: a key that is bound to addresses, an address that it rejects, and Try it, also for P23 and P24."""

import pytest
from playwright.sync_api import expect

from apikeys.bounds.restrictions import Restrictions
from apikeys.bounds.services import restrict_key
from apikeys.usage.models import KeyCaller
from tests.browser.places import EACH_BROWSER, button, call, key_page, said, until

ELSEWHERE = Restrictions(networks=("192.0.2.0/24",))


def refuse_a_call(server, key):
    refused = call(server, key.secret)
    assert (refused.status, refused.code) == (403, "address_refused")
    assert "may not be used from 127.0.0.1" in refused.error["message"]
    until(lambda: KeyCaller.objects.filter(key=key, address="127.0.0.1", rejected=1).exists())


@EACH_BROWSER
def test_p25_an_address_is_rejected_then_allowed_from_the_keys_page_and_the_next_request_passes(
    server, owners_page, api_key
):
    """P25"""
    restrict_key(key=api_key, restrictions=ELSEWHERE, by=None)
    refuse_a_call(server, api_key)
    page = owners_page
    page.goto(key_page(api_key, "key"))
    rejected = page.get_by_role("row", name="127.0.0.1")
    expect(rejected).to_contain_text("1 rejected")
    button(rejected, "Allow 127.0.0.1").press("Enter")
    said(page, "127.0.0.1 may use Production server now.")
    assert call(server, api_key.secret).status == 200
    expect(button(page, "Allow 127.0.0.1")).to_have_count(0)


def test_p25_works_without_script_on_a_phone(server, new_page, sign_in, owner, api_key):
    """P25"""
    page = new_page(java_script_enabled=False, viewport={"width": 360, "height": 740})
    sign_in(page, owner)
    restrict_key(key=api_key, restrictions=ELSEWHERE, by=None)
    refuse_a_call(server, api_key)
    page.goto(key_page(api_key, "key"))
    button(page, "Allow 127.0.0.1").click()
    said(page, "127.0.0.1 may use Production server now.")
    assert call(server, api_key.secret).status == 200


@pytest.mark.parametrize("java_script_enabled", [True, False], ids=["with script", "without script"])
def test_a_viewer_tries_a_request_and_reads_the_verdict(new_page, sign_in, viewer, api_key, java_script_enabled):
    """P23, P24, P25: in the dialog, or on a page of its own."""
    restrict_key(key=api_key, restrictions=ELSEWHERE._replace(read_only=True), by=None)
    page = new_page(java_script_enabled=java_script_enabled)
    sign_in(page, viewer)
    page.goto(key_page(api_key, "key"))
    button(page, "Try it…").press("Enter")
    form = page.get_by_role("dialog") if java_script_enabled else page.get_by_role("main")
    expect(form.get_by_label("From the address")).to_have_value("127.0.0.1")
    button(form, "Try it").click()
    expect(form.get_by_role("status").first).to_contain_text("address_refused")
    form.get_by_label("From the address").fill("192.0.2.9")
    form.get_by_label("Method").select_option("DELETE")
    button(form, "Try it").click()
    expect(form.get_by_role("status").first).to_contain_text("read_only")
    restrict_key(key=api_key, restrictions=Restrictions(scopes=("files:read",)), by=None)
    form.get_by_label("files:write").check()
    button(form, "Try it").click()
    expect(form.get_by_role("status").first).to_contain_text("does not have the scope files:write")
    form.get_by_label("files:write").uncheck()
    form.get_by_label("From the address").fill("here")
    button(form, "Try it").click()
    expect(form.get_by_role("alert")).to_contain_text("This is no IP address.")
    form.get_by_label("From the address").fill("192.0.2.9")
    form.get_by_label("Method").select_option("GET")
    button(form, "Try it").click()
    verdict = form.get_by_role("status").first
    expect(verdict).to_contain_text("Allowed from 192.0.2.9")
    if java_script_enabled:
        expect(verdict).to_be_focused()
        button(form, "Close").click()
        expect(button(page, "Try it…")).to_be_focused()
