"""In which order projects are listed."""

import re

from django.urls import reverse

from tests.support.factories import MembershipFactory, ProjectFactory, UserFactory


def test_projects_are_sorted_by_name_in_the_list_and_in_the_switcher(db, signed_in):
    """They were sorted by creation, so that nobody with several projects found one where it was expected."""
    person = UserFactory()
    for name in ("beta", "Alpha", "gamma"):
        MembershipFactory(project=ProjectFactory(name=name), user=person)
    page = signed_in(person).get(reverse("projects:list")).content.decode()
    assert re.findall(r"<span>\s+(\w+)\s+</span>\s+</a>", page) == ["Alpha", "beta", "gamma"]
    assert re.findall(r'class="row-main" href="[^"]+">(\w+)<', page) == ["Alpha", "beta", "gamma"]
