"""The ids of requests, which come from Python's own generator of numbers (common/public_ids.py)."""

import os
import re

from common.public_ids import new_request_id

MANY = 10_000


def next_id_of_a_fork() -> str:
    reading, writing = os.pipe()
    if not (pid := os.fork()):
        os.write(writing, new_request_id().encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(writing)
    with os.fdopen(reading) as ids:
        return ids.read()


def test_every_request_has_an_id_of_its_own():
    ids = {new_request_id() for _ in range(MANY)}
    assert len(ids) == MANY
    assert all(re.fullmatch(r"req_[0-9A-Za-z]{16}", each) for each in ids)


def test_workers_that_were_forked_at_the_same_moment_make_different_ids():
    new_request_id()
    assert len({next_id_of_a_fork(), next_id_of_a_fork(), new_request_id()}) == 3
