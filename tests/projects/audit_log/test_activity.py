"""The Activity page and its file: filters by kind, person and key; the events that each reader sees."""

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apikeys.keys.pausing import pause_key, resume_key
from apikeys.keys.services import copy_secret, create_key, delete_key, report_leak
from projects.audit_log import activity
from projects.audit_log.kinds import Subject, all_kinds
from projects.audit_log.models import AuditEvent
from projects.members.memberships import change_member
from projects.models import Project
from projects.permissions import Role
from projects.services import create_project, rename_project
from tests.support.calls.api_client import secret_of
from tests.support.factories import ApiKeyFactory, MembershipFactory, ProjectFactory, UserFactory
from tests.support.places.pages import page, text
from tests.support.stored.rows import many_events

pytestmark = pytest.mark.django_db
ADDRESS = "203.0.113.7"
HEADING = ["time", "event", "by", "key id", "key name", "member", "role", "before", "after", "address"]


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


@pytest.fixture
def second(project) -> Any:
    return MembershipFactory(project=project, user=UserFactory(email="second@example.com")).user


@pytest.fixture
def other_key(project, second) -> Any:
    """Created and paused by another owner. An operator's command paused `api_key`, and somebody reported it."""
    return create_key(project=project, name="Staging", by=second, address=ADDRESS).key


@pytest.fixture
def busy(project, owner, second, api_key, other_key) -> Any:
    pause_key(key=other_key, by=second, address=ADDRESS)
    copy_secret(key=api_key, by=owner, address=ADDRESS)
    pause_key(key=api_key, by=None)
    report_leak(secret=secret_of(api_key), address=ADDRESS)
    return project


def sentences(answer: Any) -> list[str]:
    rows = re.findall(r'<span class="row-main">(.*?)</span>\s*<span class="muted"><time', answer.content.decode(), re.S)
    return [" ".join(re.sub(r"<[^>]+>", "", row).split()) for row in rows]


def rows_of(answer: Any) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(answer).decode("utf-8-sig"))))


def of(project: Any, name: str = "activity") -> str:
    return page(f"apikeys:{name}", project)


# Filters


def test_the_page_filters_by_kind_by_person_and_by_key(client, busy, owner, second, api_key, other_key):
    by_second = [f"second@example.com {did} Staging from {ADDRESS}" for did in ("paused", "created")]
    copied = f"owner@example.com copied Production server from {ADDRESS}"
    by_an_operator = "An operator of this server paused Production server"
    reported = f"Production server was reported as leaked from {ADDRESS}"
    found = {
        ("kind", "paused"): [by_an_operator, by_second[0]],
        ("kind", "member_removed"): [],
        ("person", second.public_id): by_second,
        ("person", "operator"): [by_an_operator],
        ("key", other_key.public_id): by_second,
        ("key", api_key.public_id): [reported, by_an_operator, copied],
    }
    for (name, value), expected in found.items():
        shown = sentences(client.get(of(busy), {name: value}))
        assert [sentence for sentence in shown if "created Production" not in sentence] == expected, (name, value)
    all_three = {"kind": "created", "person": second.public_id, "key": other_key.public_id}
    assert sentences(client.get(of(busy), all_three)) == by_second[1:]
    assert len(sentences(client.get(of(busy), {"kind": "", "person": "", "key": ""}))) == len(AuditEvent.objects.all())


def test_the_form_keeps_what_was_chosen_and_offers_what_the_project_has(client, busy, owner, admin, api_key, other_key):
    # Staff did it in the admin.
    resume_key(key=other_key, by=admin, needs_right=False)
    delete_key(key=other_key, by=owner)
    UserFactory(email="staff-elsewhere@example.com", is_staff=True)
    gone = MembershipFactory(project=busy, user=UserFactory(email="gone@example.com"), role=Role.VIEWER).user
    change_member(project=busy, user=gone, role=Role.OWNER, by=owner)
    pause_key(key=create_key(project=busy, name="Third", by=gone).key, by=gone)
    change_member(project=busy, user=gone, role=None, by=owner)
    content = client.get(of(busy), {"kind": "paused", "key": other_key.public_id}).content.decode()
    chosen = re.findall(r'<option value="([^"]*)" selected>', content)
    assert chosen == ["paused", other_key.public_id]
    people = re.search(r'<select id="event-person".*?</select>', content, re.S)[0]
    offered = re.findall(r"<option[^>]*>([^<]+)<", people)
    members = ["gone@example.com", "owner@example.com", "second@example.com"]
    assert offered == ["Anyone", admin.email, *members, "An operator of this server"]
    keys = re.search(r'<select id="event-key".*?</select>', content, re.S)[0]
    assert re.findall(r"<option[^>]*>([^<]+)<", keys) == ["All keys", api_key.name, "Third", "Staging"]


def test_filters_survive_paging_and_lead_to_the_file(client, project, api_key):
    many_events(api_key, 60)
    query = {"kind": "copied", "key": api_key.public_id}
    content = client.get(of(project), {**query, "page": 2}).content.decode()
    kept = f"?kind=copied&amp;key={api_key.public_id}"
    assert f'href="{kept}&amp;page=1"' in content
    assert f'href="{kept}&amp;page=3"' in content
    assert f'href="{of(project, "activity_csv")}{kept}"' in content
    assert "60 events" in content


def test_htmx_gets_the_events_alone(client, busy):
    headers = {"HX-Request": "true", "HX-Target": "events"}
    answer = client.get(of(busy), {"kind": "paused"}, headers=headers)
    content = answer.content.decode()
    assert content.strip().startswith("<section")
    assert "<form" not in content
    assert len(sentences(answer)) == 2
    assert "HX-Target" in answer.headers["Vary"]


@pytest.mark.parametrize("name", ["activity", "activity_csv"])
@pytest.mark.parametrize(
    "query", ["kind=whispered", "kind=%00", "person=ada", "person=usr_1", "key=key_1", "key=key_000000000000000%0A"]
)
def test_a_filter_that_no_link_of_ours_has_is_refused(name, query, client, busy):
    assert client.get(f"{of(busy, name)}?{query}").status_code == 400


@pytest.mark.parametrize("name", ["activity", "activity_csv"])
def test_a_person_or_a_key_of_another_project_is_as_unknown_as_one_that_never_existed(name, client, busy, outsider):
    """T16: the filters do not reveal who has an account on this server."""
    staff = UserFactory(is_staff=True)
    elsewhere = ApiKeyFactory(responsible=outsider, project=ProjectFactory(created_by=outsider))
    unknown = [("person", outsider.public_id), ("person", staff.public_id), ("person", "usr_0000000000000000")]
    unknown += [("key", elsewhere.public_id), ("key", "key_0000000000000000")]
    for filter_, value in unknown:
        assert client.get(of(busy, name), {filter_: value}).status_code == 404, (filter_, value)


# The first event


def test_the_first_event_says_who_created_the_project(client, owner):
    """Staff who add themselves later did not create it, also if they once did."""
    project = create_project(name="Tides", owner=owner, by=owner)
    assert sentences(client.get(of(project))) == ["owner@example.com created the project"]
    change_member(project=project, user=UserFactory(), role=Role.OWNER, by=None)
    change_member(project=project, user=owner, role=None, by=owner)
    Project.objects.filter(pk=project.pk).update(created_at=timezone.now() - timedelta(days=9))
    project.audit_events.filter(member=owner, kind="member_added").update(at=timezone.now() - timedelta(days=9))
    change_member(project=project, user=owner, role=Role.VIEWER, by=owner)
    newest, *_, first = sentences(client.get(of(project)))
    assert newest == "owner@example.com added owner@example.com as a viewer"
    assert first == "owner@example.com created the project"


def test_a_project_that_an_operator_created_says_whom_it_was_created_for(client, owner):
    project = create_project(name="Tides", owner=owner, by=None)
    assert sentences(client.get(of(project))) == ["An operator of this server added owner@example.com as an owner"]


# Rows: none, one, a thousand


def test_no_event_that_matches_is_said_with_a_way_back(client, project, api_key):
    answer = client.get(of(project), {"kind": "project_renamed"})
    assert "No event matches these filters. Show all events" in text(answer)
    rename_project(project=project, name="Acme Climate", by=api_key.created_by)
    answer = client.get(of(project), {"kind": "project_renamed"})
    assert sentences(answer) == ["owner@example.com renamed the project from Acme Weather to Acme Climate"]
    assert "1 event " in text(answer)


def test_a_thousand_events_cost_the_same_statements_as_one(client, project, api_key):
    def asked(number: int) -> int:
        with CaptureQueriesContext(connection) as seen:
            for name in ("activity", "activity_csv"):
                b"".join(client.get(of(project, name), {"kind": "copied", "key": api_key.public_id, "page": number}))
        return len(seen)

    many_events(api_key, 1)
    with_one = asked(1)
    many_events(api_key, 999)
    assert asked(40) == with_one
    assert "Page 40 of 40" in text(client.get(of(project), {"kind": "copied", "page": 40}))


# Text of people


def test_names_in_an_event_are_shown_as_text(client, project, owner):
    hostile = "<b>{by}{0}</b>"
    AuditEvent.objects.create(project=project, kind="project_renamed", by=owner, before=hostile, after="{key}")
    content = client.get(of(project)).content.decode()
    assert "from <strong>&lt;b&gt;{by}{0}&lt;/b&gt;</strong> to <strong>{key}</strong>" in content


# The file


def test_the_file_has_a_line_for_each_event_that_the_filters_show(client, busy, owner, second, other_key):
    answer = client.get(of(busy, "activity_csv"), {"key": other_key.public_id})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert (
        answer.headers["Content-Disposition"]
        == f'attachment; filename="activity-{busy.public_id}-{other_key.public_id}.csv"'
    )
    assert "no-store" in answer.headers["Cache-Control"]
    heading, *rows = rows_of(answer)
    assert heading == HEADING
    of_key = ["second@example.com", other_key.public_id, "Staging", "", "", "", "", ADDRESS]
    assert [row[1:] for row in rows] == [["Key paused", *of_key], ["Key created", *of_key]]
    newest = AuditEvent.objects.filter(key=other_key).first()
    assert rows[0][0] == f"{newest.at:%Y-%m-%dT%H:%M:%SZ}"
    change_member(project=busy, user=second, role=Role.VIEWER, by=owner)
    of_member = rows_of(client.get(of(busy, "activity_csv"), {"kind": "member_changed"}))[1]
    assert of_member[1:] == [
        "Member's role changed",
        owner.email,
        "",
        "",
        second.email,
        "viewer",
        "Owner",
        "Viewer",
        "",
    ]
    done_by = [(row[1], row[2]) for row in rows_of(client.get(of(busy, "activity_csv")))[1:]]
    assert ("Key reported as leaked", "") in done_by
    assert ("Key paused", "An operator of this server") in done_by


@pytest.mark.parametrize("kind", [kind for kind in all_kinds() if kind.names_person], ids=lambda kind: kind.code)
def test_a_person_who_is_invited_or_offered_a_key_stands_under_member_in_the_file(
    kind, client, project, api_key, owner
):
    of = {"key": api_key} if kind.subject == Subject.KEY else {"role": "viewer"}
    AuditEvent.objects.create(project=project, kind=kind.code, by=owner, before="ada@example.com", **of)
    answer = client.get(reverse("apikeys:activity_csv", args=[project.public_id]), {"kind": kind.code})
    [row] = [dict(zip(HEADING, line, strict=True)) for line in rows_of(answer)[1:]]
    assert (row["member"], row["before"], row["after"]) == ("ada@example.com", "", "")


@pytest.mark.parametrize("name", ['=HYPERLINK("//evil")', "+1", "x;=1+1", "＝1"])
def test_no_text_in_the_file_is_a_formula(name, client, project, api_key):
    """T26: the names of keys and files, the addresses, and both names of a change."""
    type(api_key).objects.filter(pk=api_key.pk).update(name=name)
    names = {"before": name, "after": name}
    AuditEvent.objects.create(project=project, kind="renamed", key=api_key, by=api_key.created_by, **names)
    line = rows_of(client.get(of(project, "activity_csv"), {"kind": "renamed"}))[1]
    assert [line[4], line[7], line[8]] == [activity.as_text(name)] * 3 != [name] * 3


def test_a_head_request_builds_no_file(client, busy, owner, second, other_key):
    """The name of the file names its filters, as that of a file of usage does."""
    query = {"kind": "created", "person": second.public_id, "key": other_key.public_id}
    with CaptureQueriesContext(connection) as asked:
        answer = client.head(of(busy, "activity_csv"), query)
    assert b"".join(answer) == b""
    assert not [query for query in asked if '"projects_auditevent"."at"' in query["sql"]]
    name = f"activity-{busy.public_id}-created-{second.public_id}-{other_key.public_id}.csv"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert "Content-Length" not in answer.headers
    got = client.get(of(busy, "activity_csv"), query)
    assert {got.headers[header] == answer.headers[header] for header in ("Content-Disposition", "Content-Type")} == {
        True
    }


def test_the_file_is_read_in_short_statements_and_ends_at_its_limit(client, project, api_key, monkeypatch):
    """This includes events with equal times. Each is in the file once, the newest first."""
    monkeypatch.setattr(activity, "EVENTS_A_QUERY", 7)
    many_events(api_key, 30)
    AuditEvent.objects.filter(kind="copied").update(at=api_key.created_at)
    with CaptureQueriesContext(connection) as seen:
        rows = rows_of(client.get(of(project, "activity_csv"), {"kind": "copied"}))
    assert len(rows) == 31
    assert len([query for query in seen if "projects_auditevent" in query["sql"]]) == 5
    monkeypatch.setattr(activity, "MOST_IN_A_FILE", 14)
    assert len(rows_of(client.get(of(project, "activity_csv")))) == 15
    assert "The CSV has the newest 14" in text(client.get(of(project)))


def test_viewers_get_what_owners_get_and_strangers_nothing(busy, viewer, outsider, signed_in):
    for name in ("activity", "activity_csv"):
        assert signed_in(viewer).get(of(busy, name)).status_code == 200
        assert signed_in(outsider).get(of(busy, name)).status_code == 404
        answer = Client().get(of(busy, name))
        assert answer["Location"].startswith(reverse("account_login"))
