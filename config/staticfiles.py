from django.contrib.staticfiles.apps import StaticFilesConfig
from whitenoise.storage import CompressedManifestStaticFilesStorage


class ServedStaticFiles(StaticFilesConfig):
    """Leaves out what libraries bring and no page of ours loads: betas, extensions, API browsers."""

    ignore_patterns = [*StaticFilesConfig.ignore_patterns, "ext", "htmax-*", "htmx-4*", "redoc*", "swagger*"]


class ModuleManifestStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Hashed names also inside JavaScript modules' imports, so that a new release never mixes with a cached old one."""

    support_js_module_import_aggregation = True
