"""Django's templates with one variable more: `brand`, in every page and email.

A context processor would not do: emails, and the pages of a failing server, are rendered without a request.
"""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.template.backends.django import DjangoTemplates, Template


class BrandedTemplate(Template):
    def render(self, context: dict[str, Any] | None = None, request: HttpRequest | None = None) -> str:
        return super().render({"brand": settings.BRAND, **(context or {})}, request)


class BrandedTemplates(DjangoTemplates):
    def from_string(self, template_code: str) -> BrandedTemplate:
        return BrandedTemplate(super().from_string(template_code).template, self)

    def get_template(self, template_name: str) -> BrandedTemplate:
        return BrandedTemplate(super().get_template(template_name).template, self)
