"""The JSON API at /api/v1: its calls, its errors and its OpenAPI document."""

from collections.abc import Callable
from functools import cached_property, wraps
from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.urls import URLPattern, URLResolver, reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema

from apikeys.api.report import router as report_router
from apikeys.api.verify_and_me import VERIFY_DOCUMENT
from apikeys.api.verify_and_me import router as me_router
from apikeys.verify.integrations.ninja import ApiKeyAuth, answer_refusals
from common.answers.envelope import error_response
from common.outages import OUTAGES
from config import errors
from config.api_reference import ReferencePage
from projects.files.files_api import router as files_router

View = Callable[..., HttpResponse]

REFUSALS = {
    400: "The request cannot be read.",
    401: "No key, or one that is malformed, unknown, paused or deleted; error.code says which.",
    403: "The key may not do this: the account that created it is deactivated.",
    404: "The project has no such thing.",
    408: "The client stopped in the middle of the body.",
    411: "The body's length is not given.",
    413: "The file is larger than allowed, or the project's quota is used up; error.code says which.",
    415: "The body is not multipart/form-data.",
    422: "A parameter or field is missing or out of range; error.message names it.",
    429: "Too many keys that are malformed or unknown came from this address.",
    500: "Something broke on the server.",
    503: "The server cannot ask its database, cannot read or write a file, or has too much at hand; try again shortly.",
}


def _in_envelope(view: View) -> View:
    """What Ninja leaves open: HEAD is GET without a body, OPTIONS names the methods, and so does a 405."""

    @csrf_exempt
    @login_not_required
    @wraps(view)
    def answer(request: HttpRequest, **parameters: str) -> HttpResponse:
        method = request.method
        if method == "HEAD":
            request.method = "GET"
        try:
            response = view(request, **parameters)
        finally:
            request.method = method
        if response.status_code != 405:
            return response
        return _method_answer(request, set(response["Allow"].split(", ")))

    return answer


def _method_answer(request: HttpRequest, allowed: set[str]) -> HttpResponse:
    head = {"HEAD"} if "GET" in allowed else set()
    allow = ", ".join(sorted(allowed | head | {"OPTIONS"}))
    if request.method == "OPTIONS":
        return HttpResponse(status=204, headers={"Allow": allow})
    response = error_response(request, 405, "method_not_allowed", f"Use one of the methods {allow}.")
    response["Allow"] = allow
    return response


def _description(status: int, given: str) -> str:
    """An operation's own words for an answer, else those that all calls share; Ninja's are the status's name."""
    phrase = HTTPStatus(status).phrase
    return given if given not in {"", phrase} else REFUSALS.get(status, phrase)


class Api(NinjaAPI):
    def _get_urls(self) -> list[URLResolver | URLPattern]:
        # Without Ninja's root, which answers 404 by itself but lets /api/v1 be redirected to /api/v1/.
        patterns = [p for p in super()._get_urls() if isinstance(p, URLPattern) and p.name != "api-root"]
        for pattern in patterns:
            pattern.callback = _in_envelope(pattern.callback)
        return [*patterns]

    def get_root_path(self, path_params: dict[str, Any]) -> str:
        return reverse("api:openapi-json").removesuffix("openapi.json")

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """The document, built once: it depends on nothing but the code."""
        return self._document

    @cached_property
    def _document(self) -> OpenAPISchema:
        schema = super().get_openapi_schema()
        schema["paths"][f"{self.get_root_path({})}verify"] = {"get": VERIFY_DOCUMENT}
        for operations in schema["paths"].values():
            for operation in operations.values():
                for status, answer in operation["responses"].items():
                    answer["description"] = _description(status, answer.get("description", ""))
        return schema


api = Api(
    title="Latchkey API",
    version="1.0.0",
    description="A call is made with an API key of a project, and reaches that project only. Leaked keys are reported "
    "without one.",
    urls_namespace="api",
    auth=ApiKeyAuth(),
    docs=ReferencePage(REFUSALS),
    docs_decorator=require_safe,
    servers=[{"url": "/", "description": "This server"}],
)
api.add_router("/me", me_router)
api.add_router("/files", files_router)
api.add_router("/report", report_router)
answer_refusals(api)


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Names each parameter and its rule; pydantic's messages do not repeat what was sent."""
    rules = [f"{problem['loc'][-1]}: {problem['msg']}." for problem in error.errors]
    return error_response(request, 422, "invalid", " ".join(rules))


@api.exception_handler(HttpError)
def http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    phrase = HTTPStatus(error.status_code).phrase
    return error_response(request, error.status_code, phrase.lower().replace(" ", "_"), f"{phrase}.")


def _handle(handler: Callable[..., HttpResponse], *exceptions: type[Exception]) -> None:
    for exception in exceptions:
        api.add_exception_handler(exception, handler)


def _too_large(request: HttpRequest, error: Exception) -> HttpResponse:
    message = (
        "The body holds more than this call takes: a form more than the field 'file', or a report too many secrets."
    )
    return error_response(request, 413, "request_too_large", message)


def _unavailable(request: HttpRequest, error: Exception) -> HttpResponse:
    return errors.unavailable(request, error)


def _broken(request: HttpRequest, error: Exception) -> HttpResponse:
    raise error  # Django's handler500 answers; Ninja would show a traceback while DEBUG is on


_handle(errors.not_found, Http404)
_handle(errors.forbidden, PermissionDenied)
_handle(errors.bad_request, SuspiciousOperation, MultiPartParserError, UnreadablePostError)
_handle(_too_large, RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)
_handle(_unavailable, *OUTAGES)
_handle(_broken, Exception)
