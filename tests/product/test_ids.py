"""If one part of a page refers to another by its id, the other part exists exactly once."""

import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apikeys.keys.pausing import pause_key
from apikeys.keys.services import create_key, delete_key
from apikeys.usage import counting
from tests.support.people.accounts import PASSWORD
from tests.support.places.pages import action, page

pytestmark = pytest.mark.nodb

NAMING = ("aria-describedby", "aria-labelledby", "aria-controls", "for", "commandfor", "popovertarget", "form")
SIGNED_OUT = (
    *("account_login", "account_signup", "account_reset_password", "account_inactive", "apikeys:help"),
    "account_first_password",
)
ACCOUNT = (
    *(
        "account_profile",
        "account_delete",
        "account_email",
        "account_change_password",
        "account_reauthenticate",
        "account_logout",
        "usersessions_list",
    ),
    *("mfa_index", "mfa_activate_totp", "mfa_list_webauthn", "mfa_add_webauthn", "mfa_generate_recovery_codes"),
)
OF_A_PROJECT = ("dashboard", "onboarding", "settings", "usage", "activity", "create", "show_once")
ANYWHERE = ("projects:notifications", "projects:list", "projects:create", "apikeys:help", "api:openapi-view")


class Ids(HTMLParser):
    """Collects a page's ids, and the references to ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: Counter[str] = Counter()
        self.named: set[tuple[str, str]] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name == "id":
                self.ids[value] += 1
            elif name in NAMING:
                self.named |= {(name, one) for one in (value or "").split()}
            elif name == "href" and re.fullmatch("#.+", value or ""):
                self.named.add((name, value[1:]))

    @property
    def faults(self):
        """Missing ids and duplicate ids."""
        missing = {f"{name}={one}" for name, one in self.named if one not in self.ids}
        return missing | {f"id={one} twice" for one, times in self.ids.items() if times > 1}


def faults(answers):
    found = {answer.wsgi_request.get_full_path(): Ids(answer.content.decode()).faults for answer in answers}
    return {where: what for where, what in found.items() if what}


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


def test_every_id_that_a_page_of_a_project_names_is_on_it(client, project, api_key, owner, viewer, signed_in):
    """A screen reader silently ignores an aria-describedby that points to nothing."""
    paused, gone = (create_key(project=project, name=name, by=owner).key for name in ("Paused", "Gone"))
    pause_key(key=paused, by=owner)
    delete_key(key=gone, by=owner)
    counting.record(api_key.pk, "ok", timezone.now().timestamp(), None)
    counting.flush()
    addresses = [page(f"apikeys:{name}", project) for name in OF_A_PROJECT]
    addresses += [page("apikeys:settings", project) + f"?state={state}" for state in ("paused", "deleted")]
    addresses += [action("delete", api_key), page("projects:delete", project), *map(reverse, ANYWHERE)]
    answers = [client.get(address) for address in addresses]
    assert {answer.status_code for answer in answers} == {200}
    answers += [signed_in(viewer).get(page(f"apikeys:{name}", project)) for name in ("dashboard", "settings", "usage")]
    assert faults(answers) == {}


def test_every_id_that_a_refused_form_names_is_on_its_page(client, project, api_key):
    sent = {
        page("apikeys:create", project): {"name": "x" * 65},
        page("apikeys:settings", project): {"name": ""},
        page("projects:delete", project): {"confirmation": "wrong"},
        reverse("projects:create"): {"name": "\u200b"},
    }
    answers = [client.post(address, body) for address, body in sent.items()]
    assert {answer.status_code for answer in answers} == {422}
    assert faults(answers) == {}


def test_every_id_that_a_page_of_the_account_names_is_on_it(inside, person):
    inside.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    Authenticator.objects.bulk_create([Authenticator(user=person, type="totp", data={"secret": "JBSWY3DPEHPK3PXP"})])
    answers = [Client().get(reverse(name)) for name in SIGNED_OUT]
    for name in ("account_login", "account_signup", "account_reset_password"):
        answers.append(Client().post(reverse(name), {"email": "nobody", "login": "nobody", "password1": "1"}))
    answers += [inside.get(reverse(name), follow=True) for name in ACCOUNT]
    answers.append(inside.post(reverse("account_change_password"), {"oldpassword": "x", "password1": "1"}))
    answers.append(inside.post(reverse("account_email"), {"email": "nobody", "action_add": "1"}))
    assert {answer.status_code for answer in answers} <= {200, 404}
    assert faults(answers) == {}


def test_a_hint_is_read_with_its_field(db):
    answer = Client().get(reverse("account_signup"))
    hint = 'id="id_password1_helptext">At least 10 characters.'
    assert hint in answer.content.decode()
    assert 'aria-describedby="id_password1_helptext"' in answer.content.decode()
