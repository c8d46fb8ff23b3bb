"""T13: the life cycle holds, whatever is done in whatever order."""

import pytest

from tests.fuzz.budget import SECONDS, attempt_machine, turns
from tests.fuzz.life_cycle import MOST_KEYS, LifeCycle

UNTIL = 0.9
EXAMPLES = 12 if not SECONDS else 8


@pytest.mark.django_db
def test_the_life_cycle_holds(settings):
    """T13"""
    settings.MAX_KEYS_PER_PROJECT = MOST_KEYS
    for turn, machine in turns({"life cycle": LifeCycle}, UNTIL):
        attempt_machine(machine, examples=EXAMPLES, name=turn)
