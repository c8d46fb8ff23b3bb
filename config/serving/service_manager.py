"""What a service manager that started us wants to know. systemd gives `NOTIFY_SOCKET` to units with Type=notify."""

import os
import socket
from contextlib import suppress


def tell_ready() -> None:
    """Says that requests are answered: only then does systemd start what comes after us. See sd_notify(3)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    # "@" stands for the NUL byte of a socket that has a name and no file.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.sendto(b"READY=1", address.replace("@", "\0", 1))
