"""Each kind of event has everything that the page, the filters, the emails and the security log need."""

from string import Formatter

import pytest
from django.db import IntegrityError, transaction
from heroicons.templatetags.heroicons import heroicon_outline

from common.security_log import Event
from projects.audit_log import kinds
from projects.audit_log.kinds import Email, Kind, Subject, all_kinds
from projects.audit_log.models import AuditEvent
from projects.models import Membership
from tests.support.factories import ProjectFactory

KINDS = all_kinds()
SLOTS = {
    Subject.KEY: {"by", "key", "before", "after"},
    Subject.MEMBER: {"by", "member", "role", "before", "after"},
    Subject.INVITATION: {"by", "before", "role"},
    Subject.PROJECT: {"by", "before", "after"},
    Subject.FILE: {"by", "before"},
}
SWITCHES = {field.name.removeprefix("mail_") for field in Membership._meta.fields if field.name.startswith("mail_")}


def slots(kind: Kind) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(kind.sentence) if name}


@pytest.mark.nodb
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_a_kind_has_an_icon_a_sentence_a_filter_and_words_for_an_email_or_nobody(kind):
    assert heroicon_outline(kind.icon)
    assert slots(kind) <= SLOTS[kind.subject]
    assert ("by" in slots(kind)) != kind.by_anybody, "the sentence names the person, if the person is known"
    assert ("before" in slots(kind)) == kind.names
    assert kind.names_person <= kind.names
    assert kind.names_person or kind.subject != Subject.INVITATION
    assert (kind.code, kind.label) in list(kinds.choices())
    assert kind.log_event in set(Event)
    email = kind.email
    assert email is kinds.NOBODY or isinstance(email, Email)
    if email:
        assert email.switch is None or email.switch in SWITCHES
        assert email.subject[0].isupper()
        assert email.what.endswith(".")
        assert email.advice.endswith(".")
        assert email.section or email.why, "the email says why it was sent"
        assert bool(email.to_member) == (kind.subject == Subject.MEMBER), "the person may not do what owners may"


@pytest.mark.nodb
def test_no_two_kinds_have_one_code_one_label_or_one_line_of_the_log():
    for name in ("code", "label", "log_event"):
        values = [getattr(kind, name) for kind in KINDS]
        assert len(set(values)) == len(values), name
    with pytest.raises(ValueError, match="two kinds of events with the code created"):
        kinds.register(next(kind for kind in KINDS if kind.code == "created"))


@pytest.mark.nodb
def test_each_app_registers_its_kinds():
    from apikeys import audit_kinds as of_keys
    from apikeys.bounds import bound_kinds as of_bounds
    from projects import audit_kinds as of_projects

    modules = (of_keys, of_bounds, of_projects)
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Kind)]
    assert sorted(kind.code for kind in found) == kinds.codes_of()


@pytest.mark.django_db
def test_the_database_knows_the_registered_kinds_and_no_other():
    """A newly registered kind needs a migration. `makemigrations --check` says so."""
    project = ProjectFactory()
    for kind in KINDS:
        if kind.subject == Subject.PROJECT:
            AuditEvent.objects.create(project=project, kind=kind.code, before="A" if kind.names else "")
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEvent.objects.create(project=project, kind="project_painted")


@pytest.mark.nodb
def test_an_event_of_a_kind_that_is_not_known_any_more_still_has_a_sentence():
    """For example after a downgrade."""
    kind = kinds.kind_of("painted")
    assert kind.sentence.format(by="Ada") == "Ada did something: painted"
    assert heroicon_outline(kind.icon)
