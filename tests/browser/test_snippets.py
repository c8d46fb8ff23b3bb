"""The snippets of Quick Start run as pasted: copied with their own buttons, and run by the language's interpreter.

A language that the machine lacks is skipped, in CI too: contributors need not install six languages.
"""

import ast
import json
import os
import re
import shutil
import subprocess

import pytest

from apikeys.keys.pausing import pause_key
from tests.browser.places import button, clipboard, dashboard, said
from tests.support.factories import FileFactory

LANGUAGES = {
    "curl": ("bash", "-e", "snippet.sh"),
    "JavaScript": ("node", "snippet.js"),
    "Python": ("python3", "snippet.py"),
    "PHP": ("php", "snippet.php"),
    "Ruby": ("ruby", "snippet.rb"),
    "Go": ("go", "run", "snippet.go"),
}
NEEDED = {"curl": ("bash", "curl")}
P1 = "fetch(API_URL + '/files', {headers: {'Authorization': 'Bearer ' + key}})"


@pytest.fixture
def on_dashboard(page, sign_in, owner, project, api_key):
    FileFactory(project=project, name="first-readings.csv")
    FileFactory(name="of-another-project.csv")
    sign_in(page, owner)
    page.goto(dashboard(project))
    return page


def run(code, command, folder, secret):
    """The output for a person who pastes `code` into a file and runs it with the key in the environment."""
    *program, name = command
    (folder / name).write_text(code)
    environment = {**os.environ, "LATCHKEY_API_KEY": secret, "GOCACHE": str(folder / "go")}
    return subprocess.run(
        [*program, name], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_snippet_runs_as_pasted(on_dashboard, tmp_path, api_key, language):
    missing = [name for name in NEEDED.get(language, LANGUAGES[language][:1]) if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not on this machine.")
    on_dashboard.get_by_text(language, exact=True).click()
    button(on_dashboard, f"Copy {language} snippet").click()
    said(on_dashboard, f"{language} snippet copied")
    ran = run(clipboard(on_dashboard), LANGUAGES[language], tmp_path, api_key.secret)
    assert ran.returncode == 0, ran.stderr
    assert "first-readings.csv" in ran.stdout
    assert "of-another-project.csv" not in ran.stdout


def test_the_line_of_p1_stands_in_the_javascript_snippet_verbatim_and_runs_in_node(
    on_dashboard, tmp_path, api_key, project, program
):
    """P1: `fetch(API_URL + '/files', {headers: {'Authorization': 'Bearer ' + key}})` answers 200 with the files."""
    program("node")
    on_dashboard.get_by_text("JavaScript", exact=True).click()
    snippet = on_dashboard.get_by_role("region", name="JavaScript snippet").inner_text()
    assert P1 in snippet
    # Two lines around the snippet let the test see the answer. The fetch is the page's own text.
    beginning = snippet[: snippet.index(P1) + len(P1)]
    code = beginning + "\n.then(async answer => console.log(JSON.stringify([answer.status, await answer.json()])))\n"
    ran = run(code, LANGUAGES["JavaScript"], tmp_path, api_key.secret)
    status, body = json.loads(ran.stdout)
    assert status == 200
    assert body["meta"]["project_id"] == project.public_id
    assert [file["name"] for file in body["data"]] == ["first-readings.csv"]


def test_on_a_narrow_screen_the_copy_button_stands_above_the_snippet(on_dashboard):
    on_dashboard.set_viewport_size({"width": 360, "height": 800})
    copy = button(on_dashboard, "Copy curl snippet").bounding_box()
    assert copy["y"] + copy["height"] <= on_dashboard.locator("#snippet-curl").bounding_box()["y"]


def test_a_pasted_snippet_tells_a_paused_key_what_is_wrong(on_dashboard, tmp_path, api_key, owner):
    pause_key(key=api_key, by=owner)
    button(on_dashboard, "Copy curl snippet").click()
    said(on_dashboard, "curl snippet copied")
    ran = run(clipboard(on_dashboard), LANGUAGES["curl"], tmp_path, api_key.secret)
    assert json.loads(ran.stdout)["error"]["code"] == "key_paused"


def test_the_python_snippet_is_written_for_every_python_3(on_dashboard):
    on_dashboard.get_by_text("Python", exact=True).click()
    code = on_dashboard.get_by_role("region", name="Python snippet").inner_text()
    ast.parse(code, feature_version=(3, 7))
    assert not re.search(r"import (requests|httpx)", code)
