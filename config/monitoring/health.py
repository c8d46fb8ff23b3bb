"""The health checks that a supervisor asks. docs/decisions/0004-own-health-views.md tells why they are our own."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import structlog
from django.conf import settings
from django.http import HttpRequest, JsonResponse

from common import outages
from config.monitoring import readiness
from config.serving import shutdown

logger = structlog.get_logger(__name__)

STOPPING = "stopping"


class State(NamedTuple):
    """The answer's HTTP status, and the state's name. `problem` is for the log."""

    status: int
    name: str
    problem: str = ""


def live() -> State:
    """200 as long as the process answers at all. Nothing else is checked."""
    return State(200, "live")


def ready() -> State:
    """200 if everything that serving needs is there, else 503. The log tells what is missing.

    A server that is about to stop still serves, and says 503, so that load balancers send their requests elsewhere.
    """
    if shutdown.has_begun():
        _log_the_stop()
        return State(503, STOPPING)
    if problem := readiness.problem():
        outages.log("not_ready", problem)
        return State(503, "unavailable", problem)
    return State(200, "ready")


@cache
def _log_the_stop() -> None:
    """Once in a process. Load balancers ask several times before they send their requests elsewhere."""
    logger.info(STOPPING, seconds=settings.SHUTDOWN_DELAY_SECONDS)


# By address: the function that answers. The processes of pages and check both use it.
STATES: dict[str, Callable[[], State]] = {"/health/live": live, "/health/ready": ready}


def answer(request: HttpRequest) -> JsonResponse | None:
    """The answer; None for an address that is no health check."""
    ask = STATES.get(request.path)
    if ask is None:
        return None
    state = ask()
    if state.problem:
        outages.explain(state.problem)
    if state.name == STOPPING:
        request.is_told_elsewhere = True  # type: ignore[attr-defined]
    return JsonResponse({"status": state.name}, status=state.status)
