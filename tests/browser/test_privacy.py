"""Secrets do not leak: T30 to T33 of trust.md."""

import re

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from apikeys.keys.services import delete_key
from apikeys.models import ApiKey
from projects.audit_log.models import AuditEvent
from projects.models import File, Membership
from tests.browser.conftest import BROWSERS
from tests.browser.places import (
    SECRET,
    activity,
    button,
    call,
    copied_with,
    create_key_in_dialog,
    dashboard,
    furnish,
    key_page,
    onboarding,
    row,
    said,
    settings_page,
    show_once_page,
    stored,
)

OUR_PAGES = ("/", "/projects/", "/projects/new/", "/help/", "/api/v1/docs", "/nothing/", "/projects/?page=zero")


def html(answer):
    return answer.headers.get("content-type", "").startswith("text/html")


@pytest.fixture
def answers(page):
    """Every answer that the page received."""
    received = []
    page.on("response", lambda answer: received.append(answer))
    return received


def use_everything(page, project, api_key):
    """Every way in which a secret reaches a page. Returns these secrets."""
    page.goto(settings_page(project))
    create_key_in_dialog(page, "Second")
    panel = page.get_by_role("group", name="New API key Second")
    second = copied_with(page, button(panel, "Copy"))
    button(panel, "Copy .env line with Second").click()
    said(page, ".env line copied")
    button(row(page, "Production server"), "Reveal Production server").click()
    expect(row(page, "Production server").locator("[data-mask]")).to_have_text(api_key.secret)
    page.goto(dashboard(project))
    button(page, "Reveal Second").click()
    said(page, "revealed")
    return [api_key.secret, second]


def without_script(new_page, sign_in, owner, project, api_key):
    plain = new_page(java_script_enabled=False)
    sign_in(plain, owner)
    requested = []
    plain.on("request", lambda request: requested.append(request.url))
    plain.goto(settings_page(project))
    button(row(plain, "Production server"), "Copy Production server").click()
    expect(plain.get_by_label("API key", exact=True)).to_have_value(api_key.secret)
    plain.get_by_role("link", name="Back to the API keys").click()
    return requested


def test_t30_no_secret_is_in_any_url_or_log_line(server, new_page, page, sign_in, owner, project, api_key):
    """T30: no secret in any URL (access log of the whole browser run)."""
    requested = []
    page.on("request", lambda request: requested.append(request.url))
    sign_in(page, owner)
    secrets = use_everything(page, project, api_key)
    requested += without_script(new_page, sign_in, owner, project, api_key)
    for secret in secrets:
        assert call(server, secret).status == 200
    log = server.log_text()
    assert len(requested) > 10
    assert settings_page(project) in log
    assert "/api/v1/files" in log
    assert not SECRET.search("\n".join(requested))
    # The whole run shares one server, so this log includes every earlier test.
    assert not SECRET.search(log)


def test_t31_pages_and_answers_with_secrets_are_not_stored(new_page, page, answers, sign_in, owner, project, api_key):
    """T31: pages and answers with secrets are `no-store`."""
    sign_in(page, owner)
    use_everything(page, project, api_key)
    for address in (*OUR_PAGES, activity(project), onboarding(project), key_page(api_key), "/accounts/email/"):
        page.goto(address)
    plain = new_page(java_script_enabled=False)
    plain.on("response", lambda answer: answers.append(answer))
    sign_in(plain, owner)
    plain.goto(settings_page(project))
    button(row(plain, "Production server"), "Reveal Production server").click()
    expect(plain.get_by_label("API key", exact=True)).to_have_value(api_key.secret)
    dynamic = [answer for answer in answers if "/static/" not in answer.url and answer.status != 302]
    assert {"/copy/", "/reveal/", "/new/"} <= {answer.url[answer.url.rindex("/", 0, -1) :] for answer in dynamic}
    stored_ones = [a.url for a in dynamic if "no-store" not in a.headers.get("cache-control", "")]
    assert stored_ones == []
    assert all("immutable" in a.headers["cache-control"] for a in answers if "/static/" in a.url)


def test_t32_web_storage_holds_nothing_secret(page, sign_in, owner, project, api_key):
    """T32: nothing secret in web storage."""
    sign_in(page, owner)
    page.goto(dashboard(project))
    page.get_by_text("Go", exact=True).click()
    use_everything(page, project, api_key)
    kept = stored(page)
    assert "tab-language" in kept
    assert not SECRET.search(kept)
    assert api_key.mask not in kept
    assert page.evaluate("({...localStorage})") == {"tab-language": "go"}
    # htmx stores the address of the page but no copy of the page: `historyCacheSize` is 0.
    assert page.evaluate("Object.keys(sessionStorage)") == ["htmx-current-path-for-history"]
    assert page.evaluate("caches.keys().then(names => names.length)") == 0
    assert page.evaluate("indexedDB.databases().then(names => names.length)") == 0
    assert {cookie["name"] for cookie in page.context.cookies()} <= {"sessionid", "csrftoken", "messages"}
    assert not SECRET.search(str(page.context.cookies()))


@pytest.fixture
def page_with_memory(launch, server, complaints):
    """A page in a Chromium with its back/forward cache, which Playwright normally turns off."""
    remembering = launch(*BROWSERS, ignore_default_args=["--disable-back-forward-cache"])
    context = remembering.new_context(base_url=server.url)
    context.add_init_script("addEventListener('pageshow', e => e.persisted && sessionStorage.setItem('restored', '1'))")
    complaints.watch(context, server.url)
    yield context.new_page()
    remembering.close()


def reveal_and_leave(page, project, api_key):
    """Chromium caches no page that has fetched a `no-store` answer, and reveal is such an answer."""
    page.goto(settings_page(project))
    button(page, "Reveal Production server").click()
    expect(page.locator("[data-mask]")).to_have_text(api_key.secret)
    page.goto("/help/")


def test_t32_back_shows_nothing_after_signing_out(page_with_memory, sign_in, owner, project, api_key):
    """T32: nothing secret after Back when signed out."""
    page = page_with_memory
    sign_in(page, owner)
    reveal_and_leave(page, project, api_key)
    page.get_by_role("link", name="Sign out").click()
    button(page.get_by_role("main"), "Sign out").click()
    expect(page).to_have_url(re.compile("/accounts/login/"))
    for address in ("/accounts/login/", "/help/", f"/accounts/login/?next={settings_page(project)}"):
        page.go_back()
        expect(page).to_have_url(re.compile(re.escape(address)))
        assert api_key.mask not in page.content()
        assert not SECRET.search(page.content())


def test_t32_back_shows_nothing_after_the_session_has_ended(page_with_memory, sign_in, owner, project, api_key):
    """T32: nothing secret when the session ended elsewhere, while this browser keeps its cookies."""
    page = page_with_memory
    sign_in(page, owner)
    reveal_and_leave(page, project, api_key)
    Session.objects.all().delete()
    page.go_back(wait_until="commit")
    expect(page).to_have_url(re.compile("/accounts/login/"))
    assert api_key.mask not in page.content()


@pytest.mark.parametrize("revealed", [True, False])
def test_t32_back_shows_nothing_after_the_key_was_deleted(page_with_memory, sign_in, owner, project, api_key, revealed):
    """T32: nothing secret after Back when the key was deleted."""
    page = page_with_memory
    sign_in(page, owner)
    if revealed:
        reveal_and_leave(page, project, api_key)
    else:
        page.goto(settings_page(project))
        page.goto("/help/")
    delete_key(key=api_key, by=owner)
    page.go_back(wait_until="commit")
    expect(page.get_by_role("region", name="API Keys")).to_contain_text("No API keys.")
    assert not SECRET.search(page.content())
    if not revealed:
        # Chromium did restore the old page, and page.js reloaded it. Without that, the test would prove nothing.
        assert page.evaluate("sessionStorage.restored") == "1"


def test_t32_a_hidden_secret_is_gone_from_the_page_that_is_left(page, sign_in, owner, project, api_key):
    """T32: leaving a page hides the revealed secret before a cache can store it."""
    sign_in(page, owner)
    page.goto(settings_page(project))
    button(page, "Reveal Production server").click()
    expect(page.locator("[data-mask]")).to_have_text(api_key.secret)
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    assert not SECRET.search(page.content())


@pytest.fixture
def everywhere(page, project, owner):
    """The addresses of every page, including Django admin's."""
    active, *_ = furnish(project, owner)
    ours = [place(project) for place in (dashboard, settings_page, show_once_page, activity, onboarding)]
    admin = ["/admin/", "/admin/password_change/", "/admin/accounts/", "/admin/apikeys/"]
    for model in (type(owner), type(project), ApiKey, AuditEvent, Membership, File):
        name = f"/admin/{model._meta.app_label}/{model._meta.model_name}"
        admin += [f"{name}/", f"{name}/?q=acme"]
        admin += [f"{name}/{model.objects.first().pk}/{end}" for end in ("change/", "history/", "delete/")]
    admin += ["/admin/accounts/user/add/", "/admin/accounts/authenticator/", "/admin/auth/group/add/"]
    return [*OUR_PAGES, *ours, key_page(active), *admin]


def test_t33_the_csp_is_strict_and_nothing_violates_it_on_any_page(
    page, answers, sign_in, owner, admin, project, everywhere, complaints
):
    """T33: CSP without unsafe-inline or unsafe-eval, `default-src 'none'`, including the admin; 0 violations."""
    project.memberships.create(user=admin, role="owner")
    for address in ("/help/", "/accounts/login/", "/accounts/signup/", "/nothing/"):
        page.goto(address)
    sign_in(page, admin)
    statuses = {}
    for address in everywhere:
        statuses[address] = page.goto(address).status
    unexpected = {
        address: status
        for address, status in statuses.items()
        if status != 200 and not (status in {403, 404} and "/admin/" in address) and address not in OUR_PAGES
    }
    assert unexpected == {}
    assert sum(status == 200 and "/admin/" in address for address, status in statuses.items()) >= 20
    pages = [answer for answer in answers if html(answer)]
    policies = {answer.url: answer.headers.get("content-security-policy", "") for answer in pages}
    assert len(policies) > 40
    for policy in policies.values():
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy
        assert "unsafe-eval" not in policy
        assert "http:" not in policy
        assert "*" not in policy
    print(f"{len(policies)} pages, {len(complaints)} violations")
    assert complaints == []


def test_t33_an_inline_script_that_came_in_would_not_run(page, sign_in, owner, project, api_key, complaints):
    """T33: the policy is enforced, not only sent."""
    sign_in(page, owner)
    page.goto(settings_page(project))
    page.evaluate(
        """() => new Promise(done => {
          document.body.insertAdjacentHTML('beforeend', '<img src="/x" onerror="window.broken = true">')
          document.body.lastElementChild.addEventListener('error', () => done())
        })"""
    )
    assert page.evaluate("window.broken") is None
    assert [line for line in complaints if "CSP violation" in line]
    complaints.clear()
