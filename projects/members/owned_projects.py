"""How many projects an account may own (MAX_PROJECTS_PER_USER), however it comes to own them."""

from django.conf import settings
from django.core.exceptions import ValidationError

from accounts.models import User
from common.plurals import counted
from projects.locks import lock_users
from projects.models import Project
from projects.permissions import Permission


def refuse_another_project(user: User) -> None:
    """Raises ValidationError if the account owns as many living projects as an account may.

    Called in the transaction in which it becomes an owner, with the project locked, if that exists already. The account
    stays locked, so that the limit holds for requests that arrive together.
    """
    lock_users([user.pk])
    owned, limit = Project.objects.of(user, can=Permission.OWN_PROJECT).count(), settings.MAX_PROJECTS_PER_USER
    if owned >= limit:
        raise ValidationError(
            f"The account {user} has reached its limit of {counted(limit, 'project')} that it can own. Delete one of "
            "them that is no longer used first, or ask an administrator of this server for more.",
            code="too_many_projects",
        )
