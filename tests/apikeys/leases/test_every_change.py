"""Every change of a service, an admin page or a command, while other threads keep rows: none is ever used too late.

This process checks keys all along, so that its rows are never older than a moment. When a change is answered, what a
kept row still allows has to be what the database allows.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from itertools import product
from typing import Any

import pytest
from django.core.management import call_command, get_commands
from django.db import connections, transaction
from django.forms.models import model_to_dict
from django.utils import timezone

from accounts.models import User
from accounts.own_account.deletion import delete_account
from accounts.services import deactivate_account
from accounts.signals import closing_begun
from accounts.unconfirmed import confirm_and_clear
from apikeys.bounds.asked import Asked
from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window
from apikeys.bounds.services import limit_project, restrict_key
from apikeys.hand_over.removal import Who, remove_member
from apikeys.hand_over.removal_choices import Choice
from apikeys.hand_over.services import accept, decline, hand_over, take_over
from apikeys.keys import services as keys
from apikeys.keys.pausing import pause_key, resume_key
from apikeys.leases import kept_rows
from apikeys.lifetimes import ends, rolling
from apikeys.models import ApiKey
from apikeys.verify.key_lookup import Identity
from apikeys.verify.verification import Verdict, verify
from tests.product.access.test_right_asked_again import CHANGES, Stage

pytestmark = pytest.mark.django_db(transaction=True)

# Of one window, so that the lower limit is used up already.
THOUSAND_AN_HOUR, ONE_AN_HOUR = Limits(rate=Limit(1000, Window.HOUR)), Limits(rate=Limit(1, Window.HOUR))
GET, POST = Asked("GET"), Asked("POST")


class Kept(Stage):
    """The stage, with keys of two people, all of whose secrets are checked all along."""

    def __init__(self, project: Any, owner: Any) -> None:
        super().__init__(project, owner)
        self.theirs = keys.create_key(project=project, name="Theirs", by=self.developer).key
        alive = list(ApiKey.objects.select_related("project"))
        self.secrets = [keys.copy_secret(key=key, by=self.other) for key in alive]

    def verdicts(self) -> dict[tuple[str, Asked], Verdict]:
        return {(secret, asked): judged(secret, asked) for secret, asked in product(self.secrets, (GET, POST))}


def judged(secret: str, asked: Asked = GET) -> Verdict:
    return verify(f"Bearer {secret}", "192.0.2.1", asked)


@pytest.fixture
def stage(project, owner, leased) -> Iterator[Kept]:
    stage, ended = Kept(project, owner), threading.Event()

    def check() -> None:
        with closing(connections["default"]):
            while not ended.wait(0.005):
                stage.verdicts()

    thread = threading.Thread(target=check)
    thread.start()
    while kept_rows.number() == 0:
        assert thread.is_alive()
    yield stage
    ended.set()
    thread.join()


def stale(stage: Kept) -> list[str]:
    """What kept rows allow, as of now, although the database does not, or for somebody else, or for other scopes."""
    kept = stage.verdicts()
    kept_rows.forget_all()
    fresh = stage.verdicts()
    seen = [(kept[place].identity, fresh[place]) for place in kept]
    return [
        f"{identity.key_name}: {verdict.code}"
        for identity, verdict in seen
        if identity and (verdict.identity is None or whose(identity) != whose(verdict.identity))
    ]


def whose(identity: Identity) -> tuple[str, str]:
    return identity.user_id, identity.scopes


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_service(stage, change):
    _, arguments = CHANGES[change]
    if change is accept:
        resume_key(key=stage.paused, by=stage.other)
        stage.verdicts()
    change(by=stage.developer if change in (accept, decline) else stage.actor, **arguments(stage))
    assert stale(stage) == []


def clear(stage: Kept) -> None:
    with transaction.atomic():
        closing_begun.send(sender=User, user=stage.developer)
        confirm_and_clear(stage.developer)


def remove(stage: Kept, choice: Choice) -> None:
    remove_member(
        project=stage.project, user=stage.developer, choices={stage.theirs: choice}, who=Who(stage.actor, None)
    )


def leave_and_delete(stage: Kept) -> None:
    keys.delete_key(key=stage.theirs, by=stage.developer)
    delete_account(user=stage.developer)


def tighten(stage: Kept) -> None:
    restrict_key(key=stage.key, restrictions=Restrictions(limits=THOUSAND_AN_HOUR), by=stage.actor)
    restrict_key(key=stage.key, restrictions=Restrictions(limits=ONE_AN_HOUR), by=stage.actor)


def tighten_project(stage: Kept) -> None:
    limit_project(project=stage.project, limits=THOUSAND_AN_HOUR, by=None)
    limit_project(project=stage.project, limits=ONE_AN_HOUR, by=None)


OTHER_SERVICES: dict[str, Callable[[Kept], object]] = {
    "deactivate_account": lambda stage: deactivate_account(user=stage.developer, by=None),
    "confirm_and_clear": clear,
    "delete_account": leave_and_delete,
    "hand_over": lambda stage: hand_over(key=stage.key, to=stage.developer, by=None),
    "limit_project": tighten_project,
    "lower_limit": tighten,
    "networks": lambda stage: restrict_key(
        key=stage.key, restrictions=Restrictions(networks=("203.0.113.0/24",)), by=stage.actor
    ),
    "roll_now": lambda stage: rolling.roll_key(key=stage.key, overlap=rolling.Overlap.NONE, by=stage.actor),
    "shorter_end": lambda stage: ends.change_end(key=stage.key, expires_at=stage.later, by=stage.actor),
    **{f"remove_member_{choice}": partial(remove, choice=choice) for choice in Choice},
}


@pytest.mark.parametrize("name", OTHER_SERVICES)
def test_another_service(stage, name):
    OTHER_SERVICES[name](stage)
    assert stale(stage) == []


COMMANDS: dict[str, Callable[[Kept], list[str]]] = {
    "pausekey": lambda stage: [stage.key.public_id],
    "deletekey": lambda stage: [stage.key.public_id],
    "editkey": lambda stage: [stage.key.public_id, "--read-only"],
    "rollkey": lambda stage: [stage.key.public_id, "--overlap", "0"],
    "handover": lambda stage: [stage.key.public_id, "--to", stage.developer.email],
    "limitproject": lambda stage: [stage.project.public_id, "--rate", "1/hour"],
    "removemember": lambda stage: [stage.project.public_id, stage.developer.email],
    "setrole": lambda stage: [stage.project.public_id, stage.developer.email, "viewer"],
    "resumekey": lambda stage: [stage.paused.public_id],
}
# Why the other commands take nothing away from a key.
WITHOUT = {
    **dict.fromkeys(("createkey", "createproject", "createuser", "createsuperuser", "invite", "demo"), "create"),
    **dict.fromkeys(("listkeys", "listmembers", "checkkeys", "checkaddresses"), "read"),
    **dict.fromkeys(("foldusage", "sweepfiles", "changepassword"), "change no key"),
    "rotate_encryption": "moves keys to other secrets of the server, and every key keeps working",
    "backup": "reads, or fills an empty database",
    "convertdatabase": "runs while nothing serves",
    "serve": "serves",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command(stage, name):
    call_command(name, *COMMANDS[name](stage))
    assert stale(stage) == []


def test_each_command_is_in_the_table():
    ours = {name for name, app in get_commands().items() if app in {"apikeys", "projects", "accounts", "config"}}
    assert ours == set(COMMANDS) | set(WITHOUT)


@pytest.fixture
def staff(client) -> Any:
    client.force_login(User.objects.create_superuser("root@x.example"))
    return client


def post(client: Any, path: str, **form: Any) -> None:
    assert client.post(path, form).status_code == 302


ADMIN: dict[str, Callable[[Kept, Any], object]] = {
    "pause": lambda stage, client: post(
        client, "/admin/apikeys/apikey/", action="pause", _selected_action=[stage.key.pk, stage.theirs.pk]
    ),
    "delete_projects": lambda stage, client: post(
        client, "/admin/projects/project/", action="delete_selected", _selected_action=[stage.project.pk], post="yes"
    ),
    "delete_project": lambda stage, client: post(
        client, f"/admin/projects/project/{stage.project.pk}/delete/", post="yes"
    ),
    "deactivate": lambda stage, client: post(client, f"/admin/accounts/user/{stage.other.pk}/deactivate/"),
}


@pytest.mark.parametrize("name", ADMIN)
def test_an_admin_page(stage, staff, name):
    ADMIN[name](stage, staff)
    assert stale(stage) == []


def test_a_report_of_a_leak(stage, client):
    for secret in stage.secrets:
        answer = client.post("/api/v1/report", {"secret": secret}, content_type="application/json")
        assert answer.status_code == 202
        assert stale(stage) == []


def test_an_end_that_comes_at_once_holds_from_its_instant(stage):
    """A kept row has the end from before. The check after the answer is later than both."""
    at = timezone.now() + timedelta(seconds=1)
    ends.change_end(key=stage.key, expires_at=at, by=stage.actor)
    while timezone.now() <= at:
        time.sleep(0.005)
    assert {judged(secret).code for secret in stage.secrets} >= {"key_expired"}
    assert stale(stage) == []


# Changes that a second person makes while the answer to the first one is held back.
AGAIN: dict[str, Callable[..., object]] = {
    **{change.__name__: change for change in (keys.delete_key, pause_key, ends.end_key, take_over)},
    "pause_until": partial(pause_key),
    "change_end": partial(ends.change_end),
    "restrict_key": partial(restrict_key, restrictions=Restrictions(read_only=True)),
    "roll_key": partial(rolling.roll_key, overlap=rolling.Overlap.NONE, form_token="t" * 22),
}


@pytest.mark.parametrize("name", AGAIN)
def test_a_second_answer_is_as_late_as_the_first(stage, name):
    """It says "that is so already", and the first answer has not been given yet."""
    extra: dict[str, dict[str, Any]] = {
        "pause_until": {"until": stage.later},
        "change_end": {"expires_at": stage.later},
    }

    def make() -> None:
        with closing(connections["default"]):
            AGAIN[name](key=ApiKey.objects.get(pk=stage.key.pk), by=stage.actor, **extra.get(name, {}))

    before = ApiKey.objects.get(pk=stage.key.pk)
    first = threading.Thread(target=make)
    first.start()
    while model_to_dict(ApiKey.objects.get(pk=stage.key.pk)) == model_to_dict(before):
        assert first.is_alive()
    AGAIN[name](key=ApiKey.objects.get(pk=stage.key.pk), by=stage.actor, **extra.get(name, {}))
    assert stale(stage) == []
    first.join()
