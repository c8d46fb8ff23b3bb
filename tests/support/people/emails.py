"""The emails that an action makes the product send."""

from collections.abc import Callable
from typing import Any

from django.core import mail

from common.outbox import senders
from common.outbox.models import Email

HOME, OFFICE = "203.0.113.7", "2001:db8:40::17"
SOURCE = "https://github.com/acme/weather/blob/main/.env#L3"
ALL = {"created": True, "deleted": True, "revealed": True, "reported": True, "ending": True, "new_address": False}


def mails_of(capture: Callable[..., Any], act: Callable[..., Any], /, *words: Any, **arguments: Any) -> list[Any]:
    """The emails of `act`. `capture` is pytest-django's fixture that runs callbacks waiting for a commit."""
    mail.outbox.clear()
    Email.objects.all().delete()
    with capture(execute=True):
        act(*words, **arguments)
    assert mail.outbox == [], "only the thread sends emails"
    senders.send_due()
    return list(mail.outbox)
