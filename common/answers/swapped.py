"""Answers to htmx that swap another part of the page than the one that its request named."""

from django.http import HttpResponse


def swapped(target: str, response: HttpResponse) -> HttpResponse:
    """`response` replaces the element `target`. An open dialog closes."""
    response["HX-Retarget"] = target
    response["HX-Reswap"] = "outerHTML"
    response["HX-Trigger-After-Swap"] = "key-dialog-done"
    return response
