"""The rule for the names of projects and keys, what looks like a secret, and the width of columns that hold codes."""

import re
import unicodedata

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q

from common.plurals import counted

MAX_LENGTH = 64
MAX_NOTE = 200
# Of one letter. Vietnamese needs two, Hebrew with vowels and accents and Tibetan up to four.
MOST_MARKS = 4
# How wide the columns of states, outcomes, kinds and other codes are: wide enough for codes that do not exist yet.
CODE_LENGTH = 32

# Unicode counts these as letters and symbols, but they are blank to the eye (Hangul fillers, the empty Braille
# pattern). The replacement character is what broken UTF-8 is read as.
_REFUSED = frozenset("\u115f\u1160\u3164\uffa0\u2800\ufffd\U00016fe4\U0001d159")
# Marks that are invisible (Unicode's Default_Ignorable_Code_Point): joiners and variation selectors.
_INVISIBLE_MARKS = frozenset(
    map(chr, [0x34F, 0x17B4, 0x17B5, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)])
)
# Symbols that are also emoji, or nearly: a selector or a joiner after them is visible.
_SYMBOL = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u27bf\u2934-\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
)
_NON_JOINER, _JOINER, _EMOJI_STYLE = "\u200c", "\u200d", "\ufe0f"
# Two emoji that show as one, such as a woman and a computer. The first may have a skin colour or the selector.
_JOINED_EMOJI = re.compile(f"{_SYMBOL}[\ufe0f\U0001f3fb-\U0001f3ff]?\u200d(?={_SYMBOL})")
_STYLED = re.compile(f"{_SYMBOL}\ufe0f|[0-9#*]\ufe0f(?=\u20e3)")
# The flags of England, Scotland and Wales: a black flag and tags.
_TAGS = {ord(letter): 0xE0000 + ord(letter) for letter in "abcdefghijklmnopqrstuvwxyz"}
_FLAGS = re.compile("\U0001f3f4(?:{})\U000e007f".format("|".join(["gbeng", "gbsct", "gbwls"]).translate(_TAGS)))
# Arabic letters that never join the next letter, so a non-joiner after them is invisible (Joining_Type R and U).
_ENDS_ALONE = frozenset("آأؤإاةدذرزوٱٲٳٴٵٶٷڈډڊڋڌڍڎڏڐڑڒړڔڕږڗژڙۀۃۄۅۆۇۈۉۊۋۍۏےۓەۮۯء")
_VIRAMA = 9  # its combining class
# The shape of a secret, whatever its prefix.
_SECRET = re.compile("[a-z][a-z0-9]{0,11}_[0-9A-Za-z]{36}")
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def _is_hidden(character: str) -> bool:
    return (
        character in _REFUSED
        or character in _INVISIBLE_MARKS
        or (unicodedata.category(character) in _HIDDEN_CATEGORIES and character not in "\t\n\r")
    )


def _hidden_places(text: str) -> set[int]:
    """The places in `text` of invisible characters. Joiners and selectors count only where they change nothing."""
    hidden = {at for at, character in enumerate(text) if _is_hidden(character)}
    if not hidden:
        return hidden
    for pattern in (_FLAGS, _JOINED_EMOJI, _STYLED):
        for found in pattern.finditer(text):
            hidden -= {*range(found.start() + 1, found.end())}
    return {at for at in hidden if not (text[at] in {_JOINER, _NON_JOINER} and _changes_letters(text, at))}


def _changes_letters(text: str, at: int) -> bool:
    """Whether a script needs the joiner between two of its letters (RFC 5892, A.1 and A.2; UAX 31, 2.3.1).

    Sinhala and Hindi have a joiner after a virama. Persian has a non-joiner after a letter that would join the next
    one.
    """
    before, after = text[max(0, at - 8) : at], text[at + 1 : at + 2]
    if not before or not after.isalpha() or _script(before[-1]) != _script(after):
        return False
    letters = "".join(character for character in before if not unicodedata.category(character).startswith("M"))
    if not letters or _script(letters[-1]) != _script(after):
        return False
    if unicodedata.combining(before[-1]) == _VIRAMA:
        return before[-2:-1] != "" and _script(before[-2]) == _script(after)
    joins = letters[-1].isalpha() and letters[-1] not in _ENDS_ALONE and after not in "\u0621\u0674"
    return text[at] == _NON_JOINER and _script(after) == "ARABIC" and joins


def _script(character: str) -> str:
    """The first word of a character's Unicode name, which is its script: ARABIC, SINHALA, DEVANAGARI."""
    return unicodedata.name(character, "").partition(" ")[0]


def _has_stacked_marks(text: str) -> bool:
    """Whether a letter has so many marks that they would be drawn over the lines above and below."""
    marks = 0
    for character in unicodedata.normalize("NFD", text):
        marks = marks + 1 if unicodedata.category(character) in {"Mn", "Me"} else 0
        if marks > MOST_MARKS:
            return True
    return False


def has_hidden_characters(text: str) -> bool:
    return bool(_hidden_places(text))


def looks_like_secret(text: str) -> bool:
    """Whether `text` contains something of the shape of a secret, also if invisible characters are in it."""
    if "_" not in text:
        return False
    hidden = _hidden_places(text)
    return bool(_SECRET.search("".join(character for at, character in enumerate(text) if at not in hidden)))


def refuse_secret(text: str, why: str) -> None:
    """Raises ValidationError if `text` contains something that looks like a secret. `why` says what would happen."""
    if looks_like_secret(text):
        raise ValidationError(f"This looks like an API key. {why}", code="secret")


def without_hidden_characters(text: str) -> str:
    """`text` in NFC, with its white space folded and every invisible character removed."""
    hidden = _hidden_places(text)
    visible = "".join(character for at, character in enumerate(text) if at not in hidden)
    return unicodedata.normalize("NFC", " ".join(visible.split()))


def named_like(text: str, column: str = "name") -> Q:
    """Rows whose `column` contains `text`. Either may be written in any Unicode form."""
    composed, decomposed = unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)
    return Q(**{f"{column}__icontains": composed}) | Q(**{f"{column}__icontains": decomposed})


def clean_name(value: str) -> str:
    """`value` in Unicode's NFC with its white space folded.

    Raises ValidationError if it is empty or longer than 64 characters; if it contains control, zero-width or
    direction-changing characters, which make one name look like another (Unicode TR 36, 2.5); or if it contains
    something that looks like a secret in the wrong field, because everyone in the project can read names.
    """
    return _clean(value, "name", MAX_LENGTH)


# What pages and emails say instead of a person.
_NOBODYS_NAMES = {"an operator", "an operator of this server", "a deleted account"}


def clean_persons_name(value: str) -> str:
    """The same for the name of a person, which may be empty. It must not read as an address, or as nobody's name."""
    if not value.strip():
        return ""
    name = clean_name(value)
    shown = unicodedata.normalize("NFKC", name).casefold()
    if "@" in shown:
        raise ValidationError("A name cannot contain @. Your email is shown beside it anyway.", code="address")
    if shown.strip(" .,;:!?") in _NOBODYS_NAMES:
        raise ValidationError("This name means somebody else on this server. Choose another one.", code="reserved")
    return name


def clean_note(value: str) -> str:
    """The same for a note of at most 200 characters, which may be empty."""
    return _clean(value, "note", MAX_NOTE) if value.strip() else ""


def _clean(value: str, what: str, most: int) -> str:
    # The first error, because a form shows such a field empty.
    refuse_secret(value, f"Everyone in the project sees {what}s.")
    if has_hidden_characters(value):
        raise ValidationError(f"This {what} contains invisible characters. Remove them.", code="hidden_characters")
    text = unicodedata.normalize("NFC", " ".join(value.split()))
    if _has_stacked_marks(text):
        raise ValidationError(
            f"This {what} has more than {MOST_MARKS} accents or other marks on one letter. Remove some.",
            code="stacked_marks",
        )
    if not text:
        raise ValidationError(f"Enter a {what}.", code="required")
    if len(text) > most:
        raise ValidationError(
            f"Use at most {most} characters. This {what} has {counted(len(text))}.", code="max_length"
        )
    return text


class NameField(forms.CharField):
    """A form field for a name. `clean_name` alone decides, so that pages and commands give the same answer."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**{"required": False, "strip": False, **kwargs})  # type: ignore[arg-type]
        self.widget.attrs |= {"maxlength": MAX_LENGTH, "autocomplete": "off", "aria-required": "true"}

    def clean(self, value: object) -> str:
        return clean_name("" if value is None else str(value))


class NoteField(forms.CharField):
    """A form field for a note. `clean_note` alone decides."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**{"required": False, "strip": False, **kwargs})  # type: ignore[arg-type]
        self.widget.attrs |= {"maxlength": MAX_NOTE, "autocomplete": "off"}

    def clean(self, value: object) -> str:
        return clean_note("" if value is None else str(value))
