from django.urls import path

from projects import views
from projects.acceptance import acceptance_pages
from projects.invitations import invitation_pages
from projects.members import member_pages

_INVITATION = "projects/<project_id:project_id>/invitations/<invitation_id:invitation_id>/"

app_name = "projects"
urlpatterns = [
    path("projects/", views.project_list, name="list"),
    path("notifications/", views.notifications, name="notifications"),
    path("projects/new/", views.create_project, name="create"),
    path("projects/<project_id:project_id>/mails/", views.choose_mails, name="mails"),
    path("projects/<project_id:project_id>/delete/", views.delete_project, name="delete"),
    path("projects/<project_id:project_id>/members/", member_pages.members, name="members"),
    path("projects/<project_id:project_id>/members/leave/", member_pages.leave, name="leave"),
    path(
        "projects/<project_id:project_id>/members/<user_id:user_id>/role/", member_pages.change_role, name="change_role"
    ),
    path("projects/<project_id:project_id>/invitations/", invitation_pages.invite, name="invite"),
    path(f"{_INVITATION}resend/", invitation_pages.resend, name="resend_invitation"),
    path(f"{_INVITATION}link/", invitation_pages.copy_link, name="copy_invitation_link"),
    path(f"{_INVITATION}revoke/", invitation_pages.revoke, name="revoke_invitation"),
    path("invitations/", acceptance_pages.invitation, name="invitation"),
    path("invitations/accept/", acceptance_pages.accept, name="accept_invitation"),
    path("invitations/switch-account/", acceptance_pages.switch_account, name="switch_account"),
    path("invitations/ask/", acceptance_pages.ask_for_new, name="ask_for_invitation"),
    path("invitations/<str:token>/", acceptance_pages.open_link, name="open_invitation"),
]
