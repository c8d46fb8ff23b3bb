"""Mail servers as they are: one that takes mails, refuses them or lets its clients wait, and one that never answers."""

import asyncio
import email
import email.policy
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller

from tests.postgres import free_port


class MailServer:
    """`mails` are what it took. `replies` are given, one a recipient, before it begins to take them all."""

    def __init__(self, replies: tuple[str, ...] = (), pause: float = 0) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.asked: list[str] = []
        self._replies, self._pause = list(replies), pause
        self.read = 0  # how many of the emails a test has read
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        self.asked.append(address)
        if self._replies:
            return self._replies.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  aiosmtpd's names
        await asyncio.sleep(self._pause)
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.recipients += envelope.rcpt_tos
        self.mails.append(message)
        return "250 OK"

    @contextmanager
    def running(self) -> Iterator["MailServer"]:
        controller = Controller(self, hostname="127.0.0.1", port=self.port)
        controller.start()
        try:
            yield self
        finally:
            controller.stop()


@contextmanager
def silent_mail_server() -> Iterator[str]:
    """The EMAIL_URL of a server that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listening:
        yield f"smtp://127.0.0.1:{listening.getsockname()[1]}"
