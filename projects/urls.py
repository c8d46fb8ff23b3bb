from django.urls import path

from projects import views

app_name = "projects"
urlpatterns = [
    path("projects/", views.project_list, name="list"),
    path("projects/new/", views.create_project, name="create"),
    path("projects/<project_id:project_id>/mails/", views.choose_mails, name="mails"),
    path("projects/<project_id:project_id>/delete/", views.delete_project, name="delete"),
]
