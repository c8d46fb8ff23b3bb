import sys
import threading

import pytest
from django.conf import settings
from django.test import override_settings

pytestmark = pytest.mark.nodb


def test_a_thread_may_read_settings_while_a_test_changes_others() -> None:
    missed, is_over = [], threading.Event()

    def read() -> None:
        while not is_over.is_set():
            try:
                assert settings.CLIENT_SECONDS
            except AttributeError as error:
                missed.append(error)

    reader = threading.Thread(target=read)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    reader.start()
    try:
        for _ in range(500):
            with override_settings(USAGE_FLUSH_SECONDS=1):
                pass
    finally:
        sys.setswitchinterval(interval)
        is_over.set()
        reader.join()
    assert not missed
