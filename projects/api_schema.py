"""The shapes of the API's answers, for its OpenAPI document and for whoever reads the code."""

from datetime import datetime
from typing import Generic, Literal, TypeVar

from ninja import Schema
from pydantic import Field

Data = TypeVar("Data")


class Paging(Schema):
    page: int = Field(1, ge=1, le=1_000_000)
    limit: int = Field(20, ge=1, le=100)


class Reference(Schema):
    id: str
    name: str


class UserReference(Schema):
    id: str
    email: str


class Me(Schema):
    key: Reference
    project: Reference
    user: UserReference


class FileOut(Schema):
    id: str
    name: str
    size: int
    content_type: str
    created_at: datetime
    created_by: str


class Meta(Schema):
    request_id: str
    project_id: str | None
    type: Literal["object", "list", "error"]


class ListMeta(Meta):
    limit: int
    total: int
    page: int
    pages: int


class Links(Schema):
    self: str


class ListLinks(Links):
    next: str | None
    prev: str | None


class ErrorOut(Schema):
    code: str
    message: str


class ObjectEnvelope(Schema, Generic[Data]):
    meta: Meta
    data: Data
    error: None
    links: Links


class ListEnvelope(Schema, Generic[Data]):
    meta: ListMeta
    data: list[Data]
    error: None
    links: ListLinks


class ErrorEnvelope(Schema):
    meta: Meta
    data: None
    error: ErrorOut
    links: dict[str, str]


# What any call with a key may be answered with.
REFUSALS = {401: ErrorEnvelope, 403: ErrorEnvelope, 503: ErrorEnvelope}
