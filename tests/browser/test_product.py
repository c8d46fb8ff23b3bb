"""P1 to P13 of product.md, each through the real server, Chromium, Firefox and real HTTP requests.

test_product_keys.py has P8 to P11, the actions on a key.
"""

import re

from playwright.sync_api import expect

from apikeys.keys.services import create_key
from projects.models import Project
from tests.browser.places import (
    EACH_BROWSER,
    SECRET,
    button,
    call,
    copied_with,
    create_key_in_dialog,
    dashboard,
    multipart,
    onboarding,
    other_project,
    settings_page,
)
from tests.support.factories import FileFactory, MembershipFactory, UserFactory

pytestmark = EACH_BROWSER

READS_THE_ENVIRONMENT = {
    "curl": '"Authorization: Bearer $LATCHKEY_API_KEY"',
    "JavaScript": "process.env.LATCHKEY_API_KEY",
    "Python": "os.environ['LATCHKEY_API_KEY']",
    "PHP": "getenv('LATCHKEY_API_KEY')",
    "Ruby": "ENV.fetch('LATCHKEY_API_KEY')",
    "Go": 'os.Getenv("LATCHKEY_API_KEY")',
}
SAFE_KEEPING = re.compile("environment variable or a secret manager, and out of source control")


def shown_snippets(page):
    """The snippets as a person sees them, one tab after the other, by language."""
    shown = {}
    for language in READS_THE_ENVIRONMENT:
        page.get_by_text(language, exact=True).click()
        snippet = page.get_by_role("region", name=f"{language} snippet", exact=True)
        expect(snippet).to_be_visible()
        shown[language] = snippet.locator("code").text_content()
    return shown


def test_p01_a_copied_key_fetches_the_projects_files(server, owners_page, project, api_key):
    """P1: A key authenticates a request: `fetch(API_URL + '/files', …)` answers 200 with the project's files.

    (test_snippets.py runs the very line in Node.)
    """
    files = FileFactory.create_batch(2, project=project)
    FileFactory()
    owners_page.goto(dashboard(project))
    key = copied_with(owners_page, button(owners_page, "Copy"))
    answer = call(server, key, "/files")
    assert answer.status == 200
    assert [file["id"] for file in answer.body["data"]] == [file.public_id for file in reversed(files)]
    assert answer.body["meta"]["project_id"] == project.public_id
    assert call(server, key[:-1] + ("A" if key[-1] != "A" else "B")).code == "key_malformed"


def test_p02_the_key_identifies_its_creator_and_its_project(server, owners_page, owner, project):
    """P2: The key identifies the **user** who created it and the **project** of the request."""
    create_key(project=project, name="Of a colleague", by=MembershipFactory(project=project).user)
    owners_page.goto(settings_page(project))
    create_key_in_dialog(owners_page, "Mine")
    secret = copied_with(owners_page, button(owners_page, "Copy"))
    me = call(server, secret, "/me").body["data"]
    key = project.api_keys.get(name="Mine")
    assert me == {
        "key": {"id": key.public_id, "name": "Mine", "standing": "active", "expires_at": None},
        "project": {"id": project.public_id, "name": "Acme Weather"},
        "user": {"id": owner.public_id, "email": "owner@example.com"},
    }
    verified = call(server, secret, "/verify")
    assert verified.status == 204
    assert [verified.headers[f"X-Latchkey-{what}"] for what in ("Key", "Project", "User")] == [
        key.public_id,
        project.public_id,
        owner.public_id,
    ]


def test_p03_a_key_reaches_all_of_its_project_and_nothing_of_another(server, owners_page, owner, project, api_key):
    """P3: A key reaches every resource of its own project, and nothing of any other.

    Both projects belong to the same person, so only the key decides.
    """
    theirs = FileFactory(project=other_project(owner, "Other"), name="theirs.csv")
    by_a_colleague = FileFactory(project=project, created_by=UserFactory(), content=b"1,2\n")
    uploaded = call(server, api_key.secret, "/files", method="POST", body=multipart("mine.csv", b"3,4\n"))
    assert uploaded.status == 201
    mine = uploaded.body["data"]["id"]

    listed = call(server, api_key.secret, "/files").body["data"]
    assert [file["id"] for file in listed] == [mine, by_a_colleague.public_id]
    assert call(server, api_key.secret, f"/files/{by_a_colleague.public_id}/content").body == b"1,2\n"
    owners_page.goto(dashboard(project))
    expect(owners_page.get_by_role("region", name="Recent files")).to_contain_text("mine.csv")
    expect(owners_page.get_by_role("region", name="Recent files")).not_to_contain_text("theirs.csv")

    def refusals(file_id):
        paths = [("GET", ""), ("GET", "/content"), ("DELETE", "")]
        answers = [call(server, api_key.secret, f"/files/{file_id}{end}", method=method) for method, end in paths]
        return [(answer.status, answer.error) for answer in answers]

    assert [status for status, *_ in refusals(theirs.public_id)] == [404, 404, 404]
    assert refusals(theirs.public_id) == refusals("file_0000000000000000")
    theirs.refresh_from_db()
    assert call(server, api_key.secret, f"/files/{mine}", method="DELETE").status == 204


def test_p04_pages_tell_to_keep_the_secret_in_the_environment_and_snippets_read_it_there(owners_page, owner, project):
    """P4: Pages tell people to keep the secret in an environment variable or a secret manager and out of source
    control; every snippet reads it from the environment."""
    owners_page.goto(onboarding(project))
    button(owners_page, "Generate Key").click()
    expect(owners_page.get_by_role("heading", name="Your API key is ready")).to_be_visible()
    pages = {"onboarding": owners_page.url, "dashboard": dashboard(project), "help": "/help/"}
    for address in pages.values():
        owners_page.goto(address)
        expect(owners_page.get_by_text(SAFE_KEEPING)).to_be_visible()
        snippets = shown_snippets(owners_page)
        for language, how in READS_THE_ENVIRONMENT.items():
            assert how in snippets[language]
            assert "lk_" not in snippets[language]
    owners_page.goto(settings_page(project))
    create_key_in_dialog(owners_page, "Another")
    expect(owners_page.get_by_role("group", name="New API key Another")).to_contain_text(SAFE_KEEPING)


def test_p05_creating_a_project_leads_to_generate_key_and_copy(server, owners_page):
    """P5: Creating a project leads straight to a step that asks for its first key: **Generate Key**, then
    **Copy** puts it on the clipboard."""
    owners_page.goto("/")
    expect(owners_page.get_by_role("heading", name="Create your first project")).to_be_visible()
    owners_page.get_by_label("Project name").fill("Tide tables")
    owners_page.get_by_label("Project name").press("Enter")
    expect(owners_page.get_by_role("heading", name="Generate your first key")).to_be_visible()
    project = Project.objects.get(name="Tide tables")

    # A person may leave midway. The project leads back to this step.
    owners_page.goto("/")
    expect(owners_page).to_have_url(re.compile(onboarding(project)))
    button(owners_page, "Generate Key").click()
    expect(owners_page.get_by_role("heading", name="Your API key is ready")).to_be_visible()
    secret = copied_with(owners_page, button(owners_page, "Copy"))
    assert SECRET.fullmatch(secret)
    assert call(server, secret, "/me").body["data"]["project"]["name"] == "Tide tables"
    owners_page.get_by_role("link", name="Continue to the dashboard").click()
    expect(owners_page).to_have_url(re.compile(f"{dashboard(project)}$"))


def test_p06_quick_start_has_the_key_and_six_snippets_each_with_its_copy_button(server, owners_page, project, api_key):
    """P6: The project dashboard has a **Quick Start** section with the key, a copy button that works whenever it is
    needed, and ready-to-paste snippets (curl, JavaScript, Python, PHP, Ruby, Go), each with its own copy button."""
    owners_page.goto(dashboard(project))
    quick_start = owners_page.get_by_role("region", name="Quick Start", exact=True)
    expect(owners_page.get_by_role("heading", name="Quick Start", exact=True)).to_be_visible()
    expect(quick_start).to_contain_text("Production server")
    expect(quick_start).to_contain_text(api_key.mask)
    for _ in range(2):
        assert copied_with(owners_page, button(quick_start, "Copy")) == api_key.secret
        owners_page.reload()
    for language, shown in shown_snippets(owners_page).items():
        owners_page.get_by_text(language, exact=True).click()
        copy = button(quick_start, f"Copy {language} snippet")
        assert copied_with(owners_page, copy, saying=f"{language} snippet copied") == shown
        assert f"{server.url}/api/v1" in shown


def test_p07_settings_and_manage_lead_to_the_api_keys(owners_page, project, api_key):
    """P7: **Settings** is in the sidebar menu; **Manage**, above the key in Quick Start, leads to the same page at
    its **API Keys** section."""
    owners_page.goto(dashboard(project))
    link = owners_page.get_by_role("navigation", name="Main").get_by_role("link", name="Settings", exact=True)
    manage = owners_page.get_by_role("link", name="Manage", exact=True)
    assert manage.bounding_box()["y"] < button(owners_page, "Copy").bounding_box()["y"]
    link.click()
    expect(owners_page).to_have_url(re.compile(f"{settings_page(project)}$"))
    expect(link).to_have_attribute("aria-current", "page")
    owners_page.go_back()
    manage.click()
    expect(owners_page).to_have_url(re.compile(f"{settings_page(project)}#api-keys$"))
    expect(owners_page.get_by_role("heading", name="API Keys", exact=True)).to_be_in_viewport()
    assert owners_page.evaluate("document.querySelector(':target').contains(document.querySelector('.key-row'))")


def test_p12_admins_manage_users_projects_and_keys_without_seeing_a_secret(
    server, page, sign_in, admin, owner, project, api_key
):
    """P12: Admins see and manage users, projects and keys in Django admin, without ever seeing a secret."""
    sign_in(page, admin)
    for label, text in (("Users", owner.email), ("Projects", "Acme Weather"), ("API keys", "Production server")):
        page.goto("/admin/")
        page.locator("#content-main th").get_by_role("link", name=label, exact=True).click()
        expect(page.locator("#result_list")).to_contain_text(text)
        page.locator("#result_list").get_by_role("link", name=text, exact=True).first.click()
        expect(page).to_have_url(re.compile("/change/"))
        page.wait_for_load_state()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        shown = page.content()
        hidden = (api_key.secret, api_key.digest.hex(), api_key.ciphertext.hex(), str(api_key.ciphertext))
        assert [text for text in hidden if text in shown] == []
        assert not SECRET.search(shown)
        assert not re.search("digest|ciphertext|pepper", page.locator("#content").inner_text(), re.IGNORECASE)

    def act(action):
        page.goto("/admin/apikeys/apikey/")
        page.get_by_role("checkbox", name=re.compile("Production server")).check()
        page.get_by_role("combobox", name="Action:").select_option(label=action)
        page.get_by_role("button", name="Run").or_(page.get_by_role("button", name="Go")).click()
        expect(page.locator(".messagelist")).to_be_visible()

    act("Pause")
    assert call(server, api_key.secret).code == "key_paused"
    act("Re-enable")
    assert call(server, api_key.secret).status == 200
    assert list(api_key.events.values_list("kind", "by__email")[:2]) == [
        ("resumed", "admin@example.com"),
        ("paused", "admin@example.com"),
    ]

    page.goto("/admin/accounts/user/")
    page.locator("#result_list").get_by_role("link", name=owner.email).click()
    page.get_by_role("link", name="Deactivate…").click()
    expect(page.locator("#content")).to_contain_text("Production server in Acme Weather")
    page.get_by_role("button", name="Deactivate").click()
    expect(page.locator(".messagelist")).to_contain_text("Deactivated the account")
    assert call(server, api_key.secret).status == 403


def test_p13_help_explains_all_of_it_with_the_products_own_snippets(owners_page, project, api_key):
    """P13: A help page inside the product explains all of the above with the product's own snippets."""
    owners_page.goto(dashboard(project))
    own = shown_snippets(owners_page)
    owners_page.get_by_role("navigation", name="Main").get_by_role("link", name="Help", exact=True).click()
    expect(owners_page.get_by_role("heading", name="Help", exact=True)).to_be_visible()
    assert shown_snippets(owners_page) == own
    text = owners_page.get_by_role("main").inner_text()
    labels = ("Generate Key", "Copy", "Quick Start", "Settings", "Manage", "API Keys", "Pause", "Re-enable")
    words = ("Delete key", "+ Create Key", "cannot be undone", "without downtime", "source control")
    codes = ("key_missing", "key_malformed", "key_unknown", "key_paused", "key_expired", "key_deleted", "forbidden")
    assert [word for word in (*labels, *words, *codes) if word not in text] == []
    for link in owners_page.get_by_role("navigation", name="On this page").get_by_role("link").all():
        link.click()
        expect(owners_page.locator(":target")).to_be_in_viewport()
    owners_page.get_by_role("main").get_by_role("link", name="API reference").click()
    expect(owners_page.get_by_role("main")).to_contain_text("/api/v1/files")
