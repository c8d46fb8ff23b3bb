"""One thread of a process writes the counts of its checks. A job that fails does not stop the other jobs."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from apikeys import writer_thread
from apikeys.usage import counting
from apikeys.usage.models import KeyUse
from apikeys.verify import failed_keys
from tests.support.factories import ApiKeyFactory

pytestmark = pytest.mark.django_db(transaction=True)


class StepByStep(threading.Thread):
    """Whoever waits for this thread for some time waits until it has taken a step, however busy the machine is."""

    def join(self, timeout: float | None = None) -> None:
        if timeout is None:
            super().join()
        before = writer_thread._progress
        while self.is_alive() and writer_thread._progress == before:
            time.sleep(0.001)


@contextmanager
def writer(settings, monkeypatch, kind=threading.Thread) -> Iterator[None]:
    """The thread as `wake` starts it, but without the hooks at the end of the process."""
    settings.USAGE_FLUSH_SECONDS = 0.01
    thread = kind(target=writer_thread._run)
    monkeypatch.setattr(writer_thread, "_thread", thread)
    thread.start()
    try:
        yield
    finally:
        writer_thread._stop()
        thread.join()
        writer_thread._begin_anew()


def wait_for(query) -> bool:
    deadline = time.monotonic() + 60
    while not (found := query()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(found)


def fail_and_see_it_shared() -> bool:
    """Counts a failed key at each call, because a new minute begins with no failures."""
    failed_keys.record_failure("192.0.2.1")
    return failed_keys._counts["192.0.2.1"].shared > 0


def test_each_turn_writes_the_calls_and_shares_the_failed_keys(api_key, settings, monkeypatch):
    settings.FAILED_KEYS_PER_MINUTE = 60
    with writer(settings, monkeypatch):
        counting.record(api_key.pk, "ok", time.time(), None)
        assert wait_for(KeyUse.objects.exists)
        assert wait_for(fail_and_see_it_shared)


def test_a_job_that_fails_keeps_none_of_the_others_from_theirs(api_key, settings, monkeypatch):
    def fail() -> None:
        raise ValueError

    monkeypatch.setattr(writer_thread, "_each_turn", (fail, *writer_thread._each_turn))
    with writer(settings, monkeypatch):
        counting.record(api_key.pk, "ok", time.time(), None)
        assert wait_for(KeyUse.objects.exists)


def test_a_process_that_is_told_to_write_nothing_has_no_thread(api_key):
    counting.record(api_key.pk, "ok", time.time(), None)
    assert writer_thread._thread is None


def test_the_end_of_a_process_waits_while_batches_are_written(project, owner, settings, monkeypatch):
    """T40: this includes many counts that waited for an unreachable database."""
    monkeypatch.setattr(writer_thread, "SECONDS_TO_WAIT", 0.01)
    monkeypatch.setattr(counting, "MOST_WRITTEN", 1)
    for key in ApiKeyFactory.create_batch(100, project=project, responsible=owner):
        counting.record(key.pk, "ok", time.time(), None)
    with writer(settings, monkeypatch, StepByStep):
        assert wait_for(lambda: counting._at_hand)
        writer_thread._stop()
        assert sum(KeyUse.objects.filter(span="hour").values_list("calls", flat=True)) == 100
