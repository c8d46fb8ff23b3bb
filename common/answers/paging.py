"""Pages of long lists."""

from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet


def page_of(rows: QuerySet[Any], number: int, size: int) -> Any:
    """A page of `rows`. An index alone finds the ids on it, so that a late page costs little more than the first."""
    page: Any = Paginator(rows.values_list("pk", flat=True), size).get_page(number)
    pks = list(page.object_list)
    found = rows.in_bulk(pks) if pks else {}
    # A row may have gone meanwhile.
    page.object_list = [found[pk] for pk in pks if pk in found]
    return page
