"""Rules for the text of templates: no line is so long that it needs scrolling."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "templates"
LONGEST = 120


def test_no_line_of_a_page_is_longer_than_120_characters():
    """Emails are left out, because a paragraph of an email is one line."""
    pages = list(FOLDER.rglob("*.html"))
    assert len(pages) > 100
    long = {
        f"{path.relative_to(FOLDER)}:{number}": len(line)
        for path in pages
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > LONGEST
    }
    assert long == {}
