"""Limits how many requests hash passwords at once, because a hash takes about half a second of a core and of a thread.

A form that needs a hash takes a slot for its whole request before it reads its fields, so a rejected request has
counted nothing and changed nothing. The hasher takes a slot itself if no form did.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse

from common import outages
from common.answers.busy import busy
from common.slow_clients.slots import Slots, WayIn, share

# Two people who sign in within the same second both succeed, even on one core.
SECONDS_TO_WAIT = 2
RETRY_SECONDS = "1"
MESSAGE = "Many people are signing in right now. Nothing was checked or changed. Try again in a second."


class TooManyAtOnce(Exception):
    """The process already hashes as many passwords as it may at once."""


class _Mine(threading.local):
    has_slot = False  # of the current request
    was_refused = False


_mine = _Mine()
_at_work = Slots(share())
_way = WayIn()


def _take() -> bool:
    return _way.take(_at_work, SECONDS_TO_WAIT)


def begin() -> bool:
    """Takes a slot for this request if it has none. Returns whether the request may hash passwords until it ends."""
    if not _mine.has_slot:
        _mine.has_slot = _take()
        _mine.was_refused = not _mine.has_slot
    return _mine.has_slot


def _end() -> None:
    if _mine.has_slot:
        _mine.has_slot = False
        _way.give_back(_at_work)


@contextmanager
def slot() -> Iterator[None]:
    """Raises TooManyAtOnce if this request has no slot and none is free."""
    if _mine.has_slot:
        yield
        return
    if not _take():
        raise TooManyAtOnce
    try:
        yield
    finally:
        _way.give_back(_at_work)


class PasswordHasher(PBKDF2PasswordHasher):
    """Django's own hash, with a limit on how many run at once. Every check and every new password calls `encode`."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        with slot():
            return super().encode(password, salt, iterations)


class TakesSlot:
    """For forms whose fields or `save` hash a password. Without a slot, the form reads none of its fields."""

    def _clean_fields(self: Any) -> None:
        if begin():
            super()._clean_fields()  # type: ignore[misc]
        else:
            self.add_error(None, ValidationError(MESSAGE, code="too_many_at_once"))

    def _clean_form(self: Any) -> None:
        if _mine.has_slot:
            super()._clean_form()  # type: ignore[misc]


class FewAtOnce:
    """The middleware that returns the request's slot, and answers 503 if there was none."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        _mine.was_refused = False
        try:
            response = self.get_response(request)
        finally:
            _end()
        if _mine.was_refused:
            # The answer is the form with everything that was typed, except the password.
            outages.explain("As many passwords are being hashed as this process may hash at once (THREADS).")
            response.status_code = 503
            response["Retry-After"] = RETRY_SECONDS
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Handles pages without a form of ours, such as the admin."""
        if not isinstance(exception, TooManyAtOnce):
            return None
        return busy(request, MESSAGE)
