"""Mail servers: one that accepts emails, rejects them or lets its clients wait, one that never answers, and one whose
replies are given.
"""

import asyncio
import datetime
import email
import email.policy
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.support.programs.postgres import free_port


class MailServer:
    """With a `certificate`, the server speaks TLS from the first byte.

    `mails` are the emails that it accepted. `replies` are used up first, one for each recipient; after them every email
    is accepted.
    """

    def __init__(self, replies: tuple[str, ...] = (), pause: float = 0, certificate: Path | None = None) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.asked: list[str] = []
        self._replies, self._pause = list(replies), pause
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if certificate else None
        if self._tls and certificate:
            self._tls.load_cert_chain(certificate)
        self.read = 0  # how many emails a test has read
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
        controller = Controller(self, hostname="127.0.0.1", port=self.port, ssl_context=self._tls)
        controller.start()
        try:
            yield self
        finally:
            controller.stop()


def new_certificate(folder: Path) -> Path:
    """A file with a key and its own certificate, for 127.0.0.1."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    builder = builder.add_extension(address, critical=False)
    certificate = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    file = folder / "mail.pem"
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(pem + certificate.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return file


@contextmanager
def silent_mail_server() -> Iterator[str]:
    """The EMAIL_URL of a server that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listening:
        yield f"smtp://127.0.0.1:{listening.getsockname()[1]}"


SECONDS_A_BYTE = 0.05


@contextmanager
def scripted_mail_server(replies: dict[str, str], slow: str = "") -> Iterator[int]:
    """The port of a server that gives these replies, and accepts everything else.

    A reply is named by its command. "greeting" comes before the first command, "text" after the email's text. The
    server sends the reply that `slow` names byte by byte.
    """
    accepts = {"greeting": "220 mail", "DATA": "354 go on", "QUIT": "221 bye"}

    class Handler(socketserver.StreamRequestHandler):
        timeout = 20

        def handle(self) -> None:
            with suppress(OSError):  # the client has closed the connection
                self.converse()

        def converse(self) -> None:
            self.reply("greeting")
            for line in self.rfile:
                command = line.split()[0].decode().upper()
                if self.reply(command).startswith("354"):
                    while self.rfile.readline() not in {b".\r\n", b""}:
                        pass
                    self.reply("text")
                if command == "QUIT":
                    return

        def reply(self, command: str) -> str:
            words = replies.get(command, accepts.get(command, "250 OK"))
            sent = "".join(f"{line}\r\n" for line in words.splitlines())
            for piece in sent if command == slow else [sent]:
                time.sleep(SECONDS_A_BYTE if command == slow else 0)
                self.wfile.write(piece.encode())
            return words

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
