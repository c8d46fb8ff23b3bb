"""The settings that a check reads (common/known_settings.py)."""

import pytest
from django.test import override_settings

from common.known_settings import known


def test_a_setting_that_was_changed_is_read_again(settings):
    settings.KEY_PREFIX = "first_"
    assert known.KEY_PREFIX == "first_"
    settings.KEY_PREFIX = "second_"
    assert known.KEY_PREFIX == "second_"


def test_a_setting_is_read_again_after_it_was_put_back():
    before = known.KEY_PREFIX
    with override_settings(KEY_PREFIX="other_"):
        assert known.KEY_PREFIX == "other_"
    assert before == known.KEY_PREFIX


def test_a_setting_that_there_is_not_has_no_value_and_may_come_later(settings):
    with pytest.raises(AttributeError):
        _ = known.NOT_THERE
    settings.NOT_THERE = 1
    assert known.NOT_THERE == 1
