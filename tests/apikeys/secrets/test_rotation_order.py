"""The order in which docs/security.md adds and removes entries, while servers restart one after the other."""

import pytest

from apikeys.keys import services
from apikeys.models import ApiKey
from apikeys.secrets import rotation, vault
from apikeys.verify.verification import verify
from config.environment.local_secrets import new_ring

pytestmark = pytest.mark.django_db

OLD_RING_KEY, OLD_PEPPER = new_ring(), new_ring()
NEW_RING_KEY, NEW_PEPPER = (new_ring().replace("k1:", f"{name}:") for name in ("k2", "p2"))
ORDERS = ["old", "old,new", "new,old", "new"]


def configure(settings, order: str) -> None:
    entries = {"old": (OLD_RING_KEY, OLD_PEPPER), "new": (NEW_RING_KEY, NEW_PEPPER)}
    settings.KEY_RING, settings.KEY_PEPPERS = (
        ",".join(entries[name][kind] for name in order.split(",")) for kind in (0, 1)
    )


def works(key: ApiKey, secret: str, owner) -> bool:
    try:
        return verify(f"Bearer {secret}").identity is not None and services.reveal_secret(key=key, by=owner) == secret
    except vault.VaultUnavailable:
        return False


@pytest.mark.parametrize("step", range(3), ids=["added last", "moved first", "old one removed"])
def test_while_servers_restart_each_reads_what_any_other_wrote(project, owner, settings, step):
    """T7"""
    before, after = ORDERS[step], ORDERS[step + 1]
    made = []
    for order in (before, after):
        configure(settings, order)
        made.append(services.create_key(project=project, name=order, by=owner))
        if order == "new,old":
            rotation.rotate(rotation.find_target())
    for order in (before, after):
        configure(settings, order)
        assert all(works(key, secret, owner) for key, secret in made), order


def test_an_entry_that_is_put_first_at_once_is_not_read_by_servers_that_lack_it(project, owner, settings):
    """The reason for the order."""
    configure(settings, "new,old")
    key, secret = services.create_key(project=project, name="made by a restarted server", by=owner)
    configure(settings, "old")
    assert not works(key, secret, owner)
