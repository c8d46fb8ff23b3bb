from django.http import HttpRequest, JsonResponse
from django.urls import path
from knox.auth import TokenAuthentication as KnoxTokenAuthentication
from rest_framework.authentication import TokenAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_api_key.permissions import HasAPIKey


def bare(request: HttpRequest) -> JsonResponse:
    """Makes no query."""
    return JsonResponse({"ok": True})


class Answer(APIView):
    def get(self, request: Request) -> Response:
        return Response({"ok": True})


class WithApiKey(Answer):
    """https://florimondmanca.github.io/djangorestframework-api-key/guide/#view-level-permissions"""

    permission_classes = [HasAPIKey]


class WithKnoxToken(Answer):
    """https://jazzband.github.io/django-rest-knox/auth/"""

    authentication_classes = [KnoxTokenAuthentication]
    permission_classes = [IsAuthenticated]


class WithToken(Answer):
    """https://www.django-rest-framework.org/api-guide/authentication/#tokenauthentication"""

    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]


urlpatterns = [
    path("bare", bare),
    path("api-key", WithApiKey.as_view()),
    path("knox", WithKnoxToken.as_view()),
    path("token", WithToken.as_view()),
]
