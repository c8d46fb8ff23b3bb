from django.urls import path

from projects import views
from projects.members import member_pages

app_name = "projects"
urlpatterns = [
    path("projects/", views.project_list, name="list"),
    path("projects/new/", views.create_project, name="create"),
    path("projects/<project_id:project_id>/mails/", views.choose_mails, name="mails"),
    path("projects/<project_id:project_id>/delete/", views.delete_project, name="delete"),
    path("projects/<project_id:project_id>/members/", member_pages.members, name="members"),
    path("projects/<project_id:project_id>/members/leave/", member_pages.leave, name="leave"),
    path(
        "projects/<project_id:project_id>/members/<user_id:user_id>/role/", member_pages.change_role, name="change_role"
    ),
    path(
        "projects/<project_id:project_id>/members/<user_id:user_id>/remove/",
        member_pages.remove_member,
        name="remove_member",
    ),
]
