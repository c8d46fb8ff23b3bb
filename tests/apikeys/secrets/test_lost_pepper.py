"""`manage.py rotate_encryption --lost-pepper`: the ids that it accepts, and running it again."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apikeys.keys import services
from tests.apikeys.secrets.test_rotation import NEW_PEPPER, is_let_in, put_new_first
from tests.support.stored.tables import everything

pytestmark = pytest.mark.django_db


def run(*lost: str) -> str:
    """The output of the command."""
    out = StringIO()
    call_command("rotate_encryption", *(f"--lost-pepper={pepper}" for pepper in lost), stdout=out)
    return out.getvalue()


def test_run_again_it_says_that_no_key_needs_the_pepper_and_is_no_error(api_key, project, settings):
    """The earlier run may have been killed at its very end. Deleted keys do not need the pepper."""
    gone = services.create_key(project=project, name="gone", by=project.created_by).key
    services.delete_key(key=gone, by=None)
    settings.KEY_PEPPERS = NEW_PEPPER
    assert run("k1").startswith("Moved 1 key to ")
    assert is_let_in(api_key)
    before = everything()
    assert run("k1").startswith("No key needs pepper 'k1'.\nMoved 0 keys to ")
    assert everything() == before


def test_ids_that_no_key_needs_are_named(api_key):
    assert run("zz", "", "\udcff").startswith(
        "No key needs pepper 'zz'.\nNo key needs pepper ''.\nNo key needs pepper '\\udcff'.\nMoved 0 keys to "
    )


def test_a_dry_run_names_an_id_that_no_key_needs_and_none_that_keys_need(api_key, settings):
    out = StringIO()
    settings.KEY_PEPPERS = NEW_PEPPER
    with pytest.raises(CommandError, match="Pepper k1 is not in KEY_PEPPERS"):
        call_command("rotate_encryption", "--dry-run", "--lost-pepper=k1", "--lost-pepper=zz", stdout=out)
    assert out.getvalue().startswith("No key needs pepper 'zz'.\n1 key can be moved to ")


def test_a_pepper_that_is_configured_is_not_lost_and_nothing_moves(api_key, settings):
    put_new_first(settings)
    before = everything()
    with pytest.raises(CommandError, match=r"^k1 is in KEY_PEPPERS, so it is not lost: run this without --lost-pepper"):
        run("zz", "k1")
    assert everything() == before
