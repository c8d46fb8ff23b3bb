"""The same answer three times: as a plain view, with django-ninja, with Django REST framework.

One more view asks for a scope, and counts as five requests.
"""

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import path
from ninja import NinjaAPI
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from apikeys.verify.integrations.decorators import api_key_required
from apikeys.verify.integrations.ninja import ApiKeyAuth, answer_refusals
from apikeys.verify.key_lookup import Identity


def whose(identity: Identity) -> dict[str, str]:
    return {"project": identity.project_id, "user": identity.user_id, "key": identity.key_id}


@api_key_required
def plain(request: HttpRequest) -> JsonResponse:
    return JsonResponse(whose(request.identity))


@api_key_required(scope="files:write", cost=5)
def costly(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"scopes": request.identity.scopes})


ninja = NinjaAPI(auth=ApiKeyAuth())
answer_refusals(ninja)


@ninja.api_operation(["GET", "POST"], "/")
def with_ninja(request: HttpRequest) -> Any:
    return whose(request.auth)


@api_view(["GET", "POST"])
def with_rest_framework(request: Request) -> Response:
    return Response(whose(request.auth))


urlpatterns = [
    path("plain/", plain),
    path("costly/", costly),
    path("ninja/", ninja.urls),
    path("rest/", with_rest_framework),
]
