"""The operator's name in the environment: what cannot be shown, or could do harm, stops the start in words."""

import os
import re
import unicodedata
from pathlib import Path

from common.branding.accent import accent_of, is_colour
from common.branding.brand import FILES_PATH, PRODUCT, Brand, variable_for
from common.branding.brand_files import BrandFile, brand_file
from common.branding.logo import MOST_BYTES, Logo, NoLogo, read_logo
from common.names import has_hidden_characters
from config.environment import given_addresses
from config.environment import variables as env

MOST_CHARACTERS = 40
# They would end the name in the sender of an email, or in the label that an authenticator app shows.
_NOT_IN_A_NAME = set('<>"\\:')
# Snippets contain both as they are, in six languages.
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
# A person who pastes a snippet with such a name breaks their shell, or what it starts. zsh also knows `path`.
_OF_SHELLS = {
    *("_", "PATH", "HOME", "IFS", "ENV", "BASH_ENV", "SHELL", "SHELLOPTS", "BASHOPTS", "PWD", "OLDPWD", "CDPATH"),
    *("FPATH", "MANPATH", "USER", "LOGNAME", "UID", "EUID", "GID", "EGID", "PPID", "HOSTNAME", "HOST", "TERM", "TZ"),
    *("LANG", "LANGUAGE", "TMPDIR", "TEMP", "TMP", "PS1", "PS2", "PS3", "PS4", "PROMPT", "PROMPT_COMMAND", "RANDOM"),
    *("SECONDS", "LINENO", "OPTARG", "OPTIND", "STATUS", "EDITOR", "VISUAL", "PAGER", "DISPLAY", "COMSPEC", "PATHEXT"),
    *("SYSTEMROOT", "WINDIR", "USERPROFILE", "PYTHONPATH", "PYTHONHOME", "NODE_OPTIONS", "NODE_PATH", "RUBYOPT"),
    *("CLASSPATH", "GOPATH", "SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
}
_OF_LOADERS = ("LD_", "DYLD_", "LC_", "BASH_FUNC_", "AWS_", "GIT_", "NPM_", "SSH_", "DOCKER_")
# Programs take settings from variables that begin so. A name that ends as one of a secret is none of theirs.
_OF_PROGRAMS = (
    *("NODE_", "JAVA_", "JDK_", "_JAVA_", "PERL5", "PYTHON", "RUBYOPT", "RUBYLIB", "GEM_", "CURL_", "SSL_", "OPENSSL_"),
    *("REQUESTS_", "PIP_", "CARGO_", "RUSTFLAGS", "RUSTC_", "DOTNET_", "CORECLR_", "MALLOC_", "GOFLAGS", "GOROOT"),
    *("GCONV_", "HTTP_", "HTTPS_", "FTP_", "XDG_", "SYSTEMD_", "PHP_", "COMPOSER_", "BUNDLE_"),
)
_OF_SECRETS = ("_KEY", "_TOKEN", "_SECRET")
_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?")
_LONGEST_PATH = 200


def brand() -> Brand:
    """Raises ImproperlyConfigured that names the variable."""
    name, shows_files = _name(), env.flag("SHOW_FILES", True)
    return Brand(
        name=name,
        key_variable=_key_variable(name),
        snippet_path=_snippet_path(shows_files),
        logo=_logo(),
        stylesheet=_stylesheet(),
        docs_url=given_addresses.link("DOCS_URL"),
        support_url=given_addresses.link("SUPPORT_URL", or_email=True),
        status_url=given_addresses.link("STATUS_URL"),
        terms_url=given_addresses.link("TERMS_URL"),
        privacy_url=given_addresses.link("PRIVACY_URL"),
        shows_files=shows_files,
    )


def _name() -> str:
    name = env.given("BRAND_NAME") or PRODUCT
    if has_hidden_characters(name) or set(name) & set("\t\n\r"):
        raise env.refusal("BRAND_NAME", "it must be one line without invisible characters.")
    if set(name) & _NOT_IN_A_NAME:
        raise env.refusal("BRAND_NAME", 'it must not contain any of < > " \\ and :.')
    if len(name) > MOST_CHARACTERS:
        raise env.refusal("BRAND_NAME", f"it must have at most {MOST_CHARACTERS} characters.")
    return unicodedata.normalize("NFC", " ".join(name.split()))


def _key_variable(name: str) -> str:
    variable = env.given("KEY_VARIABLE") or variable_for(name)
    if not _VARIABLE.fullmatch(variable):
        problem = "it must be the name of an environment variable: letters, digits and _, at most 64, no digit first."
        raise env.refusal("KEY_VARIABLE", problem)
    upper = variable.upper()
    is_of_program = upper.startswith(_OF_PROGRAMS) and not upper.endswith(_OF_SECRETS)
    if upper.startswith(_OF_LOADERS) or upper in _OF_SHELLS or is_of_program:
        raise env.refusal(
            "KEY_VARIABLE", f"shells and programs use {variable} for something else. Choose another name."
        )
    return variable


def _snippet_path(shows_files: bool) -> str:
    """By default a call that answers: this server's API has no files if SHOW_FILES is off."""
    default = FILES_PATH if shows_files or env.given("API_URL") else "/me"
    path = env.given("SNIPPET_PATH") or default
    if len(path) > _LONGEST_PATH or not _PATH.fullmatch(path):
        raise env.refusal("SNIPPET_PATH", "it must be a path such as /files: letters, digits, - . _ and ~ between /.")
    return path


def _logo() -> Logo | None:
    # The variable has the path itself. Its name ends in _FILE, as the names of files with other variables do.
    path = os.environ.get("BRAND_LOGO_FILE", "").strip()
    if not path:
        return None
    try:
        return read_logo(_content(Path(path)))
    except OSError as error:
        raise env.refusal("BRAND_LOGO_FILE", f"cannot read {path!r}: {error.strerror}.") from None
    except NoLogo as error:
        raise env.refusal("BRAND_LOGO_FILE", str(error)) from None


def _content(path: Path) -> bytes:
    """The beginning of a file, up to one byte more than a logo may have."""
    path.stat()
    if not path.is_file():  # reading a pipe or a device might never end
        raise NoLogo("it is no file.")
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)


def _stylesheet() -> BrandFile | None:
    colour = env.given("BRAND_ACCENT")
    if not colour:
        return None
    if not is_colour(colour):
        raise env.refusal("BRAND_ACCENT", "it must be a colour with three or six hexadecimal digits, as #6d28d9.")
    return brand_file("colours", "css", accent_of(colour).stylesheet.encode(), "text/css; charset=utf-8")
