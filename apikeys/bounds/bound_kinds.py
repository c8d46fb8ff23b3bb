"""The kinds of events of what a key may do. `apikeys.audit_kinds` imports this module, which imports no models."""

from common.security_log import Event
from projects.audit_log.kinds import Email, Kind, Subject, register


def _changed(code: str, label: str, what: str, icon: str, event: Event, email: Email | None) -> Kind:
    sentence = f"{{by}} changed the {what} of {{key}} from {{before}} to {{after}}"
    return register(Kind(code, Subject.KEY, label, sentence, icon, event, email, names=True))


# Nobody is emailed: an owner or a developer chose it, and pages show what a key may do.
ACCESS_CHANGED = _changed("access_changed", "Access changed", "access", "lock-closed", Event.KEY_ACCESS_CHANGED, None)
NETWORKS_CHANGED = _changed(
    "networks_changed", "Addresses changed", "addresses", "globe-alt", Event.KEY_NETWORKS_CHANGED, None
)
LIMITS_CHANGED = _changed("limits_changed", "Limits changed", "limits", "scale", Event.KEY_LIMITS_CHANGED, None)
PROJECT_LIMITED = register(
    Kind(
        "project_limited",
        Subject.PROJECT,
        "Limits of the project changed",
        "{by} changed the limits of the project from {before} to {after}",
        "scale",
        Event.PROJECT_LIMITED,
        Email(
            None,
            "Limits of a project changed",
            "The operator changed the limits of all API keys of a project together.",
            "If this is a surprise to you, ask the operator.",
        ),
        names=True,
    )
)
