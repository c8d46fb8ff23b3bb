"""The kinds of events that projects, their members and their files have."""

from common.security_log import Event
from projects.audit_log.kinds import NOBODY, Email, Kind, Subject, register


def _email_about_a_member(subject: str, what: str, undo: str, to_member: str) -> Email:
    """No switch: a person could otherwise be let in, or kept out, without the owners' knowledge.

    `undo` tells owners what they can do on the Members page. `to_member` tells the person, who may not do that.
    """
    return Email(
        None,
        subject,
        what,
        f"If you did not expect this, {undo}",
        section="",
        why="You get this email because you are this person, or because you own the project.",
        to_member=to_member,
        links_members=True,
    )


_CHECK_ACCOUNT = (
    "on the project's Members page. If nobody whom you trust did it, also {secure_account} and sign out your other "
    "sessions."
)
_REMOVE = f"remove the person {_CHECK_ACCOUNT}"
_ASK_AN_OWNER = "If you did not expect this, ask one of the owners above. If no owner answers, ask {administrator}."
_NOT_ME = "If this was not you, {secure_account} and sign out your other sessions. Then"

MEMBER_ADDED = register(
    Kind(
        "member_added",
        Subject.MEMBER,
        "Member added",
        "{by} added {member} as {role}",
        "user-plus",
        Event.MEMBER_ADDED,
        _email_about_a_member("Member added", "A person became a member of a project.", _REMOVE, _ASK_AN_OWNER),
        sentence_of_creation="{by} created the project",
    )
)
MEMBER_CHANGED = register(
    Kind(
        "member_changed",
        Subject.MEMBER,
        "Member's role changed",
        "{by} changed the role of {member} from {before} to {after}",
        "user-plus",
        Event.MEMBER_CHANGED,
        _email_about_a_member(
            "Member's role changed",
            "A member of a project got another role.",
            f"choose another role for the person {_CHECK_ACCOUNT}",
            _ASK_AN_OWNER,
        ),
        names=True,
        sentence_without_names="{by} made {member} {role}",
    )
)
MEMBER_REMOVED = register(
    Kind(
        "member_removed",
        Subject.MEMBER,
        "Member removed",
        "{by} removed {member}",
        "user-minus",
        Event.MEMBER_REMOVED,
        _email_about_a_member(
            "Member removed",
            "A person is no longer a member of a project.",
            f"invite the person again {_CHECK_ACCOUNT}",
            _ASK_AN_OWNER,
        ),
    )
)
MEMBER_JOINED = register(
    Kind(
        "member_joined",
        Subject.MEMBER,
        "Invitation accepted",
        "{by} accepted an invitation and became {role}",
        "user-plus",
        Event.MEMBER_JOINED,
        _email_about_a_member(
            "Invitation accepted",
            "A person accepted an invitation to a project.",
            _REMOVE,
            f"{_NOT_ME} leave the project on its Members page.",
        ),
    )
)
MEMBER_LEFT = register(
    Kind(
        "member_left",
        Subject.MEMBER,
        "Member left",
        "{by} left the project",
        "user-minus",
        Event.MEMBER_LEFT,
        _email_about_a_member(
            "Member left",
            "A person left each project below.",
            "ask the person. You can invite them again on the project's Members page. If they deleted their account, "
            "they need a new one.",
            f"{_NOT_ME} ask one of the owners above to invite you again.",
        ),
    )
)
_INVITED_EMAIL = Email(
    None,
    "Invited",
    "Each person below was invited to a project. They become a member when they accept.",
    "If you did not expect this, revoke the invitation on the project's Members page, and ask the person who sent it.",
    section="",
    why="You get this email because you own the project. All owners get it.",
    links_members=True,
)
INVITED = register(
    Kind(
        "invited",
        Subject.INVITATION,
        "Person invited",
        "{by} invited {before} as {role}",
        "envelope",
        Event.INVITED,
        _INVITED_EMAIL,
        names=True,
        names_person=True,
    )
)
INVITATION_RESENT = register(
    Kind(
        "invitation_resent",
        Subject.INVITATION,
        "Invitation sent again",
        "{by} sent the invitation of {before} again",
        "envelope",
        Event.INVITATION_RESENT,
        NOBODY,
        names=True,
        names_person=True,
    )
)
INVITATION_LINK_COPIED = register(
    Kind(
        "invitation_link_copied",
        Subject.INVITATION,
        "Invitation link copied",
        "{by} copied the invitation link of {before}",
        "link",
        Event.INVITATION_LINK_COPIED,
        NOBODY,
        names=True,
        names_person=True,
    )
)
INVITATION_REVOKED = register(
    Kind(
        "invitation_revoked",
        Subject.INVITATION,
        "Invitation revoked",
        "{by} revoked the invitation of {before}",
        "envelope",
        Event.INVITATION_REVOKED,
        NOBODY,
        names=True,
        names_person=True,
    )
)
PROJECT_RENAMED = register(
    Kind(
        "project_renamed",
        Subject.PROJECT,
        "Project renamed",
        "{by} renamed the project from {before} to {after}",
        "pencil",
        Event.PROJECT_RENAMED,
        NOBODY,
        names=True,
    )
)
NOTIFICATIONS_CHANGED = register(
    Kind(
        "notifications_changed",
        Subject.PROJECT,
        "Email notifications changed",
        "{by} changed their email notifications from {before} to {after}",
        "bell",
        Event.NOTIFICATIONS_CHANGED,
        NOBODY,
        names=True,
    )
)
FILE_DELETED = register(
    Kind(
        "file_deleted",
        Subject.FILE,
        "File deleted",
        "{by} deleted the file {before}",
        "document-minus",
        Event.FILE_DELETED,
        NOBODY,
        names=True,
    )
)
