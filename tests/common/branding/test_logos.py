"""A logo is a picture by its content, small, and unable to run or load anything."""

import pytest

from common.branding.logo import MOST_BYTES, NoLogo, read_logo
from tests.support.settings.branded import SVG, png

pytestmark = pytest.mark.nodb

ROOT = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 24 24">'


def svg(inside: str, root: str = ROOT) -> bytes:
    return f"{root}{inside}</svg>".encode()


PNG = png()
HOSTILE = {
    "a script": (svg("<script>alert(1)</script>"), "element <script>"),
    "a script of another file": (svg('<script href="https://evil.example/x.js"/>'), "element <script>"),
    "a script under another prefix": (
        b'<s:svg xmlns:s="http://www.w3.org/2000/svg"><s:script>alert(1)</s:script></s:svg>',
        "element <script>",
    ),
    "a script of HTML": (svg('<script xmlns="http://www.w3.org/1999/xhtml">alert(1)</script>'), "element <script>"),
    "a page within it": (svg("<foreignObject><p>hi</p></foreignObject>"), "element <foreignObject>"),
    "a handler": (svg('<path d="M0 0" onload="alert(1)"/>'), "script (onload)"),
    "a handler of the picture": (svg("", ROOT.replace("viewBox", 'onload="alert(1)" viewBox')), "script (onload)"),
    "a handler in capitals": (svg('<path d="M0 0" ONCLICK="alert(1)"/>'), "script (onclick)"),
    "a link": (svg('<a href="javascript:alert(1)"><path d="M0 0"/></a>'), "element <a>"),
    "an animation": (svg('<set attributeName="href" to="javascript:alert(1)"/>'), "element <set>"),
    "a picture from elsewhere": (svg('<image href="https://evil.example/x.png"/>'), "names another file"),
    "the same in the old spelling": (svg('<image xlink:href="//evil.example/x.png"/>'), "names another file"),
    "an SVG within it": (svg('<image href="data:image/svg+xml;base64,AAAA"/>'), "names another file"),
    "a use of another file": (svg('<use href="other.svg#x"/>'), "names another file"),
    "another base": (svg('<g xml:base="https://evil.example/"/>'), "names another file"),
    "a style that loads": (svg("<style>path { fill: url(https://evil.example/x) }</style>"), "names another file"),
    "a style in two parts": (svg("<style>p { fill: ur<!-- -->l(//evil.example) }</style>"), "names another file"),
    "a style in other letters": (svg("<style>p { fill: \\75rl(//evil.example) }</style>"), "names another file"),
    "a style that imports": (svg("<style>@import 'https://evil.example/x.css';</style>"), "names another file"),
    "an attribute that loads": (svg("<path style=\"fill: url('//evil.example')\"/>"), "names another file"),
    "a filter from elsewhere": (svg('<path filter="url(https://evil.example/#f)"/>'), "names another file"),
    "a stylesheet": (b'<?xml-stylesheet href="x.css"?>' + svg(""), "processing instruction"),
    "entities": (b'<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + svg("<title>&b;</title>"), "DOCTYPE"),
    "no end": (ROOT.encode(), "no well-formed SVG"),
    "no namespace": (b'<svg viewBox="0 0 1 1"></svg>', "no SVG picture"),
    "a page with a picture": (b"<html><body><svg></svg></body></html>", "no SVG picture"),
    "another encoding": (('<?xml version="1.0" encoding="utf-16"?>' + SVG.decode()).encode("utf-16"), "neither"),
    "a wrong encoding": (b'<?xml version="1.0" encoding="latin-1"?>' + SVG, "not in UTF-8"),
    "bytes that are not UTF-8": (svg("<title>x</title>").replace(b"x<", b"\xff<"), "not in UTF-8"),
    "a PNG that is cut off": (PNG[:-20], "PNG that"),
    "a PNG with nothing in it": (PNG[:8], "cut off"),
    "a PNG with more behind it": (PNG + b"<script>alert(1)</script>", "PNG"),
    "a PNG whose bytes have changed": (PNG.replace(b"IDAT", b"IDAQ"), "damaged"),
    "a PNG of too many pixels": (png(5000, 1), "at most 4096 by 4096"),
    "a JPEG": (b"\xff\xd8\xff\xe0" + b"\0" * 100, "neither a PNG nor an SVG"),
    "a text": (b"our logo", "neither a PNG nor an SVG"),
    "nothing": (b"", "neither a PNG nor an SVG"),
    "64 KB and a byte": (PNG + b"\0" * (MOST_BYTES + 1 - len(PNG)), "larger than 64 KB"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_no_picture_or_could_do_more_than_be_looked_at_is_refused_in_words(case):
    content, words = HOSTILE[case]
    with pytest.raises(NoLogo) as refused:
        read_logo(content)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


HARMLESS = {
    "shapes, gradients and a filter": svg(
        '<defs><linearGradient id="g"><stop offset="0" stop-color="#f00"/></linearGradient>'
        '<filter id="f"><feGaussianBlur stdDeviation="1"/></filter></defs>'
        '<path d="M0 0h24v24z" fill="url(#g)" filter="url(\'#f\')" style="stroke: url(#g)"/><use xlink:href="#g"/>'
    ),
    "a style for dark pages": svg("<style>@media (prefers-color-scheme: dark) { path { fill: #fff } }</style>"),
    "a picture inside": svg('<image href="data:image/png;base64,iVBORw0KGgo="/>'),
    "notes of a drawing program": svg(
        '<metadata><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></metadata>'
        '<inkscape:grid xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" originx="0"/>'
    ),
    "a declaration and a comment": b'<?xml version="1.0" encoding="UTF-8"?>\n<!-- ours -->\n' + SVG,
    "a prefix": b'<s:svg xmlns:s="http://www.w3.org/2000/svg"><s:path d="M0 0"/></s:svg>',
    "a name in another script": svg("<title>Ключи</title>"),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_a_picture_that_only_draws_is_a_logo(case):
    logo = read_logo(HARMLESS[case])
    assert logo.file.content == HARMLESS[case]
    assert logo.file.content_type == "image/svg+xml"
    assert logo.file.name.startswith("logo.")
    assert logo.file.name.endswith(".svg")


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (png(48, 48), (24, 24)),
        (png(400, 100), (96, 24)),
        (png(4000, 10), (120, 24)),
        (png(1, 4000), (1, 24)),
        (SVG, (48, 24)),
        (svg("", ROOT.replace('viewBox="0 0 24 24"', 'width="60px" height="30"')), (48, 24)),
        (svg("", ROOT.replace('viewBox="0 0 24 24"', 'width="100%"')), (24, 24)),
        (svg("", ROOT.replace("0 0 24 24", "0,0,72,24")), (72, 24)),
        (svg("", ROOT.replace("0 0 24 24", "0 0 1000000 0.000001")), (120, 24)),
        (svg("<g>" * 199 + "</g>" * 199), (24, 24)),
        (svg("<g></g>" * 5000), (24, 24)),
    ],
)
def test_pages_know_how_large_a_logo_is_before_it_is_loaded(content, size):
    logo = read_logo(content)
    assert (logo.width, logo.height) == size


NUMBERS = ["1e308 1", "1 1e308", "1e999 1", "nan 1", "1 nan", "nan 0", "inf inf", "-1 -1", "0 1", "1 0", "1e-320 1"]


@pytest.mark.parametrize("numbers", NUMBERS)
def test_a_size_that_no_picture_has_is_refused_in_words(numbers):
    width, height = numbers.split()
    for box in (f'viewBox="0 0 {numbers}"', f'width="{width}" height="{height}px"'):
        with pytest.raises(NoLogo, match="without a usable size"):
            read_logo(svg("", ROOT.replace('viewBox="0 0 24 24"', box)))


def test_elements_that_lie_too_deep_are_refused_in_words():
    for depth in (200, 9000):
        with pytest.raises(NoLogo, match="more than 200 deep"):
            read_logo(svg("<g>" * depth + "</g>" * depth))


def test_the_name_of_a_logo_changes_with_its_content():
    assert read_logo(png(48, 48)).file.name != read_logo(png(48, 47)).file.name
