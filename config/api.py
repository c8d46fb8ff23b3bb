"""The JSON API at /api/v1: its calls, its errors and its OpenAPI document."""

from collections.abc import Callable
from functools import cached_property, wraps
from http import HTTPStatus
from typing import Any

from django.conf import settings
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
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema

from apikeys.api.report import router as report_router
from apikeys.api.verify_and_me import VERIFY_DOCUMENT
from apikeys.api.verify_and_me import router as me_router
from apikeys.bounds.asked import SAFE_METHODS
from apikeys.bounds.scopes import FILES_READ, FILES_WRITE
from apikeys.refusals import OF_A_KEY, OF_EVERY_CALL, OF_REPORTS
from apikeys.verify.integrations.judge import with_limits
from apikeys.verify.integrations.ninja import ApiKeyAuth, answer_refusals
from common.answers.envelope import error_response
from common.answers.refusals import GENERAL, INVALID, METHOD_NOT_ALLOWED, REQUEST_TOO_LARGE, UNAVAILABLE, Refusal
from common.outages import OUTAGES
from config import errors, ninja_internals
from config.api_reference import ReferencePage
from projects.files.files_api import router as files_router
from projects.files.storage import StorageUnavailable
from projects.refusals import OF_FILES

View = Callable[..., HttpResponse]

ERROR_SCHEMA = "#/components/schemas/ErrorAnswer"

# The refusals that calls of these tags can answer, beside those of a key and those of every call.
REFUSALS = {"Files": OF_FILES, "Reports": OF_REPORTS}


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
            return with_limits(request, response)
        return _method_answer(request, set(response["Allow"].split(", ")))

    return answer


def _method_answer(request: HttpRequest, allowed: set[str]) -> HttpResponse:
    head = {"HEAD"} if "GET" in allowed else set()
    allow = ", ".join(sorted(allowed | head | {"OPTIONS"}))
    if request.method == "OPTIONS":
        return HttpResponse(status=204, headers={"Allow": allow})
    response = error_response(request, METHOD_NOT_ALLOWED, f"Use one of the methods {allow}.")
    response["Allow"] = allow
    return response


def _refusals_of(operation: dict[str, Any]) -> list[Refusal]:
    own = REFUSALS.get(operation["tags"][0], ())
    found = (*(OF_A_KEY if _asks_for_a_key(operation) else ()), *own, *GENERAL)
    return [refusal.worded(shows_files=settings.BRAND.shows_files) for refusal in found]


def _asks_for_a_key(operation: dict[str, Any]) -> bool:
    return {ApiKeyAuth.__name__: []} in operation.get("security", [])


def _describe_answers(operation: dict[str, Any]) -> None:
    """Adds the refusals of a key to an operation that asks for one, and says what each answer means.

    An operation's own words stay. Ninja's are no more than the status's name.
    """
    answers, refusals = operation["responses"], _refusals_of(operation)
    for refusal in (*(OF_A_KEY if _asks_for_a_key(operation) else ()), *OF_EVERY_CALL):
        answers.setdefault(refusal.status, {"content": {"application/json": {"schema": {"$ref": ERROR_SCHEMA}}}})
    for status, answer in answers.items():
        phrase = HTTPStatus(status).phrase
        if answer.get("description", "") in {"", phrase}:
            meanings = [f"`{refusal.code}`: {refusal.when}." for refusal in refusals if refusal.status == status]
            answer["description"] = " ".join(meanings) or phrase
    operation["responses"] = dict(sorted(answers.items()))


class Api(ninja_internals.Api):
    wrap = staticmethod(_in_envelope)

    def get_root_path(self, path_params: dict[str, Any]) -> str:
        return reverse("api:openapi-json").removesuffix("openapi.json")

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """The document, built once: it depends on nothing but the code and the settings."""
        return self._document

    @cached_property
    def _document(self) -> OpenAPISchema:
        schema = super().get_openapi_schema()
        schema["info"]["title"] = f"{settings.BRAND.name} API"
        if settings.BRAND.shows_check:
            schema["paths"][f"{self.get_root_path({})}verify"] = {"get": VERIFY_DOCUMENT}
        for operations in schema["paths"].values():
            for operation in operations.values():
                _describe_answers(operation)
        return schema


def _scope_of_files(request: HttpRequest) -> str:
    return FILES_READ if request.method in SAFE_METHODS else FILES_WRITE


api = Api(
    version="1.0.0",
    description="A request needs an API key of a project, and reaches that project only. Leaked keys are reported "
    "without one.",
    urls_namespace="api",
    auth=ApiKeyAuth(),
    docs=ReferencePage(),
    docs_decorator=require_safe,
    servers=[{"url": "/", "description": "This server"}],
)
api.add_router("/me", me_router)
if settings.BRAND.shows_files:
    api.add_router("/files", files_router, auth=ApiKeyAuth(scope=_scope_of_files))
api.add_router("/report", report_router)
answer_refusals(api)


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Names each parameter and its rule; pydantic's messages do not repeat what was sent."""
    rules = [f"{problem['loc'][-1]}: {problem['msg']}." for problem in error.errors]
    return error_response(request, INVALID, " ".join(rules))


@api.exception_handler(StorageUnavailable)
def storage_unavailable(request: HttpRequest, error: StorageUnavailable) -> HttpResponse:
    return error_response(request, UNAVAILABLE, str(error))


def _handle(handler: Callable[..., HttpResponse], *exceptions: type[Exception]) -> None:
    for exception in exceptions:
        api.add_exception_handler(exception, handler)


def _too_large(request: HttpRequest, error: Exception) -> HttpResponse:
    return error_response(request, REQUEST_TOO_LARGE.worded(shows_files=settings.BRAND.shows_files))


def _unavailable(request: HttpRequest, error: Exception) -> HttpResponse:
    return errors.unavailable(request, error)


def _broken(request: HttpRequest, error: Exception) -> HttpResponse:
    raise error  # Django's handler500 answers; Ninja would show a traceback while DEBUG is on


_handle(errors.not_found, Http404)
_handle(errors.forbidden, PermissionDenied)
# Ninja raises HttpError for a body that is no JSON.
_handle(errors.bad_request, SuspiciousOperation, MultiPartParserError, UnreadablePostError, HttpError)
_handle(_too_large, RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)
_handle(_unavailable, *OUTAGES)
_handle(_broken, Exception)
