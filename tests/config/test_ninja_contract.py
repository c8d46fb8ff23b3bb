"""The parts of Ninja that config/ninja_internals.py relies on. A release of Ninja that changes them fails here."""

import pytest
from django.http import HttpResponse
from django.urls import URLPattern
from ninja import NinjaAPI

from config import ninja_internals

pytestmark = pytest.mark.nodb


def wrapped(view):
    return lambda request: HttpResponse(f"wrapped {view(request).status_code}")


class Api(ninja_internals.Api):
    wrap = staticmethod(wrapped)


def names(api: NinjaAPI) -> list[str | None]:
    return [pattern.name for pattern in api.urls[0] if isinstance(pattern, URLPattern)]


def test_the_root_is_left_out_and_every_view_is_wrapped(rf):
    theirs, ours = NinjaAPI(urls_namespace="theirs"), Api(urls_namespace="ours")
    for api in (theirs, ours):
        api.get("/here", url_name="here")(lambda request: {})
    assert names(theirs) == [*names(ours), "api-root"]
    assert "here" in names(ours)
    answers = [pattern.callback(rf.get("/here")).content for pattern in ours.urls[0] if pattern.name == "here"]
    assert answers == [b"wrapped 200"]
