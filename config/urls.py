from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.shortcuts import redirect
from django.templatetags.static import static
from django.urls import include, path, register_converter
from django.urls.converters import StringConverter

from apikeys.api.verify_and_me import verify
from apikeys.verify import gateway
from common.public_ids import converter_for
from common.row_ids import converter_for_rows
from config import brand_pages, errors, well_known
from config.api import api
from projects.views import home


class TheClients(StringConverter):
    """Whatever a client of a gateway has asked for, an empty path and line ends too."""

    regex = "(?s:.*)"


register_converter(TheClients, "the_clients")
register_converter(converter_for("prj"), "project_id")
register_converter(converter_for("key"), "key_id")
register_converter(converter_for("file"), "file_id")
register_converter(converter_for("usr"), "user_id")
register_converter(converter_for("inv"), "invitation_id")
register_converter(converter_for_rows("session"), "session_row")
register_converter(converter_for_rows("passkey"), "passkey_row")

# No model has a page of its own that "View on site" could lead to.
admin_urls = [page for page in admin.site.get_urls() if getattr(page, "name", None) != "view_on_site"]

urlpatterns = [
    path("", home, name="home"),
    path("favicon.ico", login_not_required(lambda request: redirect(static("favicon.svg"))), name="favicon"),
    path(".well-known/security.txt", well_known.security_txt, name="security_txt"),
    path(".well-known/change-password", well_known.change_password, name="well_known_change_password"),
    path("brand/<str:name>", brand_pages.brand_file, name="brand_file"),
    path("", include("projects.urls")),
    path("", include("apikeys.urls")),
    path("accounts/", include("accounts.urls")),
    path("accounts/", include("allauth.urls")),
    path("admin/", (admin_urls, "admin", admin.site.name)),
    path(gateway.PATH.lstrip("/"), verify, name="verify"),
    path(f"{gateway.BELOW.lstrip('/')}<the_clients:below>", verify, name="verify_below"),
    path("api/v1/", api.urls),
]

handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.server_error
handler429 = errors.too_many_requests
