"""A double click in Chromium sends a form once, and the browser shows the first answer."""

from django.urls import reverse

from tests.browser.accounts import is_inside
from tests.browser.places import button
from tests.support.people.accounts import PASSWORD


def test_a_double_click_on_create_account_signs_the_person_in(page):
    """T14"""
    posts = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    page.goto(reverse("account_signup"))
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    button(page, "Create account").dblclick(delay=100)  # milliseconds; Chromium merges faster double clicks itself
    is_inside(page)
    assert len(posts) == 1
