"""The health checks that a supervisor asks. docs/decisions/0004-own-health-views.md tells why they are our own."""

from collections.abc import Callable

from django.http import HttpRequest, JsonResponse

from common import outages
from config.serving import readiness, shutdown


def live() -> tuple[int, str]:
    """200 as long as the process answers at all. Nothing else is checked."""
    return 200, "live"


def ready() -> tuple[int, str]:
    """200 if everything that serving needs is there, else 503. The log tells what is missing.

    A server that is about to stop still serves, and says 503, so that load balancers send their requests elsewhere.
    """
    if shutdown.has_begun():
        return 503, "stopping"
    if problem := readiness.problem():
        outages.log("not_ready", problem)
        return 503, "unavailable"
    return 200, "ready"


# By address: the function that answers with the HTTP status and the state's name. The processes of pages and check both
# use it.
STATES: dict[str, Callable[[], tuple[int, str]]] = {"/health/live": live, "/health/ready": ready}


def answer(request: HttpRequest) -> JsonResponse | None:
    """The answer; None for an address that is no health check."""
    state = STATES.get(request.path)
    if state is None:
        return None
    status, name = state()
    return JsonResponse({"status": name}, status=status)
