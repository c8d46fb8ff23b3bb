"""The rule for the names of projects and keys."""

import re
import unicodedata

from django import forms
from django.core.exceptions import ValidationError

MAX_LENGTH = 64

# Letters and symbols by category, but blank to the eye (Hangul fillers, the empty Braille pattern), and
# the replacement character, which is what broken UTF-8 is read as.
_REFUSED = frozenset("\u115f\u1160\u3164\uffa0\u2800\ufffd\U00016fe4\U0001d159")
# Marks that show as nothing (Unicode's Default_Ignorable_Code_Point): joiners and variation selectors.
_INVISIBLE_MARKS = frozenset(
    map(chr, [0x34F, 0x17B4, 0x17B5, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)])
)
# The selector that makes an emoji of a symbol is seen, after a symbol.
_EMOJI_STYLE = re.compile("(?<=[\u2190-\u27bf\u2934-\u2b55\U0001f000-\U0001faff])\ufe0f")
# What a secret looks like, whatever its prefix.
_SECRET = re.compile("[a-z][a-z0-9]{0,11}_[0-9A-Za-z]{36}")
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def _is_hidden(character: str) -> bool:
    return (
        character in _REFUSED
        or character in _INVISIBLE_MARKS
        or (unicodedata.category(character) in _HIDDEN_CATEGORIES and character not in "\t\n\r")
    )


def has_hidden_characters(text: str) -> bool:
    return any(map(_is_hidden, _EMOJI_STYLE.sub("", text)))


def without_hidden_characters(text: str) -> str:
    """`text` in NFC with its white space folded and every hidden character left out."""
    return unicodedata.normalize("NFC", " ".join("".join(c for c in text if not _is_hidden(c)).split()))


def clean_name(value: str) -> str:
    """`value` in Unicode's NFC with its white space folded.

    Raises ValidationError if it is empty, longer than 64 characters, or holds control, zero-width or
    direction-changing characters, which make one name pass for another (Unicode TR 36, 2.5); or if it holds what
    looks like a secret, pasted into the wrong field: names are stored and shown to everyone in the project.
    """
    if has_hidden_characters(value):
        raise ValidationError("Use visible characters only: this name holds hidden ones.", code="hidden_characters")
    name = unicodedata.normalize("NFC", " ".join(value.split()))
    if not name:
        raise ValidationError("Enter a name.", code="required")
    if len(name) > MAX_LENGTH:
        raise ValidationError(f"Use at most {MAX_LENGTH} characters; this has {len(name)}.", code="max_length")
    if _SECRET.search(name):
        raise ValidationError("This looks like an API key. Names are shown to everyone; choose another.", code="secret")
    return name


class NameField(forms.CharField):
    """A form field for a name; `clean_name` alone decides, so pages and commands say the same."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**{"required": False, "strip": False, **kwargs})  # type: ignore[arg-type]
        self.widget.attrs |= {"maxlength": MAX_LENGTH, "autocomplete": "off", "required": True}

    def clean(self, value: object) -> str:
        return clean_name("" if value is None else str(value))
