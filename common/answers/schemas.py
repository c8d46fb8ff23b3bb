"""The envelope as the OpenAPI document describes it.

Ninja builds every success from these classes, so that an answer and its description cannot drift apart. They have a
file of their own because the check (config/check.py) needs the envelope, and never Ninja.
"""

from typing import Any, Literal

from ninja import Field, Schema


class Meta(Schema):
    request_id: str = Field(description="Also in the header X-Request-Id. Quote it when you ask for help.")
    project_id: str | None = Field(description="The key's project; null if no key was accepted.")


class ObjectMeta(Meta):
    type: Literal["object"]


class ErrorMeta(Meta):
    type: Literal["error"]


class ListMeta(Meta):
    type: Literal["list"]
    limit: int = Field(description="The most items a page holds.")
    total: int = Field(description="The number of items on all pages.")
    page: int = Field(description="This page's number, from 1.")
    pages: int = Field(description="The number of pages, at least 1.")


class ObjectLinks(Schema):
    self: str


class PageLinks(Schema):
    self: str
    next: str | None = Field(description="The next page; null on the last.")
    prev: str | None = Field(description="The page before; null on the first.")


class ErrorDetail(Schema):
    code: str = Field(description="What happened, for programs.")
    message: str = Field(description="What to do next, for people.")


class ObjectAnswer(Schema):
    meta: ObjectMeta
    data: Any
    error: None
    links: ObjectLinks


class ListAnswer(Schema):
    meta: ListMeta
    data: Any
    error: None
    links: PageLinks


class NoLinks(Schema):
    pass


class ErrorAnswer(Schema):
    meta: ErrorMeta
    data: None
    error: ErrorDetail
    links: NoLinks
