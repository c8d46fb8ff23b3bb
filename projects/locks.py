from django.http import Http404

from projects.models import Project


def lock_project(project: Project) -> Project:
    """The project as it is now, locked until the transaction ends. Raises Http404 if it was deleted.

    The lock makes a rule about the project's rows, such as a limit or "a project has an owner", hold for requests that
    arrive together. It is no whole lock: a change of a key needs the project for its event and must not wait.
    """
    locked = Project.objects.alive().select_for_update(no_key=True).filter(pk=project.pk).first()
    if locked is None:
        raise Http404
    return locked
