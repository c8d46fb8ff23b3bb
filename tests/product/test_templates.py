"""How templates are written: no line that has to be scrolled."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "templates"
LONGEST = 120
# The pages of keys are rewritten now. Delete this line with the last of them.
NOT_YET = {"create", "dashboard", "delete", "env_line", "first_request", "onboarding", "refused", "safety", "secret"}
NOT_YET |= {"secret_line", "settings", "show_once", "show_once_form", "show_once_page", "shown_now", "snippets"}
NOT_YET |= {"standing_note", "state_badge"}


def test_no_line_of_a_page_is_longer_than_120_characters():
    """In emails a paragraph is a line."""
    pages = [path for path in FOLDER.rglob("*.html") if path.parent.name != "apikeys" or path.stem not in NOT_YET]
    assert len(pages) > 100
    long = {
        f"{path.relative_to(FOLDER)}:{number}": len(line)
        for path in pages
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > LONGEST
    }
    assert long == {}
