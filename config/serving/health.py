"""What a supervisor asks. Why there is no library for it: docs/decisions/0004-own-health-views.md."""

from collections.abc import Callable

from django.http import HttpRequest, JsonResponse

from common import outages
from config.serving import readiness


def live() -> tuple[int, str]:
    """200 while the process answers at all; asks nothing else."""
    return 200, "live"


def ready() -> tuple[int, str]:
    """200 if everything is there that serving needs, else 503. The log says what is missing."""
    if problem := readiness.problem():
        outages.log("not_ready", problem)
        return 503, "unavailable"
    return 200, "ready"


# By address: what answers the HTTP status and the state's name. The pages' processes and the check's both use it.
STATES: dict[str, Callable[[], tuple[int, str]]] = {"/health/live": live, "/health/ready": ready}


def answer(request: HttpRequest) -> JsonResponse | None:
    """None for an address that is no health check."""
    state = STATES.get(request.path)
    if state is None:
        return None
    status, name = state()
    return JsonResponse({"status": name}, status=status)
