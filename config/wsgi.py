import os
import re
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

_django = get_wsgi_application()
_CHARSET = re.compile(r"(?i);\s*charset\s*=[^;]*")


def application(environ: dict[str, Any], start_response: Any) -> Any:
    """Django, which would take the encoding of query and body from the request.

    It looks the name up among all of Python's codecs, so `charset=hex` raised before any middleware; all
    that our pages and programs send is UTF-8, whatever it says.
    """
    if "charset" in environ.get("CONTENT_TYPE", "").lower():
        environ["CONTENT_TYPE"] = _CHARSET.sub("", environ["CONTENT_TYPE"])
    return _django(environ, start_response)
