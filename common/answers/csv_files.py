"""CSV files that people download: no formulas, complete or not at all, and few at once."""

import csv
import re
from collections.abc import Callable, Iterable
from io import BytesIO, TextIOWrapper
from tempfile import SpooledTemporaryFile

from django.conf import settings
from django.core.files import File
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils.http import content_disposition_header

from common.answers.busy import busy
from common.answers.envelope import Refused
from common.slow_clients import transfers

IN_MEMORY = 1024 * 1024
# Where a spreadsheet takes what follows for a formula, full-width forms included. Many programs end a cell at another
# separator than the comma, quoted or not, and then drop quotes and blanks.
_FORMULA = re.compile(r"""(^|[,;|\t\r\n])(?=["\s]*[=+@＝＋－＠-]|[\t\r\n])""")

Row = list[str | int]


def as_text(name: str) -> str:
    """`name` so that no spreadsheet calculates it (OWASP, CSV injection)."""
    return _FORMULA.sub(r"\1'", name)


def download(request: HttpRequest, name: str, rows: Callable[[], Iterable[Row]]) -> HttpResponseBase:
    """Sends `rows` as the file `name`.csv, or says that the process sends as many files as it can.

    A HEAD request gets the headers, without the length, for which the file would have to be built.
    """
    file_name, content_type = f"{name}.csv", "text/csv; charset=utf-8"
    if request.method == "HEAD":
        disposition = {"Content-Disposition": content_disposition_header(True, file_name) or ""}
        return StreamingHttpResponse((), content_type=content_type, headers=disposition)
    options = {"as_attachment": True, "filename": file_name, "content_type": content_type}
    try:
        return transfers.download(request, lambda: _written(rows()), **options)
    except Refused as refusal:
        return busy(request, refusal.message)


def _written(rows: Iterable[Row]) -> "File[bytes]":
    """All of it before any is sent: a database that fails midway is a 503, and not a file that ends early.

    A large file waits on the disk.
    """
    file = SpooledTemporaryFile(max_size=IN_MEMORY, dir=str(settings.FILE_UPLOAD_TEMP_DIR))  # noqa: SIM115  sent later
    # The mark that "-sig" writes tells spreadsheets that the names are UTF-8.
    text = TextIOWrapper(file, encoding="utf-8-sig", newline="")
    csv.writer(text).writerows(rows)
    text.detach()
    size = file.tell()
    file.seek(0)
    if size > IN_MEMORY:
        return File(file)
    with file:
        return File(BytesIO(file.read()))
