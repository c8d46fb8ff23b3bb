"""For APIs made with Django REST framework, which Latchkey itself neither needs nor installs."""

from typing import Any

from django.utils.functional import SimpleLazyObject
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed, PermissionDenied

from accounts.models import User
from apikeys.verify.integrations.judge import judge
from apikeys.verify.verification import Identity, message_of
from common.answers.envelope import (
    MESSAGES,
    UNAVAILABLE_RETRY_SECONDS,
    error_headers,
    seconds_to_next_minute,
    status_of,
)


class Creator(SimpleLazyObject):
    """The User who created the key. Only what the check did not fetch anyway costs a query."""

    is_authenticated = True
    is_anonymous = False
    is_active = True

    def __init__(self, identity: Identity) -> None:
        super().__init__(lambda: User.objects.get(pk=identity.user_pk))
        # Not by assignment, which would fetch the user to set it there.
        self.__dict__.update(
            pk=identity.user_pk, id=identity.user_pk, public_id=identity.user_id, email=identity.user_email
        )

    def __bool__(self) -> bool:
        """Permissions ask for it on every request."""
        return True


class Unavailable(APIException):  # type: ignore[misc]  # the framework ships no types
    status_code = 503
    wait = int(UNAVAILABLE_RETRY_SECONDS)  # becomes Retry-After


class TooManyFailures(APIException):  # type: ignore[misc]
    status_code = 429

    @property
    def wait(self) -> int:
        return seconds_to_next_minute()


class ApiKeyAuthentication(BaseAuthentication):  # type: ignore[misc]
    """`request.auth` is the Identity, `request.user` the key's creator.

    A request without a key is refused like one with a bad key, not left to the permissions: those answer
    another code, and the framework's default lets everyone in. It therefore stands alone.
    """

    def authenticate(self, request: Any) -> tuple[Creator, Identity]:
        identity, code = judge(request._request)
        if identity is None:
            raise _exception(str(code), message_of(code, request.META.get("HTTP_AUTHORIZATION")))
        return Creator(identity), identity

    def authenticate_header(self, request: Any) -> str:
        """WWW-Authenticate of a 401; a request without credentials is told no error."""
        code = "key_unknown" if "HTTP_AUTHORIZATION" in request.META else "key_missing"
        return error_headers(401, code)["WWW-Authenticate"]


def _exception(code: str, message: str) -> APIException:
    kind = {401: AuthenticationFailed, 403: PermissionDenied, 429: TooManyFailures, 503: Unavailable}[status_of(code)]
    return kind({"detail": message or MESSAGES[code], "code": code}, code)
