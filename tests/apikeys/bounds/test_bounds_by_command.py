"""createkey, editkey, limitproject and listkeys with access, networks and limits."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apikeys.bounds.asked import Asked
from apikeys.keys.services import delete_key
from apikeys.models import ApiKey
from apikeys.verify.verification import verify
from projects.services import delete_project

pytestmark = pytest.mark.django_db

ALL = ["--scope", "files:read", "--network", "198.51.100.7", "--rate", "100/minute", "--quota", "10000/month"]
SHOWN = {
    "access": ["files:read"],
    "networks": ["198.51.100.7"],
    "rate": "100/minute",
    "quota": "10000/month",
}
BOTH = ["files:read", "files:write"]
FREE: dict[str, Any] = {"access": "full", "networks": [], "rate": None, "quota": None}


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def run_json(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def shown(answer: Any) -> Any:
    return {name: answer[name] for name in SHOWN}


def test_createkey_makes_a_key_that_is_restricted_from_its_first_request(project):
    answer = run_json("createkey", project.public_id, "--name", "CI", *ALL)
    assert shown(answer) == SHOWN
    header = f"Bearer {answer['secret']}"
    assert verify(header, "203.0.113.1").code == "address_refused"
    assert verify(header, "198.51.100.7", Asked(scopes=("files:write",))).code == "insufficient_scope"
    assert verify(header, "198.51.100.7", Asked(scopes=("files:read",))).code is None
    assert verify(header, "198.51.100.7", Asked(cost=1000)).refusal.code == "invalid"


def test_createkey_says_what_the_key_may_do_and_nothing_of_a_key_that_may_do_everything(project):
    said = run("createkey", project.public_id, "--name", "CI", *ALL)
    words = "files:read, from 198.51.100.7, 100 requests a minute, 10,000 requests a month"
    assert f"It is restricted: {words}.\n" in said
    assert shown(run_json("createkey", project.public_id, "--name", "Free", "--full-access", "--any-address")) == FREE
    assert "restricted" not in run("createkey", project.public_id, "--name", "Plain")
    listed = run("listkeys", project.public_id).splitlines()
    assert [words in line for line in listed] == [False, False, True]


@pytest.mark.parametrize(
    ("options", "after"),
    [
        (["--read-only"], {"access": "read"}),
        (["--full-access"], {"access": "full"}),
        (["--scope=files:write", "--scope=files:read", "--scope=files:write"], {"access": BOTH}),
        (["--any-address"], {"networks": []}),
        (["--network", "2001:DB8::/32", "--network=::ffff:192.0.2.1"], {"networks": ["2001:db8::/32", "192.0.2.1"]}),
        (["--rate", "5/second"], {"rate": "5/second"}),
        (["--no-rate"], {"rate": None}),
        (["--quota", "10,000/day"], {"quota": "10000/day"}),
        (["--no-quota"], {"quota": None}),
        (["--full-access", "--any-address", "--no-rate", "--no-quota"], FREE),
    ],
)
def test_editkey_changes_what_is_named_and_nothing_else(project, options, after):
    key = run_json("createkey", project.public_id, "--name", "CI", *ALL)["id"]
    answer = run_json("editkey", key, *options)
    assert shown(answer) == SHOWN | after
    assert answer["changed"] is True
    assert run_json("editkey", key, *options)["changed"] is False
    if after == FREE:
        assert ApiKey.objects.get(public_id=key).restrictions is None
        assert "never expires, and may do everything." in run("editkey", key, "--name", "Free")


def test_editkey_changes_everything_together_or_nothing(api_key):
    before = api_key.name
    with pytest.raises(CommandError, match="There is no scope 'nothing'"):
        run("editkey", api_key.public_id, "--name", "Web", "--expires", "now", "--scope", "nothing")
    api_key.refresh_from_db()
    assert (api_key.name, api_key.restrictions, api_key.expires_at) == (before, None, None)
    said = run("editkey", api_key.public_id, "--name", "Web", "--read-only")
    assert said == f"Web ({api_key.public_id}) is changed: it never expires. It is restricted: read only.\n"
    assert [(event.kind, event.by) for event in api_key.events.order_by("-id")[:2]] == [
        ("access_changed", None),
        ("renamed", None),
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--read-only", "--full-access"], "--full-access: not allowed with argument --read-only"),
        (["--read-only", "--scope", "files:read"], "--scope: not allowed with argument --read-only"),
        (["--scope", "files:read", "--full-access"], "--full-access: not allowed with argument --scope"),
        (["--network", "192.0.2.1", "--any-address"], "--any-address: not allowed with argument --network"),
        (["--rate", "1/hour", "--no-rate"], "--no-rate: not allowed with argument --rate"),
        (["--no-quota", "--quota", "1/day"], "--quota: not allowed with argument --no-quota"),
        (["--scope", ""], "There is no scope ''. The scopes are: files:read, files:write."),
        (["--scope", "files:read files:write"], "There is no scope 'files:read files:write'."),
        (["--network", ""], "A network is empty. Write --network 198.51.100.0/24, or --any-address."),
        (["--network", "192.0.2.1", "--network", " "], "A network is empty."),
        (["--network", "10.0.0.1/24"], "Write 10.0.0.0/24, or the address alone."),
        (["--network", "0.0.0.0/0"], "is every address."),
        (["--network", "example.com"], "'example.com' is no address and no network."),
        (["--rate", ""], "'' is no rate. Write 100/second or 100/minute or 100/hour."),
        (["--rate", "100/day"], "'100/day' is no rate."),
        (["--rate", "-1/minute"], "A limit is a whole number from 1 to"),
        (["--rate", "100"], "'100' is no rate."),
        (["--quota", "100/minute"], "'100/minute' is no quota. Write 100/day or 100/month."),
        (["--quota", "0/day"], "To reject every request, pause the key."),
        (["--quota", "٥/day"], "A limit is a whole number from 1 to"),
    ],
)
def test_what_contradicts_itself_or_cannot_be_is_refused_and_nothing_is_changed(project, api_key, options, said):
    for command in (["createkey", project.public_id, "--name", "CI"], ["editkey", api_key.public_id]):
        with pytest.raises(CommandError) as error:
            run(*command, *options)
        assert said in str(error.value)
    api_key.refresh_from_db()
    assert api_key.restrictions is None
    assert project.api_keys.count() == 1


def test_a_scope_that_is_defined_no_more_stays_and_is_not_given_anew(project, api_key, settings):
    key = run_json("createkey", project.public_id, "--name", "CI", "--scope", "files:read")["id"]
    settings.SCOPES = {"orders:read": "Read orders"}
    assert run_json("editkey", key, "--rate", "5/second")["access"] == ["files:read"]
    assert run_json("editkey", key, "--scope=files:read", "--scope=orders:read")["changed"]
    with pytest.raises(CommandError, match="The scopes are: orders:read"):
        run("editkey", api_key.public_id, "--scope", "files:read")


def test_a_key_that_only_a_newer_release_can_read_is_listed_and_not_restricted(project, api_key):
    ApiKey.objects.filter(pk=api_key.pk).update(restrictions={"hours": [9, 17]})
    (facts,) = run_json("listkeys", project.public_id)["keys"]
    assert shown(facts) == dict.fromkeys(SHOWN, "unreadable")
    assert "restricted as only a newer release can read" in run("listkeys", project.public_id)
    assert run_json("pausekey", api_key.public_id)["changed"] is True
    with pytest.raises(CommandError, match="Use the newest release"):
        run("editkey", api_key.public_id, "--full-access", "--any-address", "--no-rate", "--no-quota")
    assert ApiKey.objects.get().restrictions == {"hours": [9, 17]}


def test_a_deleted_key_is_not_restricted(api_key):
    delete_key(key=api_key, by=None)
    with pytest.raises(CommandError, match="deleted for good"):
        run("editkey", api_key.public_id, "--read-only")


def test_limitproject_sets_the_limits_of_all_keys_together(project, api_key):
    answer = run_json("limitproject", project.public_id, "--rate", "100/minute", "--quota", "3/month")
    assert answer == {"id": project.public_id, "rate": "100/minute", "quota": "3/month", "changed": True}
    codes = [verify(f"Bearer {api_key.secret}").code for _ in range(4)]
    assert codes == [None, None, None, "quota_reached"]
    assert run_json("limitproject", project.public_id, "--rate", "100/minute")["changed"] is False
    said = run("limitproject", project.public_id, "--no-rate", "--quota", "10000/month")
    assert said == "Acme Weather now has: 10,000 requests a month.\n"
    assert verify(f"Bearer {api_key.secret}").code is None
    assert "has already: 10,000 requests a month" in run("limitproject", project.public_id, "--no-rate")
    project.refresh_from_db()
    assert project.limits == {"quota": [10000, "month"]}
    assert run("limitproject", project.public_id, "--no-quota") == "Acme Weather now has: no limits.\n"


def test_limitproject_says_what_is_wrong(project):
    for options, said in (
        ([], "Nothing to change. Give --rate"),
        (["--rate", "5/day"], "'5/day' is no rate"),
        (["--rate", "5/hour", "--no-rate"], "not allowed with argument"),
    ):
        with pytest.raises(CommandError, match=said):
            run("limitproject", project.public_id, *options)
    type(project).objects.update(limits={"burst": 3})
    with pytest.raises(CommandError, match="Use the newest release"):
        run("limitproject", project.public_id, "--no-rate", "--no-quota")
    delete_project(project=project, by=None)
    with pytest.raises(CommandError, match="No project"):
        run("limitproject", project.public_id, "--no-rate")
