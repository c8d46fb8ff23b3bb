"""The addresses of the operator's logo and colours."""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

# Opened by itself, an SVG is a page of this site: it may run nothing and load nothing. Many drawing programs write
# colours as inline styles, which some browsers judge by this policy also where an <img> shows the picture.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@login_not_required
@require_safe
def brand_file(request: HttpRequest, name: str) -> HttpResponse:
    """The name has a digest of the content, so browsers and caches may keep the file for ever."""
    file = settings.BRAND.files.get(name)
    if file is None:
        raise Http404
    response = HttpResponse(file.content, content_type=file.content_type)
    response["Content-Security-Policy"] = _POLICY
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "public, max-age=31536000, immutable"
    return response
