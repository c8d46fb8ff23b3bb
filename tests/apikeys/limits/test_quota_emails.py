"""Owners are emailed when 80 % of a quota is used and when all of it is, once in each of its windows."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window
from apikeys.bounds.services import limit_project, restrict_key
from apikeys.keys import pausing, services
from apikeys.limits import blocks
from apikeys.limits.models import Budget
from apikeys.limits.quota_emails import warn_of_quotas
from apikeys.verify.verification import verify
from common.outbox.models import Email
from projects.models import Membership
from tests.support.calls.api_client import bearer, secret_of
from tests.support.programs.parallel import in_parallel

TEN, TWENTY = Limit(10, Window.MONTH), Limit(20, Window.MONTH)


def restrict(api_key, quota=TEN):
    restrict_key(key=api_key, restrictions=Restrictions(limits=Limits(quota=quota)), by=None)


def use(api_key, requests):
    for _ in range(requests):
        verify(bearer(secret_of(api_key))["Authorization"])


def housekeeping():
    return warn_of_quotas(timezone.now())


@pytest.fixture
def quota_key(db, api_key):
    restrict(api_key)
    return api_key


def subjects(emails):
    return [email.subject.removeprefix("[Latchkey] ") for email in emails]


def test_owners_are_told_at_80_percent_and_at_the_end_once_each(quota_key, told, owner):
    found = []
    for _ in range(12):
        use(quota_key, 1)
        found.append(subjects(told(housekeeping)))
    of = f"{quota_key.name} ({quota_key.project.name})"
    almost, all_of_it = [f"80 % of a quota is used: {of}"], [f"Quota used up: {of}"]
    assert found == [*[[]] * 7, almost, [], all_of_it, [], []]


def test_the_email_has_numbers_the_next_beginning_and_a_way_to_raise_the_quota(quota_key, told, owner, settings):
    use(quota_key, 11)
    [email] = told(housekeeping)
    assert email.to == [owner.email]
    assert f"Key: {quota_key.name}, {quota_key.mask}\nUsed: 10 of 10 requests this month\nBegins anew: 1 " in email.body
    assert ", 00:00 UTC\n" in email.body
    page = f"{settings.BASE_URL}/projects/{quota_key.project.public_id}/keys/{quota_key.public_id}/edit/"
    assert f"Raise the quota: {page}\n" in email.body
    assert "All owners get it." in email.body


def test_owners_cannot_switch_the_emails_off(quota_key, told, owner):
    switches = [field.name for field in Membership._meta.fields if field.name.startswith("mail_")]
    Membership.objects.update(**dict.fromkeys(switches, False))
    use(quota_key, 10)
    assert [email.to for email in told(housekeeping)] == [[owner.email]]


def test_the_quota_of_a_project_has_its_own_emails(db, api_key, told):
    limit_project(project=api_key.project, limits=Limits(quota=TEN), by=None)
    use(api_key, 8)
    [almost] = told(housekeeping)
    use(api_key, 3)
    [all_of_it] = told(housekeeping)
    name = api_key.project.name
    assert subjects([almost, all_of_it]) == [
        f"80 % of the project's quota is used: {name}",
        f"Project's quota used up: {name}",
    ]
    assert "Used: 8 of 10 requests this month\n" in almost.body
    assert "The operator can raise the quota." in all_of_it.body


def test_a_rate_has_no_emails(db, api_key, told):
    restrict_key(key=api_key, restrictions=Restrictions(limits=Limits(rate=Limit(5, Window.HOUR))), by=None)
    use(api_key, 8)
    assert told(housekeeping) == []


def test_a_quota_that_was_raised_before_the_email_has_none(quota_key, told):
    use(quota_key, 9)
    restrict(quota_key, TWENTY)
    assert told(housekeeping) == []


def test_a_raised_quota_has_emails_of_its_own(quota_key, told):
    use(quota_key, 10)
    assert len(told(housekeeping)) == 1
    restrict(quota_key, TWENTY)
    assert told(housekeeping) == []
    use(quota_key, 5)
    assert told(housekeeping) == []
    use(quota_key, 1)
    assert [email.subject.startswith("[Latchkey] 80 %") for email in told(housekeeping)] == [True]
    use(quota_key, 4)
    assert [email.subject.startswith("[Latchkey] Quota") for email in told(housekeeping)] == [True]


def test_the_next_window_has_its_own_emails(quota_key, told):
    use(quota_key, 10)
    assert len(told(housekeeping)) == 1
    later = timezone.now() + timedelta(days=40)
    assert told(warn_of_quotas, later) == [], "the window has ended"
    row = Budget.objects.get()
    earlier = row.starts - 24 * 3600 * 40
    Budget.objects.update(starts=earlier, mailed_starts=earlier)
    use(quota_key, 8)
    assert [email.subject.startswith("[Latchkey] 80 %") for email in told(housekeeping)] == [True]


def test_nobody_is_told_of_a_deleted_key(quota_key, told, owner):
    use(quota_key, 10)
    pausing.pause_key(key=quota_key, by=owner)
    services.delete_key(key=quota_key, by=owner)
    assert told(housekeeping) == []


def test_two_servers_at_once_send_one_email(transactional_db, api_key, owner):
    restrict(api_key)
    use(api_key, 10)
    blocks.give_back_all()
    Email.objects.all().delete()
    assert sorted(in_parallel([housekeeping] * 4)) == [0, 0, 0, 1]
    assert Email.objects.count() == 1
