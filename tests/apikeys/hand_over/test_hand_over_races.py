"""An offer is accepted, withdrawn and its key deleted at once, in real threads with their own connections."""

from functools import partial

import pytest

from apikeys.hand_over import services
from apikeys.hand_over.models import KeyOffer
from apikeys.hand_over.services import OfferGone
from apikeys.keys.key_errors import KeyGone
from apikeys.keys.services import delete_key
from apikeys.models import ApiKey
from projects.audit_log.models import AuditEvent
from projects.locks import NoLongerAllowed
from projects.members.memberships import change_member
from projects.permissions import Role
from tests.support.factories import ApiKeyFactory, MembershipFactory, UserFactory
from tests.support.programs.parallel import rounds_in_parallel

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 15


@pytest.fixture
def colleague(transactional_db, project):
    user = UserFactory(email="colleague@example.com")
    MembershipFactory(project=project, user=user, role=Role.DEVELOPER)
    return user


def offers(project, owner, colleague):
    for key in ApiKeyFactory.create_batch(ROUNDS, project=project):
        services.offer(key=key, to=colleague, by=owner)
    return KeyOffer.objects.select_related("key__project", "to").order_by("pk")


def test_of_an_acceptance_a_withdrawal_and_a_deletion_one_order_is_true(transactional_db, project, owner, colleague):
    found = offers(project, owner, colleague)
    rounds = [
        [
            partial(services.accept, offer=one, by=colleague),
            partial(services.withdraw, offer=two, by=owner),
            partial(delete_key, key=three.key, by=owner),
        ]
        for one, two, three in zip(found.all(), found.all(), found.all(), strict=True)
    ]
    keys = [one.key for one in found]
    for key, (accepted, withdrawn, deleted) in zip(keys, rounds_in_parallel(rounds), strict=True):
        assert deleted is True
        for answer in (accepted, withdrawn):
            assert answer is None or isinstance(answer, OfferGone | KeyGone)
        assert not (accepted is None and withdrawn is None)
        responsible = ApiKey.objects.get(pk=key.pk).responsible
        assert responsible == (colleague if accepted is None else owner)
        events = set(AuditEvent.objects.filter(key=key).values_list("kind", flat=True))
        assert ("key_handed_over" in events, "key_offer_withdrawn" in events) == (accepted is None, withdrawn is None)
    assert not KeyOffer.objects.exists()


def test_nobody_who_was_removed_accepts_a_key(transactional_db, project, owner, colleague):
    """The removal came first and the acceptance failed, or the key is theirs and they were removed afterwards."""
    found = offers(project, owner, colleague)
    [one, two] = found[:2]
    rounds = [
        [
            partial(services.accept, offer=one, by=colleague),
            partial(services.accept, offer=two, by=colleague),
            partial(change_member, project=project, user=colleague, role=None, by=owner),
        ]
    ]
    [[first, second, removed]] = rounds_in_parallel(rounds)
    assert removed.kind == "member_removed"
    for offer, answer in ((one, first), (two, second)):
        assert answer is None or isinstance(answer, NoLongerAllowed | OfferGone)
        assert ApiKey.objects.get(pk=offer.key_id).responsible == (colleague if answer is None else owner)
    assert not KeyOffer.objects.filter(to=colleague).exists()
