"""The variables of the operator's name: what they may hold, and what follows from the name alone."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage

from common.branding.brand import Brand, variable_for
from config.environment import branding
from tests.support.settings.branded import ITTYBIT, SVG, ittybit, png, settings_in

pytestmark = pytest.mark.nodb


@pytest.fixture
def read(monkeypatch):
    def read(**environment: str) -> Brand:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return branding.brand()

    return read


def test_a_default_installation_is_called_latchkey_and_has_nothing_of_an_operator(read):
    brand = read()
    assert brand == Brand()
    assert (brand.name, brand.key_variable, brand.snippet_path) == ("Latchkey", "LATCHKEY_API_KEY", "/files")
    assert (brand.files, brand.links, brand.sender) == ({}, [], "Latchkey <latchkey@localhost>")


def test_the_variables_make_the_brand(read, tmp_path):
    brand = read(**ittybit(tmp_path), SNIPPET_PATH="/v2/media.list")
    assert (brand.name, brand.key_variable, brand.snippet_path) == ("ittybit", "ITTYBIT_API_KEY", "/v2/media.list")
    assert [link.text for link in brand.links] == ["Documentation", "Support", "Status", "Terms", "Privacy"]
    assert {link.address for link in brand.links} == {value for name, value in ITTYBIT.items() if name.endswith("_URL")}
    assert sorted(file.content_type for file in brand.files.values()) == ["image/png", "text/css; charset=utf-8"]


def test_the_settings_that_name_the_product_follow_the_name(tmp_path):
    settings = settings_in(ittybit(tmp_path))
    assert settings["MFA_TOTP_ISSUER"] == "ittybit"
    assert settings["EMAIL_SUBJECT_PREFIX"] == "[ittybit] "
    assert settings["DEFAULT_FROM_EMAIL"] == "ittybit <ittybit@localhost>"


NAMES = {
    "ittybit": ("ITTYBIT_API_KEY", "ittybit <ittybit@localhost>"),
    "Acme, Inc.": ("ACME_INC_API_KEY", '"Acme, Inc." <acme_inc@localhost>'),
    "Zoë's  API": ("ZOE_S_API_API_KEY", "Zoë's API <zoe_s_api@localhost>"),
    "7bit": ("_7BIT_API_KEY", "7bit <7bit@localhost>"),
    "鍵": ("API_KEY", "鍵 <keys@localhost>"),
    "a@b.example": ("A_B_EXAMPLE_API_KEY", '"a@b.example" <a_b_example@localhost>'),
}


@pytest.mark.parametrize("name", NAMES)
def test_variable_and_sender_follow_from_the_name(name, read):
    """A mail server has to be able to read the sender: Django splits it into name and address."""
    settings, brand = settings_in({"BRAND_NAME": name}), read(BRAND_NAME=name)
    variable, sender = NAMES[name]
    assert (brand.key_variable, brand.sender) == (variable, sender)
    assert variable_for(brand.name) == variable
    assert settings["DEFAULT_FROM_EMAIL"] == sender
    message = EmailMessage("x", "y", sender, ["someone@example.com"]).message()
    assert message["From"].endswith("@localhost>")


def test_snippets_name_a_call_that_answers_if_this_servers_api_has_no_files(read):
    assert read(SHOW_FILES="false").snippet_path == "/me"
    assert read(SHOW_FILES="false", API_URL="https://api.ittybit.example").snippet_path == "/files"
    assert read(SHOW_FILES="false", SNIPPET_PATH="/media").snippet_path == "/media"


WRONG = {
    "BRAND_NAME": ["a\nb", "a\tb", "a\u200bb", "a\u202eb", "x" * 41, "a<b", "a>b", 'a"b', "a\\b", "a: b", "\u3164"],
    "KEY_VARIABLE": [
        "1KEY",
        "A KEY",
        "A-KEY",
        "A$KEY",
        "$(id)",
        "KEY=1",
        "K" * 65,
        "SCHLÜSSEL",
        "PATH",
        "home",
        "IFS",
        "LD_PRELOAD",
        *(
            "CURL_CA_BUNDLE",
            "REQUESTS_CA_BUNDLE",
            "NODE_EXTRA_CA_CERTS",
            "JAVA_TOOL_OPTIONS",
            "_JAVA_OPTIONS",
            "PERL5OPT",
        ),
        *("PYTHONSTARTUP", "GIT_SSH_COMMAND", "AWS_SECRET_ACCESS_KEY", "OPENSSL_CONF", "DOTNET_STARTUP_HOOKS"),
    ],
    "SNIPPET_PATH": [
        "files",
        "/",
        "//files",
        "/files//x",
        "/a b",
        "/a?b=1",
        "/$(id)",
        "/a'",
        '/a"',
        "/../x",
        "/a" * 101,
    ],
    "BRAND_ACCENT": ["purple", "6d28d9", "#6d28d", "#6d28d9ff", "#ggg", "var(--x)", "#fff;}"],
    **{
        name: ["ittybit.example", "/docs", "javascript:alert(1)", "ftp://ittybit.example", "https://", "https://a b"]
        for name in ("DOCS_URL", "SUPPORT_URL", "STATUS_URL", "TERMS_URL", "PRIVACY_URL")
    },
    "SHOW_FILES": ["maybe"],
}
# What a browser would take for something else than the page of an operator.
MORE_WRONG = [
    ("DOCS_URL", "mailto:help@ittybit.example"),
    ("SUPPORT_URL", "mailto:nobody"),
    ("TERMS_URL", "https://user:pass@ittybit.example/"),
    ("TERMS_URL", "https://ittybit.example/" + "x" * 1000),
]


@pytest.mark.parametrize(
    ("name", "value"), [*((name, value) for name, values in WRONG.items() for value in values), *MORE_WRONG]
)
def test_a_value_that_cannot_be_shown_is_refused_by_the_variables_name(name, value, read):
    with pytest.raises(ImproperlyConfigured, match=rf"^{name}: .+\. See docs/settings\.md\.$"):
        read(**{name: value})


def test_a_name_of_a_secret_that_no_program_reads_is_allowed(read):
    for name in ("NODE_API_KEY", "PERL5_TOKEN", "GOODS_KEY", "PERLITE"):
        assert read(KEY_VARIABLE=name).key_variable == name


LOGOS = {
    "a size of no picture": (b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1e308 1"/>', "usable size"),
    "a script": (SVG.replace(b"<path", b"<script>alert(1)</script><path"), "element <script>"),
    "10 MB": (b"\0" * 10 * 1024 * 1024, "larger than 64 KB"),
    "no picture": (b"GIF89a", "neither a PNG nor an SVG"),
}


@pytest.mark.parametrize("case", LOGOS)
def test_a_logo_that_cannot_be_shown_is_refused_in_words(case, read, tmp_path):
    content, words = LOGOS[case]
    (tmp_path / "logo").write_bytes(content)
    with pytest.raises(ImproperlyConfigured, match=rf"^BRAND_LOGO_FILE: .*{words}"):
        read(BRAND_LOGO_FILE=str(tmp_path / "logo"))


@pytest.mark.parametrize(
    ("path", "words"), [("missing", "No such file"), ("", "it is no file"), ("/dev/zero", "no file")]
)
def test_a_logo_that_is_no_file_is_refused_in_words(path, words, read, tmp_path):
    with pytest.raises(ImproperlyConfigured, match=rf"^BRAND_LOGO_FILE: .*{words}"):
        read(BRAND_LOGO_FILE=str(tmp_path / path))


def test_a_logo_is_read_whole(read, tmp_path):
    picture = png(200, 100)
    (tmp_path / "logo").write_bytes(picture)
    assert read(BRAND_LOGO_FILE=str(tmp_path / "logo")).logo.file.content == picture
