from typing import Any

from django.http import FileResponse, HttpRequest
from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]  # whitenoise ships no types
    """Hands each static file to the server in one piece, so that no thread waits while a client reads it.

    The largest has 0.3 MB. In Django's pieces of 4 KiB, anybody who reads a file slowly would hold a thread.

    It comes before all other middleware: scripts and styles need few of the headers that pages have, which would be a
    part of what every visit transfers.
    """

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> FileResponse:
        response: FileResponse = WhiteNoiseMiddleware.serve(static_file, request)
        response.block_size = 1024 * 1024
        response["X-Content-Type-Options"] = "nosniff"
        response["Cross-Origin-Resource-Policy"] = "same-origin"
        return response
