"""Judges a logo: a PNG or an SVG by its content, which cannot run anything and loads nothing from elsewhere.

Pages show the logo by `<img>` alone, where browsers run no script of an SVG. A logo with a script is refused all the
same, because somebody may open its address.
"""

import re
import struct
import zlib
from typing import NamedTuple
from xml.parsers import expat

from common.branding.brand_files import BrandFile, brand_file

MOST_BYTES = 64 * 1024
# The side of a PNG: a small file can decompress to more pixels than a browser has memory for.
MOST_PIXELS = 4096
# The longest side in the numbers of an SVG, and how deep its elements may lie in each other. Drawings stay far below
# both. Browsers give up on a picture that is deeper than some hundred elements.
MOST_UNITS, MOST_LEVELS = 1_000_000, 200
# How large pages show a logo, in CSS pixels. A wide one is shown smaller.
HEIGHT, MOST_WIDTH = 24, 120

_PNG = b"\x89PNG\r\n\x1a\n"
_SVG = "http://www.w3.org/2000/svg"
# The elements of SVG that draw. No links, no animations (they can change an address), no foreign pages.
_DRAWS = {
    *("svg", "g", "defs", "symbol", "use", "switch", "view", "title", "desc", "metadata", "style"),
    *("path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "image", "text", "tspan", "textPath"),
    *("linearGradient", "radialGradient", "stop", "clipPath", "mask", "pattern", "marker", "filter"),
    *("feBlend", "feColorMatrix", "feComponentTransfer", "feComposite", "feConvolveMatrix", "feDiffuseLighting"),
    *("feDisplacementMap", "feDistantLight", "feDropShadow", "feFlood", "feFuncA", "feFuncB", "feFuncG", "feFuncR"),
    *("feGaussianBlur", "feMerge", "feMergeNode", "feMorphology", "feOffset", "fePointLight", "feSpecularLighting"),
    *("feSpotLight", "feTile", "feTurbulence"),
}
# Notes of drawing programs, which browsers ignore.
_NOTES = {
    *("http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://purl.org/dc/elements/1.1/"),
    *("http://creativecommons.org/ns#", "http://web.resource.org/cc/"),
    *("http://www.inkscape.org/namespaces/inkscape", "http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd"),
}
_INSIDE = re.compile(r"#|data:image/(?:png|jpeg|gif|webp);base64,", re.IGNORECASE)
# Where CSS loads something. A backslash could write the same in other letters.
_LOADS = re.compile(r"url\(\s*[\"']?(?!\s*[\"']?#)|@import|\b(?:image-set|image|src)\(|\\", re.IGNORECASE)
_NAMES_ANOTHER = "the logo is an SVG that names another file. Everything has to be in the logo itself."


class NoLogo(ValueError):
    """The text says what is wrong with the logo."""


class Logo(NamedTuple):
    """A picture and how large pages show it."""

    file: BrandFile
    width: int
    height: int

    @property
    def is_wide(self) -> bool:
        return self.width >= 2.5 * self.height


def read_logo(content: bytes) -> Logo:
    """Raises NoLogo for a file that is too long, that is no picture, or that could do more than be looked at."""
    if len(content) > MOST_BYTES:
        raise NoLogo(f"the logo is larger than {MOST_BYTES // 1024} KB.")
    if content.startswith(_PNG):
        return _logo("png", "image/png", content, *_size_of_png(content))
    if b"<svg" in content or b":svg" in content:
        return _logo("svg", "image/svg+xml", content, *_SvgJudge().judge(content))
    raise NoLogo("the logo is neither a PNG nor an SVG picture.")


def _logo(suffix: str, content_type: str, content: bytes, width: float, height: float) -> Logo:
    shown = min(MOST_WIDTH, max(1, round(HEIGHT * width / height)))
    return Logo(brand_file("logo", suffix, content, content_type), shown, HEIGHT)


def _size_of_png(content: bytes) -> tuple[int, int]:
    """The picture's width and height. Every part has to be there, whole (PNG, 5.3)."""
    kinds, at = [], len(_PNG)
    try:
        while at < len(content):
            length, kind = struct.unpack_from(">I4s", content, at)
            [checksum] = struct.unpack_from(">I", content, at + 8 + length)
            if zlib.crc32(content[at + 4 : at + 8 + length]) != checksum:
                raise NoLogo("the logo is a damaged PNG.")
            kinds.append(kind)
            at += 12 + length
        width, height = struct.unpack_from(">II", content, len(_PNG) + 8)
    except struct.error:
        raise NoLogo("the logo is a PNG that is cut off.") from None
    if kinds[0] != b"IHDR" or kinds.count(b"IEND") != 1 or kinds[-1] != b"IEND":
        raise NoLogo("the logo is a PNG that does not end where it should.")
    if b"IDAT" not in kinds or not (0 < width <= MOST_PIXELS and 0 < height <= MOST_PIXELS):
        raise NoLogo(f"the logo is a PNG without a picture of at most {MOST_PIXELS} by {MOST_PIXELS} pixels.")
    return width, height


class _SvgJudge:
    """Reads an SVG, and refuses everything that does not draw."""

    def __init__(self) -> None:
        self.size: tuple[float, float] | None = None
        self.level = 0
        self.texts: list[str] = []
        # The parser joins a name's namespace and the name with this separator.
        self.parser = expat.ParserCreate("utf-8", namespace_separator=" ")
        self.parser.XmlDeclHandler = self._declared
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.ProcessingInstructionHandler = self._instruction
        self.parser.StartElementHandler = self._started
        self.parser.EndElementHandler = self._ended
        self.parser.CharacterDataHandler = self.texts.append

    def judge(self, content: bytes) -> tuple[float, float]:
        """The picture's width and height, or its proportions."""
        try:
            content.decode()
            self.parser.Parse(content, True)
        except UnicodeDecodeError:
            raise NoLogo("the logo is an SVG that is not in UTF-8.") from None
        except expat.ExpatError as error:
            raise NoLogo(f"the logo is no well-formed SVG: line {error.lineno} cannot be read.") from None
        # As a whole, because a comment may stand in the middle of a word of the style.
        _refuse_addresses("".join(self.texts))
        return self.size or (1, 1)

    def _declared(self, version: str, encoding: str | None, standalone: int) -> None:
        if (encoding or "utf-8").lower() not in {"utf-8", "us-ascii"}:
            raise NoLogo("the logo is an SVG that is not in UTF-8.")

    def _doctype(self, *facts: object) -> None:
        raise NoLogo("the logo is an SVG with a DOCTYPE, which may define entities. Remove it.")

    def _instruction(self, target: str, text: str) -> None:
        raise NoLogo("the logo is an SVG with a processing instruction. Remove it.")

    def _started(self, name: str, attributes: dict[str, str]) -> None:
        self.level += 1
        if self.level > MOST_LEVELS:
            raise NoLogo(f"the logo is an SVG whose elements lie more than {MOST_LEVELS} deep in each other.")
        namespace, _, element = name.rpartition(" ")
        if self.size is None:
            if (namespace, element) != (_SVG, "svg"):
                raise NoLogo(f'the logo is no SVG picture: it does not begin with <svg xmlns="{_SVG}">.')
            self.size = _proportions(attributes)
        if namespace not in _NOTES and not (namespace == _SVG and element in _DRAWS):
            raise NoLogo(f"the logo is an SVG with the element <{element[:40]}>. A logo may only draw.")
        for attribute, value in attributes.items():
            self._judge_attribute(attribute.rpartition(" ")[2].lower(), value)

    def _ended(self, name: str) -> None:
        self.level -= 1

    def _judge_attribute(self, attribute: str, value: str) -> None:
        if attribute.startswith("on"):
            raise NoLogo(f"the logo is an SVG with a script ({attribute[:40]}). A logo may only draw.")
        if attribute == "base" or (attribute in {"href", "src"} and not _INSIDE.match(value.strip())):
            raise NoLogo(_NAMES_ANOTHER)
        _refuse_addresses(value)


def _refuse_addresses(text: str) -> None:
    if _LOADS.search(text):
        raise NoLogo(_NAMES_ANOTHER)


def _proportions(attributes: dict[str, str]) -> tuple[float, float]:
    """Width and height by the viewBox, else by the attributes. A picture that says neither is a square."""
    box = attributes.get("viewBox", "").replace(",", " ").split()
    sides = box[2:] if len(box) == 4 else [attributes.get("width", ""), attributes.get("height", "")]
    try:
        width, height = (float(side.removesuffix("px")) for side in sides)
    except ValueError:
        return 1, 1
    # Also "nan", which is no number between any two.
    if not (1 / MOST_UNITS <= width <= MOST_UNITS and 1 / MOST_UNITS <= height <= MOST_UNITS):
        raise NoLogo(
            "the logo is an SVG without a usable size: the last two numbers of its viewBox, or its width and height, "
            f"have to be above 0 and at most {MOST_UNITS:,}."
        )
    return width, height
