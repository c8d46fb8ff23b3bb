import pytest
from django.test import Client


@pytest.fixture
def clients(owner, outsider, viewer, admin, signed_in) -> dict[str, Client]:
    """A client for each of PERSONAS."""
    people = {"outsider": outsider, "viewer": viewer, "owner": owner, "admin": admin}
    return {"anonymous": Client()} | {name: signed_in(person) for name, person in people.items()}
