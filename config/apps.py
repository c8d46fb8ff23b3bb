from pathlib import Path

import structlog
from django.apps import AppConfig
from django.conf import settings

from config.environment import local_secrets
from config.environment.variables import DATA_DIR

logger = structlog.get_logger(__name__)


class LatchkeyConfig(AppConfig):
    """Connects what only the whole product needs; projects that embed the check have other apps."""

    name = "config"

    def ready(self) -> None:
        from accounts import security_events as _accounts  # noqa: F401  registers receivers
        from common.housekeeping import housekeeper
        from config import admin_events as _admin  # noqa: F401
        from config import housekeeping
        from config import older_database as _older_database  # noqa: F401  registers a check
        from config.serving.private_files import mend
        from projects import security_events as _projects  # noqa: F401
        from projects.audit_log import lost_emails  # noqa: F401
        from projects.invitations import ended_invitations  # noqa: F401
        from projects.members import sole_owners  # noqa: F401

        housekeeper.give(*housekeeping.TASKS)
        database = settings.DATABASES["default"]
        sqlite = Path(database["NAME"]) if database["ENGINE"].endswith("sqlite3") else None
        mend(DATA_DIR, sqlite, settings.UMASK)
        if local_secrets.made:
            logger.info(
                "secrets_made",
                folder=str(DATA_DIR / "secrets"),
                files=sorted(path.name for path in local_secrets.made),
                next="Keep copies of key_peppers and key_ring, apart from backups of the database: without key_peppers "
                "no key works, and a backup with key_ring beside it gives every stored secret away.",
            )
