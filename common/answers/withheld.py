"""Forms show no secret that somebody pasted into the wrong field."""

from typing import Any

from django.forms.renderers import DjangoTemplates
from django.http import HttpRequest

from common.names import looks_like_secret


class WithoutSecrets(DjangoTemplates):
    """Shows each field of a form, also the libraries', empty if its text contains something that looks like a secret.

    The form's own error says why.
    """

    def render(self, template_name: str, context: dict[str, Any], request: HttpRequest | None = None) -> str:
        if "widget" in context:
            _withhold(context["widget"])
        return super().render(template_name, context, request)


def _withhold(widget: dict[str, Any]) -> None:
    if isinstance(widget.get("value"), str) and looks_like_secret(widget["value"]):
        widget["value"] = None
    for part in widget.get("subwidgets", ()):
        _withhold(part)
