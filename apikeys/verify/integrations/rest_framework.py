"""For APIs made with Django REST framework, which Latchkey itself neither needs nor installs."""

from collections.abc import Sequence
from typing import Any

from django.utils.functional import SimpleLazyObject
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed

from accounts.models import User
from apikeys.refusals import KEY_MISSING, KEY_UNKNOWN
from apikeys.verify.integrations.judge import judge, refused
from apikeys.verify.key_lookup import Identity
from common.answers.envelope import Refused, error_headers


class Responsible(SimpleLazyObject):
    """The User who is responsible for the key. A field that the check did not fetch costs a query."""

    is_authenticated = True
    is_anonymous = False
    is_active = True

    def __init__(self, identity: Identity) -> None:
        super().__init__(lambda: User.objects.get(pk=identity.user_pk))
        # An assignment would fetch the user first.
        self.__dict__.update(
            pk=identity.user_pk, id=identity.user_pk, public_id=identity.user_id, email=identity.user_email
        )

    def __bool__(self) -> bool:
        """Permissions ask for it on every request."""
        return True


class ApiKeyAuthentication(BaseAuthentication):  # type: ignore[misc]  # the framework ships no types
    """`request.auth` is the Identity, `request.user` the person responsible for the key.

    A request without a key is rejected like one with a bad key and is not left to the permissions, because they answer
    another code, and the framework's default lets everyone in. So this class has to be the only one.

    `scopes` and `cost` are what every view with the class asks for. A subclass can say others.
    """

    scopes: Sequence[str] = ()
    cost = 1

    def authenticate(self, request: Any) -> tuple[Responsible, Identity]:
        verdict = judge(request._request, self.scopes, self.cost)
        if verdict.identity is None:
            raise _exception(refused(request._request, verdict))
        return Responsible(verdict.identity), verdict.identity

    def authenticate_header(self, request: Any) -> str:
        """The WWW-Authenticate header of a 401. A request without credentials gets no error code."""
        refusal = KEY_UNKNOWN if "HTTP_AUTHORIZATION" in request.META else KEY_MISSING
        return error_headers(refusal)["WWW-Authenticate"]


def _exception(error: Refused) -> APIException:
    """The framework makes WWW-Authenticate of `auth_header`, which an AuthenticationFailed gets from the class, and
    Retry-After of `wait`.
    """
    code, status = error.refusal.code, error.refusal.status
    exception = (AuthenticationFailed if status == 401 else APIException)({"detail": error.message, "code": code}, code)
    exception.status_code = status
    headers = error_headers(error.refusal) | dict(error.headers)
    exception.wait = int(headers.get("Retry-After", 0))
    if status == 403 and "WWW-Authenticate" in headers:
        exception.auth_header = headers["WWW-Authenticate"]
    return exception
