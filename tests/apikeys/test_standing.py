"""The one judge of standings: the texts that each standing needs, the standing of a key, and the judge's callers."""

import itertools
import re
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from django.db import connection
from django.template import Context, Template
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys.models import STANDING_ORDER, ApiKey
from apikeys.secrets import secret_format
from apikeys.standing import (
    PASSED,
    STANDINGS,
    Facts,
    KeyState,
    PauseReason,
    Standing,
    by_state,
    rules_of,
    standing_of,
    standings_of,
)
from apikeys.usage import counting
from apikeys.usage.models import KeyUse
from apikeys.verify.verification import verify
from common import outages
from common.answers.refusals import UNAVAILABLE
from tests.support.environment import ON_SQLITE, REPOSITORY
from tests.support.factories import ApiKeyFactory, UserFactory
from tests.support.places.pages import page

NOW = datetime(2026, 3, 10, 15, 0, tzinfo=UTC).timestamp()
CSS = (REPOSITORY / "static" / "css" / "main.css").read_text()

# The standing of a key with these facts: its state, the reason of its pause, whether its creator's account is active.
EXPECTED = {
    ("active", "", True): "active",
    ("active", "", False): "creator_deactivated",
    ("active", "reported", True): "active",
    ("active", "reported", False): "creator_deactivated",
    ("paused", "", True): "paused",
    ("paused", "", False): "paused",
    ("paused", "reported", True): "reported",
    ("paused", "reported", False): "reported",
    ("ended", "", True): "expired",
    ("ended", "", False): "creator_deactivated",
    ("ended", "reported", True): "expired",
    ("ended", "reported", False): "creator_deactivated",
    ("deleted", "", True): "deleted",
    ("deleted", "", False): "deleted",
    ("deleted", "reported", True): "deleted",
    ("deleted", "reported", False): "deleted",
    ("frozen", "", True): "unknown",
}
OVER, TO_COME = NOW - 86_400, NOW + 86_400
INSTANTS = [None, OVER, TO_COME]


def expected_with(resumes_at: float | None, expires_at: float | None, *facts: Any) -> str:
    """The code in EXPECTED, after time has ended a pause or the key."""
    state, reason, responsible_is_active = facts
    if state == "paused" and resumes_at == OVER:
        state, reason = "active", ""
    if state == "active" and expires_at == OVER:
        state = "ended"
    return EXPECTED[state, reason, responsible_is_active]


def can_be_stored(facts: Facts) -> bool:
    """Whether the constraints of the database allow the combination."""
    is_paused = facts.state == "paused"
    if facts.state == "frozen" or (facts.state == "ended" and facts.expires_at is None):
        return False
    return is_paused or not (facts.pause_reason or facts.resumes_at)


STORED = [
    facts
    for state, reason, active in EXPECTED
    for resumes_at, expires_at in itertools.product(INSTANTS, INSTANTS)
    if can_be_stored(facts := Facts(state, reason, active, resumes_at, expires_at))
]


@pytest.mark.nodb
@pytest.mark.parametrize("standing", STANDINGS, ids=lambda standing: standing.code)
def test_a_standing_has_all_that_pages_show(standing):
    assert re.search(rf"\.badge(\.|:is\([^)]*\.){standing.badge}\b", CSS), f"main.css needs .badge.{standing.badge}"
    for size in ("mini", "outline"):
        icon = Template(f"{{% heroicon_{size} icon %}}").render(Context({"icon": standing.icon}))
        assert "<svg" in icon, "heroicons raises for an icon that it does not have"
    assert standing.label[0].isupper()
    assert standing.sentence.endswith(".")
    assert not standing.advice or standing.advice.endswith(".")


@pytest.mark.nodb
def test_every_standing_differs_from_the_others_and_one_alone_lets_in():
    assert len({standing.code for standing in STANDINGS}) == len({standing.label for standing in STANDINGS})
    assert [standing.code for standing in STANDINGS if standing.lets_in] == ["active"]


@pytest.mark.nodb
def test_the_facts_of_a_key_decide_its_standing():
    expected = {*itertools.product(KeyState, ["", *PauseReason], [True, False])}
    assert {facts for facts in EXPECTED if facts[0] != "frozen"} == expected, "EXPECTED has every combination"
    assert {facts: standing_of(Facts(*facts), NOW).code for facts in EXPECTED} == EXPECTED


@pytest.mark.nodb
def test_time_ends_a_pause_and_a_key():
    for facts in (facts for facts in EXPECTED if facts[0] != "frozen"):
        for resumes_at, expires_at in itertools.product(INSTANTS, INSTANTS):
            found = standing_of(Facts(*facts, resumes_at, expires_at), NOW).code
            assert found == expected_with(resumes_at, expires_at, *facts), (facts, resumes_at, expires_at)


@pytest.mark.nodb
def test_a_paused_key_names_what_would_refuse_it_afterwards():
    codes = {facts: [standing.code for standing in standings_of(Facts(*facts), NOW)] for facts in EXPECTED}
    assert codes["paused", "", False] == ["paused", "creator_deactivated"]
    assert codes["paused", "reported", False] == ["reported", "creator_deactivated"]
    others = {facts: found for facts, found in codes.items() if facts[0] != "paused" or facts[2]}
    assert others == {facts: [EXPECTED[facts]] for facts in others}


@pytest.mark.nodb
@pytest.mark.parametrize(("seconds", "has_come"), [(-1, True), (0, True), (1, False)])
def test_a_standing_can_begin_at_an_instant(seconds, has_come):
    class Ending(NamedTuple):
        state: str
        ends_at: float | None

    words = {"code": "ended", "label": "Ended", "badge": "deleted", "icon": "x-circle", "sentence": "It has ended."}
    rules = by_state(rules_of(Standing(where=[{"ends_at": PASSED}], **words), Ending._fields))
    codes = [standing_of(Ending("active", at), NOW, rules).code for at in (NOW + seconds, None)]
    assert codes == ["ended" if has_come else "unknown", "unknown"]


# In the database


def key_of(facts: Facts, **given: Any) -> ApiKey:
    """A key with these facts now, if they were its facts at NOW."""
    moved = timezone.now() - datetime.fromtimestamp(NOW, UTC)
    resumes_at, expires_at = (at and datetime.fromtimestamp(at, UTC) + moved for at in facts[3:])
    given |= {"resumes_at": resumes_at, "expires_at": expires_at}
    times: dict[str, Any] = {
        "paused": {"paused_at": timezone.now()},
        "deleted": {"deleted_at": timezone.now(), "ciphertext": None, "ring_key_id": ""},
    }
    creator = UserFactory(is_active=facts.responsible_is_active)
    columns = {"responsible": creator, "state": facts.state, "pause_reason": facts.pause_reason}
    key: ApiKey = ApiKeyFactory(**columns, **times.get(facts.state, {}), **given)
    return key


@pytest.mark.django_db
def test_the_database_sorts_keys_by_the_standing_that_the_judge_gives_them():
    """L2"""
    for facts in STORED:
        key_of(facts)
    keys = ApiKey.objects.select_related("responsible").annotate(place=STANDING_ORDER).order_by("place")
    assert len(keys) == len(STORED)
    assert [key.place for key in keys] == [STANDINGS.index(key.standing) for key in keys]
    for standing in STANDINGS:
        found = ApiKey.objects.standing_as(standing)
        assert {key.pk for key in found} == {key.pk for key in keys if key.standing is standing}
    not_ended = {key.pk for key in keys if not (key.is_deleted or key.is_expired)}
    assert {key.pk for key in ApiKey.objects.not_ended()} == not_ended


@pytest.mark.django_db
def test_the_check_answers_and_counts_what_the_standing_says():
    counted = {}
    for facts in STORED:
        secret = secret_format.generate("lk_")
        key = key_of(facts, secret=secret)
        standing = key.standing
        assert verify(f"Bearer {secret}").code == (standing.refusal.code if standing.refusal else None), facts
        counted[key.pk] = standing.outcome
    counting.flush()
    assert dict(KeyUse.objects.filter(span="hour").values_list("key", "outcome")) == counted


def admins_list(client: Client, order: str) -> list[str]:
    shown = client.get("/admin/apikeys/apikey/", {"o": order}).content.decode()
    return re.findall(r'<td class="field-standing">([^<]*)</td>', shown)


@pytest.mark.django_db
def test_the_admin_sorts_keys_as_people_expect_and_not_by_the_alphabet(admin, signed_in):
    for facts in STORED:
        key_of(facts)
    client = signed_in(admin)
    labels = {standing.code: standing.label for standing in STANDINGS}
    living = [expected_with(*facts[3:], *facts[:3]) for facts in STORED if facts.state != "deleted"]
    shown = [labels[code] for code in sorted(living, key=[standing.code for standing in STANDINGS].index)]
    assert admins_list(client, "4") == shown
    assert admins_list(client, "-4") == shown[::-1]


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["dashboard", "settings", "usage"])
def test_no_page_asks_more_of_the_database_for_keys_of_other_standings(name, owner, project, api_key, signed_in):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(page(f"apikeys:{name}", project)).status_code == 200
        return len(captured)

    client = signed_in(owner)
    before = queries()
    for facts in STORED:
        key_of(facts, project=project, last_used_at=timezone.now())
    assert queries() == before


@pytest.fixture
def frozen(api_key: Any) -> Any:
    """A key in a state that this release does not know, as a later release might leave it."""
    with connection.cursor() as cursor:
        if ON_SQLITE:
            cursor.execute("PRAGMA ignore_check_constraints = ON")
        else:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE apikeys_apikey DROP CONSTRAINT apikey_state_is_known")
    ApiKey.objects.filter(pk=api_key.pk).update(state="frozen")
    if ON_SQLITE:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA ignore_check_constraints = OFF")
    return api_key


@pytest.mark.django_db
def test_a_state_that_is_not_known_is_unavailable_and_says_so_in_the_log(frozen, caplog):
    outages._last_lines.clear()
    assert verify(f"Bearer {frozen.secret}").refusal is UNAVAILABLE
    assert [record.msg for record in caplog.records if record.msg.get("event") == "verify_unavailable"] == [
        {"event": "verify_unavailable", "error": "This release knows no state 'frozen'.", "key_id": frozen.public_id}
        | {"level": "error", "timestamp": caplog.records[0].msg["timestamp"]}
    ]
    counting.flush()
    assert not KeyUse.objects.exists()


@pytest.mark.django_db
def test_a_state_that_is_not_known_does_not_break_the_list(frozen, admin, signed_in):
    client = signed_in(admin)
    shown = client.get("/admin/apikeys/apikey/", {"q": frozen.public_id}).content.decode()
    assert '<td class="field-standing">Unknown</td>' in shown
