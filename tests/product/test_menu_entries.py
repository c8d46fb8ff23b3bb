"""Every page of a project marks the entry of the sidebar under which it stands."""

import re

import pytest

from projects.context_processors import menu_entry
from tests.support.places.access import ACCESS, OF_A_PROJECT, PERSONAS
from tests.support.places.pages import page

pytestmark = pytest.mark.django_db
OWNER = PERSONAS.index("owner")
PAGES = [
    route
    for route in OF_A_PROJECT
    if route.is_page and ACCESS[route.pattern].get("GET", (0,) * 6)[OWNER] == 200 and not route.pattern.endswith("csv")
]
# The entry of each page, by the first part of its address after the project.
ENTRIES = {
    "": "dashboard",
    "start": "dashboard",
    "usage": "usage",
    "activity": "activity",
    "members": "members",
    "invitations": "members",
    "settings": "settings",
    "keys": "settings",
    "show-once": "settings",
    "delete": "settings",
}


@pytest.mark.parametrize("route", PAGES, ids=[route.pattern for route in PAGES])
def test_a_page_of_a_project_marks_its_entry(route, signed_in, owner, project, api_key, viewer, invitation):
    """The page itself as `page`, and a page below an entry as `true`."""
    ids = {"key_id": api_key.public_id, "user_id": viewer.public_id, "invitation_id": invitation.public_id}
    path = route.path(project_id=project.public_id, **ids)
    content = signed_in(owner).get(path).content.decode()
    main = re.search(r'<nav aria-label="Main">(.*?)</nav>', content, re.DOTALL)
    assert main
    name = ENTRIES[route.pattern.split("/")[2]]
    entry = page(f"{'projects' if name == 'members' else 'apikeys'}:{name}", project)
    marked = re.findall(r'<a\s+href="([^"]+)"\s+aria-current="(\w+)"', main[1])
    assert marked == [(entry, "page" if path == entry else "true")]


def test_a_page_of_no_project_is_below_no_entry():
    assert [menu_entry(path) for path in ("/help/", "/projects/", "/projects/new/", "/invitations/")] == [""] * 4
