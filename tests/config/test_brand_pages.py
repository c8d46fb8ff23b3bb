"""The addresses of an operator's logo and colours: what browsers may do with them, and for how long."""

import re

import pytest
from django.test import Client

from common.branding.brand import Brand
from tests.support.settings.branded import SVG, ittybit, png, settings_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def brand(settings, tmp_path) -> Brand:
    settings.BRAND = settings_in(ittybit(tmp_path, logo=SVG))["BRAND"]
    return settings.BRAND


def test_logo_and_colours_are_served_for_ever_and_without_the_database(brand, django_assert_num_queries):
    assert sorted(file.content_type for file in brand.files.values()) == ["image/svg+xml", "text/css; charset=utf-8"]
    for file in brand.files.values():
        with django_assert_num_queries(0):
            answer = Client().get(f"/brand/{file.name}")
        assert (answer.status_code, answer.content) == (200, file.content)
        assert answer.headers["Content-Type"] == file.content_type
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert "Cookie" not in answer.headers.get("Vary", "")
        assert not answer.cookies


def test_a_logo_that_is_opened_by_itself_can_run_and_load_nothing(brand):
    answer = Client().get(f"/brand/{brand.logo.file.name}")
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_no_other_name_is_served(brand, settings):
    logo = brand.logo.file.name
    for name in ("logo.svg", f"{logo}x", logo.upper(), "..%2f..%2fmanage.py", ""):
        assert Client().get(f"/brand/{name}").status_code == 404, name
    assert Client().post(f"/brand/{logo}").status_code == 405
    settings.BRAND = Brand()
    assert Client().get(f"/brand/{logo}").status_code == 404


def test_pages_show_the_logo_by_img_alone_and_name_it_beside(brand):
    html = Client().get("/help/").content.decode()
    address = f"/brand/{brand.logo.file.name}"
    assert html.count(address) == 1
    assert re.search(
        rf'<img\s+class="brand-logo"\s+src="{re.escape(address)}"\s+width="48"\s+height="24"\s+alt=""', html
    )
    assert f'<link rel="stylesheet" href="/brand/{brand.stylesheet.name}">' in html
    assert "style=" not in html
    assert re.search(r'<span class="brand-name">ittybit</span>', html)


def test_a_wide_logo_stands_alone_and_is_named_by_its_text(settings, tmp_path, client):
    """It contains the name itself, as pictures of words do."""
    settings.BRAND = settings_in(ittybit(tmp_path, logo=png(250, 100)))["BRAND"]
    html = client.get("/help/").content.decode()
    assert 'alt="ittybit"' in html
    assert "brand-name" not in html


def test_a_default_page_asks_for_no_file_of_an_operators(client):
    html = client.get("/help/").content.decode()
    assert "/brand/" not in html
    assert "site-foot" not in html
