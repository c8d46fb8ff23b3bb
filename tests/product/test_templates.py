"""Rules for the text of templates, and what `compact` makes of it."""

from pathlib import Path

from common.page_tags import compact

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


def test_a_compact_page_keeps_the_space_between_words_and_drops_idle_breaks():
    page = """
      <div class="row"
        id="row"
      >
        <p>
          Last used <time>today</time>

          from <code>192.0.2.7</code>
        </p>
        <button>Pause</button>
        <button>More</button>
      </div>
    """
    said = "\nLast used <time>today</time>\nfrom <code>192.0.2.7</code>"
    buttons = "\n<button>Pause</button>\n<button>More</button>"
    assert compact(page).strip() == f'<div class="row"\nid="row"><p>{said}</p>{buttons}</div>'
