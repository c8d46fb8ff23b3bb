"""The emails that an action makes the product send."""

from collections.abc import Callable
from typing import Any

from django.core import mail

from common.background import mail_delivery

HOME, OFFICE = "203.0.113.7", "2001:db8:40::17"
SOURCE = "https://github.com/acme/weather/blob/main/.env#L3"
ALL = {"created": True, "deleted": True, "revealed": True, "reported": True}


def mails_of(capture: Callable[..., Any], act: Callable[..., Any], /, *words: Any, **arguments: Any) -> list[Any]:
    """`capture` is pytest-django's fixture of callbacks that wait for a commit."""
    mail.outbox.clear()
    with capture(execute=True):
        act(*words, **arguments)
    assert mail.outbox == [], "nothing is sent before the thread does"
    mail_delivery.send_waiting()
    return list(mail.outbox)
