"""Django's backend for mail servers, with a time limit for the whole conversation.

A socket's timeout limits each wait. A server that sends a byte now and then would never meet it.
"""

import io
import socket
import time
from collections.abc import Callable
from functools import partial
from smtplib import SMTP, SMTP_SSL, SMTPServerDisconnected
from typing import Any

from django.conf import settings
from django.core.mail.backends import smtp

# The time limit, in multiples of EMAIL_TIMEOUT. The claim of an email is longer (claims.py).
WAITS_A_CONVERSATION = 6


class _LimitedReader(io.RawIOBase):
    """Reads from the socket and waits `seconds_left()` for each piece."""

    def __init__(self, connected: socket.socket, seconds_left: Callable[[], float]) -> None:
        self._socket, self._seconds_left = connected, seconds_left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._socket.settimeout(self._seconds_left())
        return self._socket.recv_into(buffer)


class _Limited(SMTP):
    """Neither sends nor reads after `ends_at`, by the monotonic clock."""

    def __init__(self, *args: Any, ends_at: float, **kwargs: Any) -> None:
        self._ends_at = ends_at
        super().__init__(*args, **kwargs)

    def _seconds_left(self) -> float:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("The conversation with the mail server took too long.")
        return min(self.timeout, left)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connected: socket.socket = super()._get_socket(host, port, self._seconds_left())  # type: ignore[misc]
        return connected

    def send(self, s: Any) -> None:
        if self.sock:
            self.sock.settimeout(self._seconds_left())
        super().send(s)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock:
            self.file = io.BufferedReader(_LimitedReader(self.sock, self._seconds_left))
        return super().getreply()

    def quit(self) -> tuple[int, bytes]:
        """Raises only SMTPServerDisconnected, which Django ignores: an email that the server accepted has been sent."""
        try:
            return super().quit()
        except OSError as error:
            raise SMTPServerDisconnected("The mail server did not reply to QUIT.") from error


class _LimitedTLS(_Limited, SMTP_SSL):
    pass


class EmailBackend(smtp.EmailBackend):
    """The time limit begins when the backend is made, which is once for each try."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ends_at = time.monotonic() + WAITS_A_CONVERSATION * settings.EMAIL_TIMEOUT

    @property
    def connection_class(self) -> Any:
        return partial(_LimitedTLS if self.use_ssl else _Limited, ends_at=self._ends_at)

    def send_messages(self, email_messages: Any) -> int:
        """Closes the connection in every case. Django leaves it open if STARTTLS or the sign-in was refused."""
        try:
            return super().send_messages(email_messages)
        finally:
            self.close()
