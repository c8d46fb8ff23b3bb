import pytest
from django.test import Client

from accounts.models import User
from projects.members.memberships import change_member
from tests.support.factories import MembershipFactory, UserFactory


@pytest.fixture
def clients(owner, outsider, viewer, developer, admin, signed_in) -> dict[str, Client]:
    """A client for each of PERSONAS."""
    people = {"outsider": outsider, "viewer": viewer, "developer": developer, "owner": owner, "admin": admin}
    return {"anonymous": Client()} | {name: signed_in(person) for name, person in people.items()}


@pytest.fixture
def other_clients(project, owner, invitation, signed_in) -> dict[str, Client]:
    """A client for each of AS_ANOTHER."""
    people = {"invited": UserFactory(email=invitation.email)}
    for name in ("former", "deactivated"):
        people[name] = MembershipFactory(project=project, user=UserFactory(email=f"{name}@example.com")).user
    found = {name: signed_in(person) for name, person in people.items()}
    change_member(project=project, user=people["former"], role=None, by=owner)
    User.objects.filter(pk=people["deactivated"].pk).update(is_active=False)
    return found
