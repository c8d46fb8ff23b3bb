"""Everything that the operator chooses about how the product is called and looks. `settings.BRAND` holds it."""

import re
import unicodedata
from dataclasses import dataclass
from typing import NamedTuple

from common.branding.brand_files import BrandFile
from common.branding.logo import Logo

PRODUCT = "Latchkey"
FILES_PATH = "/files"
# A name of these characters needs no quotes before an email address (RFC 5322, 3.2.3).
_NEEDS_NO_QUOTES = re.compile(r"[\w &'+-]+")


class Link(NamedTuple):
    """A page of the operator's. `icon` is its name in heroicons."""

    text: str
    address: str
    icon: str


@dataclass(frozen=True)
class Brand:
    """The defaults are Latchkey's own. An address that is "" is not shown."""

    name: str = PRODUCT
    key_variable: str = "LATCHKEY_API_KEY"
    snippet_path: str = FILES_PATH
    logo: Logo | None = None
    stylesheet: BrandFile | None = None
    docs_url: str = ""
    support_url: str = ""
    status_url: str = ""
    terms_url: str = ""
    privacy_url: str = ""
    shows_files: bool = True

    def __str__(self) -> str:
        return self.name

    @property
    def name_beside_logo(self) -> str:
        """The name, unless the logo is so wide that it must contain the name itself."""
        return "" if self.logo and self.logo.is_wide else self.name

    @property
    def shows_check(self) -> bool:
        """Whether pages may name what bears Latchkey's name: the check that gateways make, and its headers.

        The check is the operator's. Customers of a product with another name have nothing to do with it.
        """
        return self.name == PRODUCT

    @property
    def snippet_lists_files(self) -> bool:
        return self.shows_files and self.snippet_path == FILES_PATH

    @property
    def help_links(self) -> list[Link]:
        return _given(
            Link("Documentation", self.docs_url, "book-open"),
            Link("Support", self.support_url, "lifebuoy"),
            Link("Status", self.status_url, "signal"),
        )

    @property
    def legal_links(self) -> list[Link]:
        return _given(Link("Terms", self.terms_url, "document-text"), Link("Privacy", self.privacy_url, "shield-check"))

    @property
    def links(self) -> list[Link]:
        return [*self.help_links, *self.legal_links]

    @property
    def administrator(self) -> str:
        """Whom emails advise to tell, with the operator's contact if there is one."""
        contact = self.support_url.removeprefix("mailto:")
        return f"an administrator of this server ({contact})" if contact else "an administrator of this server"

    @property
    def files(self) -> dict[str, BrandFile]:
        """What /brand/ serves, by the name in the address."""
        found = (self.logo.file if self.logo else None, self.stylesheet)
        return {file.name: file for file in found if file}

    @property
    def sender(self) -> str:
        """The sender of emails where the operator gave no address."""
        shown = self.name if _NEEDS_NO_QUOTES.fullmatch(self.name) else f'"{self.name}"'
        return f"{shown} <{_words(self.name).lower() or 'keys'}@localhost>"


def _given(*links: Link) -> list[Link]:
    return [link for link in links if link.address]


def variable_for(name: str) -> str:
    """The environment variable that snippets read the key from: `LATCHKEY_API_KEY` for Latchkey."""
    words = _words(name)
    variable = f"{words}_API_KEY" if words else "API_KEY"
    return f"_{variable}" if variable[0].isdigit() else variable


def _words(name: str) -> str:
    """The letters and digits of the name that ASCII has, in capitals: `ADA_S_API`; "" if it has none."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_").upper()
