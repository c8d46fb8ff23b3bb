"""Names in all languages are welcome. Characters that hide or mislead are not."""

import html
import re
import unicodedata

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from apikeys.keys.services import create_key
from common.names import MAX_LENGTH, clean_name, clean_note, clean_persons_name
from projects.files.storage import clean_file_name
from projects.services import create_project
from tests.support.stored.tables import everything


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


@pytest.mark.parametrize("path", ["/projects/new/", "{project}settings/", "{project}keys/new/"])
@pytest.mark.parametrize("name", ["", "   ", "\u00a0\u3000", "x" * 65, "x" * 10_000])
def test_a_refused_name_is_explained_beside_its_field_and_kept(path, name, client, project, api_key):
    before = everything()
    answer = client.post(path.format(project=f"/projects/{project.public_id}/"), {"name": name})
    assert answer.status_code == 422
    error = "Enter a name." if not name.strip() else f"Use at most 64 characters. This name has {len(name):,}."
    assert_error_beside_the_name(answer.content.decode(), error, name)
    assert everything() == before


def assert_error_beside_the_name(page: str, error: str, typed: str) -> None:
    field = re.search(
        r'<input[^>]*name="name"[^>]*>\s*(?:<div role="alert">)?\s*<ul class="errors"[^>]*>(.*?)</ul>', page, re.DOTALL
    )
    assert field, "no error beside the field"
    assert error in html.unescape(field[1])
    value = re.search(r'value="([^"]*)"', field[0])
    assert html.unescape(value[1] if value else "") == typed
    assert 'aria-invalid="true"' in field[0]
    described_by = re.search(r'aria-describedby="([^"]+)"', field[0])
    assert described_by, "a screen reader connects the error with the field"
    assert f'id="{described_by[1]}"' in field[0]


# Default_Ignorable_Code_Point (Unicode 16, DerivedCoreProperties.txt): characters that are invisible. U+FE0F, which
# makes a symbol an emoji, is welcome after a symbol, where it is visible.
IGNORABLE = [
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
]
CONTROLS = [(0x00, 0x08), (0x0B, 0x0C), (0x0E, 0x1F), (0x7F, 0x9F)]
# Line and paragraph separators, the blank Braille pattern, private use, noncharacters, broken UTF-8.
OTHERS = [
    (0x2028, 0x2029),
    (0x2800, 0x2800),
    (0x16FE4, 0x16FE4),
    (0x1D159, 0x1D159),
    (0xE000, 0xE001),
    (0xFFFE, 0xFFFF),
    (0xFFFD, 0xFFFD),
    (0x10FFFF, 0x10FFFF),
]
HIDDEN = [
    chr(point)
    for first, last in IGNORABLE + CONTROLS + OTHERS
    for point in {*range(first, min(last, first + 40) + 1), last}
]


def is_hidden(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in IGNORABLE + CONTROLS + OTHERS)


@pytest.mark.nodb
def test_no_name_holds_a_hidden_character():
    """T26: each character inside a name, before it and after it."""
    let_in = {
        f"U+{ord(character):04X}"
        for character in HIDDEN
        for name in (f"a{character}b", f"{character}a", f"a{character}", character)
        if accepts(name)
    }
    assert let_in == set()


def accepts(name: str) -> bool:
    try:
        clean_name(name)
    except ValidationError:
        return False
    return True


@pytest.mark.nodb
@pytest.mark.parametrize(
    "name", ["Zürich", "東京", "Ελλάδα", "مرحبا", "नमस्ते", "Rollout 🚀", "I ❤\ufe0f keys", "a–b", "O’Brien"]
)
def test_names_of_all_languages_are_welcome(name):
    assert clean_name(name) == name


JOINED = {
    "Persian": "می\u200cخواهم",
    "Persian, more than one": "نرم\u200cافزار خانه\u200cها",
    "Hindi": "क्\u200dष शक्\u200cति",
    "Sinhala": "ශ්\u200dරී ලංකා",
    "Bengali": "র\u09cd\u200dয",
    "Malayalam": "ക്\u200dഷ",
    "a family": "👩\u200d👩\u200d👧\u200d👦",
    "a programmer with a skin colour": "👩🏽\u200d💻",
    "a rainbow flag": "🏳\ufe0f\u200d🌈",
    "a heart on fire": "❤\ufe0f\u200d🔥",
    "a keycap": "1\ufe0f\u20e3",
    "a trademark": "Keys™\ufe0f",
    "the flag of Wales": "🏴" + "".join(chr(0xE0000 + ord(letter)) for letter in "gbwls") + "\U000e007f",
}
# The same characters in places where they are invisible.
UNSEEN = {
    "between Latin letters": "Pro\u200dduction",
    "a non-joiner between Latin letters": "Pro\u200cduction",
    "at the start": "\u200dक",
    "at the end": "क्\u200d",
    "alone": "\u200d",
    "two of them": "क्\u200d\u200dष",
    "without a virama": "क\u200dष",
    "a virama without a letter": "\u094d\u200dष",
    "before another script": "क्\u200da",
    "after a letter that joins nothing": "کار\u200cها",
    "a joiner between Persian letters": "می\u200dخواهم",
    "before a space": "می\u200c خواهم",
    "after an emoji": "🚀\u200d",
    "before an emoji": "\u200d🚀",
    "between an emoji and a letter": "🚀\u200da",
    "a selector after a letter": "a\ufe0f",
    "two selectors": "❤\ufe0f\ufe0f",
    "a digit with a selector": "1\ufe0f",
    "tags after a letter": "a\U000e0067\U000e007f",
    "other tags after a flag": "🏴\U000e0068\U000e0069\U000e007f",
    "a variation selector": "葛\U000e0100",
}


@pytest.mark.nodb
@pytest.mark.parametrize("name", JOINED.values(), ids=JOINED.keys())
def test_joiners_are_welcome_where_a_script_or_an_emoji_needs_them(name):
    """T26"""
    assert clean_name(name) == unicodedata.normalize("NFC", name)
    assert clean_file_name(f"{name}.csv") == unicodedata.normalize("NFC", f"{name}.csv")


@pytest.mark.nodb
@pytest.mark.parametrize("name", UNSEEN.values(), ids=UNSEEN.keys())
def test_a_joiner_that_changes_nothing_is_hidden(name):
    """T26"""
    assert not accepts(name)


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
def test_search_finds_a_name_in_every_form_of_unicode(client, owner, project, api_key, stored):
    """This includes rows that were stored in another form."""
    name = unicodedata.normalize(stored, "Zürich Café می\u200cخواهم")
    api_key.name = project.name = name
    api_key.save(update_fields=["name"])
    project.save(update_fields=["name"])
    for typed in ("Zürich", "Café", "می\u200cخواهم"):
        for form in ("NFC", "NFD"):
            q = {"q": unicodedata.normalize(form, typed)}
            for path in ("/projects/", f"/projects/{project.public_id}/settings/"):
                assert [row.name for row in client.get(path, q).context["page"]] == [name]


SPOOFS = [
    "Pro\u200bduction",
    "\u202enoitcudorP",
    "Produc\u034ftion",
    "\u2066x\u2069",
    "Bell\x07",
    "\u3164",
    "\ufffd",
    "a\x00b",
]


@pytest.mark.parametrize("path", ["/projects/new/", "{project}settings/", "{project}keys/new/"])
@pytest.mark.parametrize("name", SPOOFS, ids=ascii)
def test_hidden_characters_are_refused_in_words_and_kept_in_the_field(path, name, client, project, api_key):
    """T26"""
    before = everything()
    answer = client.post(path.format(project=f"/projects/{project.public_id}/"), {"name": name})
    assert answer.status_code == 422
    assert_error_beside_the_name(answer.content.decode(), "This name contains invisible characters", name)
    assert everything() == before


@pytest.mark.parametrize("name", SPOOFS[:2], ids=ascii)
def test_the_dialogs_answer_says_so_too(name, client, project, api_key):
    """T26: htmx gets only the form, for the dialog that stays open."""
    answer = client.post(f"/projects/{project.public_id}/keys/new/", {"name": name}, headers={"HX-Request": "true"})
    assert answer.status_code == 422
    assert "HX-Retarget" not in answer.headers, "htmx puts the answer in the form's own place"
    assert answer.content.decode().lstrip().startswith("<form")
    assert_error_beside_the_name(answer.content.decode(), "This name contains invisible characters", name)


@pytest.mark.parametrize("name", SPOOFS, ids=ascii)
def test_services_refuse_hidden_characters_whoever_calls_them(name, project, owner):
    """T26: commands and future callers have no form in front of the service."""
    with pytest.raises(ValidationError):
        create_key(project=project, name=name, by=owner)
    with pytest.raises(ValidationError):
        create_project(name=name, owner=owner, by=owner)


@pytest.mark.parametrize("path", ["/projects/new/", "{project}settings/", "{project}keys/new/"])
def test_a_secret_pasted_as_a_name_is_refused(path, client, project, api_key):
    """T4: as a name, the secret would be stored in plain text and shown to members who may not read secrets."""
    before = everything()
    answer = client.post(path.format(project=f"/projects/{project.public_id}/"), {"name": f"old {api_key.secret}"})
    assert answer.status_code == 422
    assert "This looks like an API key." in answer.content.decode()
    assert everything() == before


NAMES = st.text(
    st.one_of(st.characters(), st.sampled_from(HIDDEN), st.sampled_from(" \t\n\u00a0é\u0301\ufe0f❤")), max_size=70
)


@pytest.mark.nodb
@given(NAMES)
def test_a_cleaned_name_is_clean(name):
    """T26: a second cleaning changes nothing, and a cleaned name is not hidden, blank or too long."""
    try:
        cleaned = clean_name(name)
    except ValidationError:
        return
    assert clean_name(cleaned) == cleaned
    assert 0 < len(cleaned) <= MAX_LENGTH
    assert cleaned == cleaned.strip()
    for before, character in zip(" " + cleaned, cleaned, strict=False):
        after_a_symbol = character == "\ufe0f" and unicodedata.category(before)[0] in "SNP"
        assert after_a_symbol or character in "\u200c\u200d" or not is_hidden(character)


def test_names_that_differ_only_in_composition_are_one_name(client, project, owner, api_key):
    create_key(project=project, name="Z\u00fcrich", by=owner)
    answer = client.post(f"/projects/{project.public_id}/keys/new/", {"name": "Zu\u0308rich"})
    assert answer.status_code == 422
    assert "already has a key of that name" in answer.content.decode()


@pytest.mark.parametrize("clean", [clean_name, clean_persons_name, clean_note])
def test_a_letter_with_a_stack_of_marks_is_refused_in_words(clean):
    """It would be drawn over the rows above."""
    for marks in ("\u0301" * 60, "\u0301" * 5, "\u20dd" * 5, "\u0323\u0301" * 3):
        with pytest.raises(ValidationError, match="more than 4 accents or other marks on one letter"):
            clean(f"Ae{marks}")
    for name in ("Tiếng Việt", "שָׁלוֹם", "བསྒྲུབས་", "Ǻngström"):
        assert clean(unicodedata.normalize("NFD", name)) == unicodedata.normalize("NFC", name)
