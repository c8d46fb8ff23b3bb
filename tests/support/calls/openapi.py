"""The OpenAPI document and its operations."""

from collections.abc import Iterator
from typing import Any

from django.test import Client

from tests.support.calls.api_client import API

DOCUMENT = f"{API}/openapi.json"


def document_of(client: Client) -> dict[str, Any]:
    response = client.get(DOCUMENT)
    assert response.status_code == 200
    assert response["Content-Type"].startswith("application/json")
    document: dict[str, Any] = response.json()
    return document


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation
