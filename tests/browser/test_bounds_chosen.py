"""What a key may do, chosen by a person: scopes from the operator's words to the 403, and a quota that rests."""

import re

from playwright.sync_api import expect

from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window
from apikeys.limits.models import Budget
from apikeys.models import ApiKey
from tests.browser.places import (
    EACH_BROWSER,
    button,
    call,
    copied_with,
    key_page,
    more,
    multipart,
    row,
    said,
    settings_page,
    until,
)


@EACH_BROWSER
def test_p24_scopes_from_the_operators_words_to_the_403(server, owners_page, project):
    """P24: a person ticks a scope under Options, and the key does exactly that. The 403 names the scope that lacks."""
    owners_page.goto(settings_page(project))
    button(owners_page, "+ Create Key").click()
    dialog = owners_page.get_by_role("dialog", name="Create an API key")
    dialog.get_by_label("Name").fill("Nightly report")
    expect(dialog.get_by_label("Addresses")).to_be_hidden()
    dialog.get_by_text("Options").click()
    expect(dialog.get_by_label("files:read Read files")).to_be_hidden()
    dialog.get_by_label("Chosen scopes").check()
    button(dialog, "Create key").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Choose at least one scope.")
    dialog.get_by_label("files:read Read files").check()
    button(dialog, "Create key").click()
    said(owners_page, "Created Nightly report.")
    expect(row(owners_page, "Nightly report")).to_contain_text("1 scope")
    secret = copied_with(owners_page, button(row(owners_page, "Nightly report"), "Copy Nightly report"))
    assert call(server, secret).status == 200
    uploaded = call(server, secret, method="POST", body=multipart("mine.csv", b"3,4\n"))
    assert (uploaded.status, uploaded.code) == (403, "insufficient_scope")
    assert "the scope files:write" in uploaded.error["message"]
    assert 'scope="files:write"' in uploaded.headers["WWW-Authenticate"]
    assert call(server, secret, "/verify?scope=files:read").headers["X-Latchkey-Scopes"] == "files:read"
    assert call(server, secret, "/verify?scope=files:write").status == 403
    owners_page.goto(key_page(project.api_keys.get(name="Nightly report"), "key"))
    expect(owners_page.get_by_role("region", name="Details")).to_contain_text("files:read Read files")
    button(owners_page, "Edit").click()
    edit = owners_page.get_by_role("dialog", name="Edit “Nightly report”")
    edit.get_by_label("files:write Upload and delete files").check()
    button(edit, "Save").click()
    said(owners_page, "Saved. Nightly report: 2 scopes.")
    assert call(server, secret, method="POST", body=multipart("mine.csv", b"3,4\n")).status == 201
    expect(owners_page.get_by_role("region", name="Activity")).to_contain_text("files:read to files:read, files:write")


@EACH_BROWSER
def test_p27_a_quota_rests_is_raised_and_resumes_by_itself(server, owners_page, project, api_key):
    """P27: the list says that the key rests, and until when. One click raises the quota. The next window resumes it."""
    owners_page.goto(settings_page(project))
    more(owners_page, "Production server").click()
    button(row(owners_page, "Production server"), "Edit").click()
    edit = owners_page.get_by_role("dialog", name="Edit “Production server”")
    edit.get_by_text("Options").click()
    edit.get_by_label("Quota", exact=True).fill("2")
    button(edit, "Save").click()
    said(owners_page, "Saved. Production server: 2/month.")
    assert [call(server, api_key.secret).status for _ in range(3)] == [200, 200, 429]
    refused = call(server, api_key.secret)
    assert refused.code == "quota_reached"
    assert int(refused.headers["Retry-After"]) > 0
    owners_page.reload()
    line = row(owners_page, "Production server")
    resting = re.compile(r"Resting until 1 \w+ \d{4}, 00:00 UTC: 2 of 2 requests this month")
    expect(line).to_contain_text(resting)
    expect(line).to_contain_text("Active")
    button(line, "Raise the quota…").click()
    quota = edit.get_by_label("Quota", exact=True)
    expect(quota).to_be_focused()
    quota.fill("3")
    button(edit, "Save").click()
    said(owners_page, "Saved. Production server: 3/month.")
    expect(line).not_to_contain_text("Resting")
    assert ApiKey.objects.get(pk=api_key.pk).bounds == Restrictions(limits=Limits(quota=Limit(3, Window.MONTH)))
    assert [call(server, api_key.secret).status for _ in range(2)] == [200, 429]
    owners_page.reload()
    expect(line).to_contain_text("3 of 3 requests this month")
    # The month is over once the budget's window is an older one.
    Budget.objects.update(starts=0)
    owners_page.reload()
    expect(line).not_to_contain_text("Resting")
    until(lambda: call(server, api_key.secret).status == 200)
